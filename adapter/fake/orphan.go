package fake

import (
	"maps"
	"slices"
)

// Orphans returns the resumable effects that have begun and not ended, in order.
// Those of executors that died go on in the world until EndOrphan or a Resume.
func (w *World) Orphans() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(w.started)) {
		if !w.started[key].done {
			keys = append(keys, key)
		}
	}
	return keys
}

// EndOrphan lets an orphan do the rest of its effect, as it would while nobody
// looks. One that has ended stays as it is.
func (w *World) EndOrphan(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.started[key]
	if e == nil || e.done {
		return
	}
	w.complete(e.target, e.op, e.attempt, e.next)
	e.done = true
}

// Image returns a target's value as an exact Check gives it, a half-written one
// included.
func (w *World) Image(target string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.values[target].image()
}
