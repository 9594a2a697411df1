package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

const logLines = 10

// labelAddress is the label that says where an instance listens.
const labelAddress = "address"

// instances returns a look that finds crashed instances: those with the prefix
// that the settings name, else those that listen at a target. It is nil where
// there is none of the latter. What crashed before the watch began is not its
// concern.
func (w *watcher) instances(ctx context.Context) (func(context.Context) *finding, error) {
	all, err := w.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch: the instances cannot be listed: %w", err)
	}
	if w.memory.Restarts == nil {
		w.memory.Restarts = map[string]int{}
		for _, i := range all {
			w.memory.Restarts[i.ID] = i.Restarts
		}
	}
	began := maps.Clone(w.memory.Restarts)
	if w.step.set.Instances == "" && len(began) == 0 {
		return nil, nil //nolint:nilnil // documented: there is nothing to look at
	}
	return func(ctx context.Context) *finding { return w.lookAt(ctx, began) }, nil
}

// list returns the instances that are watched.
func (w *watcher) list(ctx context.Context) ([]ripcord.InstanceStatus, error) {
	scope := w.step.scope
	if scope.Supervisor == nil {
		return nil, nil
	}
	if w.step.set.Instances != "" {
		return w.below(ctx, w.step.set.prefixes())
	}
	targets := w.step.set.addresses()
	if len(targets) == 0 {
		return nil, nil
	}
	all, err := scope.Supervisor.List(ctx, scope.Application+"/"+scope.Environment+"/")
	return slices.DeleteFunc(all, func(i ripcord.InstanceStatus) bool { return !targets[i.Labels[labelAddress]] }), err
}

// below lists the instances whose ids begin with a prefix. That a prefix has
// none is for the caller to judge.
func (w *watcher) below(ctx context.Context, prefixes []string) ([]ripcord.InstanceStatus, error) {
	var all []ripcord.InstanceStatus
	for _, prefix := range prefixes {
		some, err := w.step.scope.Supervisor.List(ctx, prefix)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (w *watcher) lookAt(ctx context.Context, began map[string]int) *finding {
	all, err := w.list(ctx)
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
		return &finding{text: "there is no instance to watch"}
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
	if words := health.LastWords(f.lines); words != "" {
		f.text += ": " + words
	}
	return f
}

// named is an instance for people: "web green instance 1". Its colour tells the
// new instances of a service from the old ones.
func named(id string) string {
	parts := strings.Split(id, "/")
	if len(parts) < 3 {
		return id
	}
	last := len(parts) - 1
	return fmt.Sprintf("%s %s instance %s", parts[last-2], parts[last-1], parts[last])
}
