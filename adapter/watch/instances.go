package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

const logLines = 10

// instances returns a look that finds crashed instances. What crashed before the
// watch began is not its concern.
func (w *watcher) instances(ctx context.Context) (func(context.Context) *finding, error) {
	prefix := w.step.set.Instances
	all, err := w.step.scope.Supervisor.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("watch: instances %s: %w", prefix, err)
	}
	if w.memory.Restarts == nil {
		w.memory.Restarts = map[string]int{}
		for _, i := range all {
			w.memory.Restarts[i.ID] = i.Restarts
		}
	}
	began := maps.Clone(w.memory.Restarts)
	return func(ctx context.Context) *finding { return w.lookAt(ctx, began) }, nil
}

func (w *watcher) lookAt(ctx context.Context, began map[string]int) *finding {
	prefix := w.step.set.Instances
	all, err := w.step.scope.Supervisor.List(ctx, prefix)
	if err != nil {
		return &finding{text: "the instances cannot be listed: " + err.Error()}
	}
	missing := maps.Clone(began)
	for _, i := range all {
		before, known := began[i.ID]
		delete(missing, i.ID)
		if known && i.Restarts > before || !i.Running && i.LastExit != nil {
			return w.crashed(ctx, i)
		}
		if !i.Running {
			return &finding{text: named(i.ID) + " does not run"}
		}
	}
	if len(missing) > 0 {
		return &finding{text: named(slices.Min(slices.Collect(maps.Keys(missing)))) + " is no longer supervised"}
	}
	if len(all) == 0 {
		return &finding{text: "there is no instance of " + prefix}
	}
	return nil
}

// crashed says how an instance ended, with its last words.
func (w *watcher) crashed(ctx context.Context, i ripcord.InstanceStatus) *finding {
	f := &finding{final: true, text: named(i.ID) + " crashed"}
	if e := i.LastExit; e != nil {
		f.lines = e.Tail
		switch {
		case e.Signal != "":
			f.text += fmt.Sprintf(" (signal %s)", e.Signal)
		default:
			f.text += fmt.Sprintf(" (exit status %d)", e.Code)
		}
	}
	f.text += fmt.Sprintf(" %d s into the watch", int(w.watched()/time.Second))
	if len(f.lines) == 0 {
		// Without its log the crash is still one.
		f.lines, _ = w.step.scope.Supervisor.Tail(ctx, i.ID, logLines)
	}
	f.lines = f.lines[max(0, len(f.lines)-logLines):]
	for _, line := range slices.Backward(f.lines) {
		if line = strings.TrimSpace(line); line != "" {
			f.text += ": " + line
			break
		}
	}
	return f
}

// named is an instance for people: "web instance 1".
func named(id string) string {
	parts := strings.Split(id, "/")
	if len(parts) < 3 {
		return id
	}
	return parts[len(parts)-3] + " instance " + parts[len(parts)-1]
}
