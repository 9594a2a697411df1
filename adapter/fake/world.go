package fake

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ripcord-dev/ripcord"
)

// World is the system that fake steps change. It outlives executors: one that
// dies loses nothing of it. It is safe for concurrent use.
type World struct {
	mu      sync.Mutex
	values  map[string]value
	copies  map[string]value // what Prepare keeps, by idempotency key
	olds    map[string]bool  // what Finish drops, by idempotency key
	stash   map[string]value // the before-image of steps whose Check gives none
	started map[string]*effect
	stamps  map[string]ripcord.Stamp
	calls   map[ripcord.StepID]*[ops]int
	faults  []Fault
	hook    Hook
}

// value is a target's state. Half is what an effect that stopped in its middle
// was about to write.
type value struct {
	text string
	set  bool
	half string
}

// effect is one Apply or Undo of a resumable step.
type effect struct {
	target  string
	op      Op
	attempt ripcord.Attempt
	next    value
	done    bool
	err     error
}

// Phase is where in an operation a Moment lies.
type Phase uint8

// The phases: before anything happened, between the two halves of an effect
// (Apply and Undo only), and when all is done but not yet reported.
const (
	Begin Phase = iota
	Middle
	End
)

// Moment is a point at which an executor may die.
type Moment struct {
	Step   ripcord.StepID
	Op     Op
	Number int
	Fence  uint64
	Phase  Phase
}

// Hook is called at each Moment, without any lock held. When it returns an
// error the operation stops there, as if the executor had died, and returns it.
type Hook func(ctx context.Context, m Moment) error

// NewWorld returns a world in which nothing is set.
func NewWorld() *World {
	return &World{
		values: make(map[string]value), copies: make(map[string]value), olds: make(map[string]bool),
		stash: make(map[string]value), started: make(map[string]*effect),
		stamps: make(map[string]ripcord.Stamp), calls: make(map[ripcord.StepID]*[ops]int),
	}
}

// Inject adds faults. Of several that hit one call, the first wins.
func (w *World) Inject(faults ...Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, faults...)
}

// Heal removes all faults.
func (w *World) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = nil
}

// OnMoment sets the hook; nil removes it.
func (w *World) OnMoment(h Hook) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = h
}

// Set gives a target a value, as somebody else would.
func (w *World) Set(target, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.values[target] = value{text: text, set: true}
}

// Unset removes a target, as somebody else would.
func (w *World) Unset(target string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.values, target)
}

// Get returns a target's value; ok is false when it is unset or half-written.
func (w *World) Get(target string) (text string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.values[target]
	return v.text, v.set && v.half == ""
}

// Calls returns how often an operation of a step was called.
func (w *World) Calls(id ripcord.StepID, op Op) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.calls[id]; n != nil {
		return n[op]
	}
	return 0
}

// Fingerprint returns all targets with their values, in order: equal worlds
// give equal fingerprints.
func (w *World) Fingerprint() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, target := range slices.Sorted(maps.Keys(w.values)) {
		b.WriteString(target)
		b.WriteString(w.values[target].image())
		b.WriteByte('\n')
	}
	return b.String()
}

// Leftovers returns what Prepare and Apply left for Discard and Finish to drop,
// in order. After the end of a run there are none.
func (w *World) Leftovers() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var left []string
	for key := range w.copies {
		left = append(left, "copy "+key)
	}
	for key := range w.olds {
		left = append(left, "old "+key)
	}
	slices.Sort(left)
	return left
}

// image is the canonical form of a value: "-" unset, "=text", "=text\x00half".
func (v value) image() string {
	if !v.set && v.half == "" {
		return "-"
	}
	mark := "="
	if !v.set {
		mark = "-"
	}
	if v.half == "" {
		return mark + v.text
	}
	return mark + v.text + "\x00" + v.half
}

// parse is the inverse of image.
func parse(image string) (v value, ok bool) {
	if image == "" || image[0] != '-' && image[0] != '=' {
		return v, false
	}
	v.set = image[0] == '='
	v.text, v.half, _ = strings.Cut(image[1:], "\x00")
	return v, true
}

// write sets a target; w.mu is held.
func (w *World) write(target string, v value) {
	if !v.set && v.half == "" {
		delete(w.values, target)
		return
	}
	w.values[target] = v
}

// enter counts a call, tells the hook that it begins, and returns how it goes wrong.
func (w *World) enter(ctx context.Context, m Moment) (Mode, error) {
	w.mu.Lock()
	count := w.calls[m.Step]
	if count == nil {
		count = new([ops]int)
		w.calls[m.Step] = count
	}
	count[m.Op]++
	var mode Mode
	for i := range w.faults {
		f := &w.faults[i]
		if f.Step == m.Step && f.Op == m.Op && f.hits(count[m.Op]) {
			mode = f.Mode
			break
		}
	}
	w.mu.Unlock()
	return mode, w.at(ctx, m, Begin)
}

// at tells the hook where an operation is.
func (w *World) at(ctx context.Context, m Moment, p Phase) error {
	w.mu.Lock()
	hook := w.hook
	w.mu.Unlock()
	if hook == nil {
		return nil
	}
	m.Phase = p
	return hook(ctx, m)
}
