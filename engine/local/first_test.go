package local_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
	"github.com/ripcord-dev/ripcord/engine/local"
	"github.com/ripcord-dev/ripcord/store/memory"
)

// appends notes which entries became durable together.
type appends struct {
	*memory.Store

	kinds [][]ripcord.EntryKind
}

func (a *appends) Append(ctx context.Context, entries ...ripcord.Entry) error {
	var kinds []ripcord.EntryKind
	for i := range entries {
		kinds = append(kinds, entries[i].Kind)
	}
	a.kinds = append(a.kinds, kinds)
	return a.Store.Append(ctx, entries...)
}

// Before-image and intent share a flush where nothing happens between them, so
// does the commit with the end; results and intents never do.
func TestFlushes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		step ripcord.StepSpec
		want [][]ripcord.EntryKind
	}{
		"plain": {set("a", ""), [][]ripcord.EntryKind{
			{ripcord.RunAttached},
			{ripcord.RunBundled},
			{ripcord.RunStarted},
			{ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied},
			{ripcord.RunCommitted, ripcord.RunSucceeded},
		}},
		"prepares": {set("a", `,"prepares":true`), [][]ripcord.EntryKind{
			{ripcord.RunAttached},
			{ripcord.RunBundled},
			{ripcord.RunStarted},
			{ripcord.StepChecked},
			{ripcord.StepPreparing},
			{ripcord.StepPrepared},
			{ripcord.StepIntent},
			{ripcord.StepApplied},
			{ripcord.RunCommitted},
			{ripcord.StepDiscarded},
			{ripcord.RunSucceeded},
		}},
		"finishes": {set("a", `,"finishes":true`), [][]ripcord.EntryKind{
			{ripcord.RunAttached},
			{ripcord.RunBundled},
			{ripcord.RunStarted},
			{ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied},
			{ripcord.RunCommitted},
			{ripcord.StepFinished},
			{ripcord.RunSucceeded},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorkbench(t, test.step)
				noted := &appends{Store: w.store}
				w.run(func(o *local.Options) { o.Journal = noted })
				if !slices.EqualFunc(noted.kinds, test.want, slices.Equal) {
					t.Errorf("became durable together:\n%v\nwant\n%v", noted.kinds, test.want)
				}
			})
		})
	}
}

// looksLate makes the Check of step b wait.
type looksLate struct {
	ripcord.Adapter

	until chan struct{}
}

func (l *looksLate) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	step, err := l.Adapter.Open(ctx, spec, scope)
	if spec.ID == "b" {
		step = &lateStep{Step: step, until: l.until}
	}
	return step, err
}

type lateStep struct {
	ripcord.Step

	until chan struct{}
}

func (l *lateStep) Check(ctx context.Context) (ripcord.Observation, error) {
	<-l.until
	return l.Step.Check(ctx)
}

// A sibling that failed during a step's first Check keeps that step from being
// begun, although before-image and intent become durable together otherwise.
func TestNothingStartsAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""), set("b", ""))
		w.world.Inject(fake.Fault{Step: "a", Op: fake.Apply, Mode: fake.Fail})
		failed := make(chan struct{})
		w.run(func(o *local.Options) {
			o.Adapters[fake.Kind] = &looksLate{Adapter: o.Adapters[fake.Kind], until: failed}
			o.Observe = func(e ripcord.Entry) {
				if e.Kind == ripcord.StepFailed {
					close(failed)
				}
			}
		})
		w.is("old", "a", "b")
		for _, e := range w.entries() {
			if e.Kind == ripcord.StepIntent && e.Step == "b" {
				t.Errorf("b was begun although a had failed:\n%s", w.journal())
			}
		}
	})
}
