package local_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
	"github.com/ripcord-dev/ripcord/engine/local"
	"github.com/ripcord-dev/ripcord/store/memory"
)

// inApply does something while a step's Apply goes on.
type inApply struct {
	ripcord.Adapter

	step ripcord.StepID
	do   func(ctx context.Context)
}

func (a *inApply) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	step, err := a.Adapter.Open(ctx, spec, scope)
	if spec.ID == a.step {
		step = &busyStep{Step: step, do: a.do}
	}
	return step, err
}

type busyStep struct {
	ripcord.Step

	do func(ctx context.Context)
}

func (b *busyStep) Apply(ctx context.Context, a ripcord.Attempt) error {
	b.do(ctx)
	return b.Step.Apply(ctx, a)
}

const noCheck = `,"checkable":false`

// A pause that was asked for while a step went on is heard before the next one
// begins, although result and next intent become durable together otherwise.
func TestRequestBeforeTheNextStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", noCheck), set("b", noCheck, "a"))
		w.begin()
		ctx, stop := context.WithCancel(t.Context())
		x := w.executor(func(o *local.Options) {
			o.StateID = "" // nothing looks at the targets first
			o.Adapters[fake.Kind] = &inApply{Adapter: o.Adapters[fake.Kind], step: "a", do: func(context.Context) {
				time.Sleep(60 * time.Millisecond) // less than the loop's own pause
				w.ask(ripcord.VerbPause)          //nolint:contextcheck // the run may be over
			}}
			o.Observe = func(e ripcord.Entry) {
				if e.Kind == ripcord.RunPaused {
					stop()
				}
			}
		})
		if _, err := x.Run(ctx); err == nil {
			t.Error("the run went on")
		}
		w.is("new", "a")
		w.is("old", "b")
		for _, e := range w.entries() {
			if e.Step == "b" {
				t.Errorf("b was begun after a pause was asked for:\n%s", w.journal())
			}
		}
	})
}

// A step that an operation goes on with is an operation of its own: an abort
// cancels it, and its siblings run beside it.
func TestGoesOnBesideOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", noCheck), set("b", noCheck, "a"), set("c", noCheck, "a"))
		var cause error
		state := w.run(func(o *local.Options) {
			o.StateID = ""
			inner := o.Adapters[fake.Kind]
			stuck := &inApply{Adapter: inner, step: "b", do: func(ctx context.Context) {
				<-ctx.Done()
				cause = context.Cause(ctx)
			}}
			o.Adapters[fake.Kind] = &inApply{Adapter: stuck, step: "c", do: func(context.Context) {
				w.ask(ripcord.VerbAbort) //nolint:contextcheck // the run may be over
			}}
		})
		if state.State != ripcord.StateRolledBack || cause == nil {
			t.Errorf("state %s, b was cancelled by %v:\n%s", state.State, cause, w.journal())
		}
		w.is("old", "a", "b", "c")
	})
}

// fencedLate refuses all appends after some.
type fencedLate struct {
	*memory.Store

	left int
}

func (f *fencedLate) Append(ctx context.Context, entries ...ripcord.Entry) error {
	if f.left--; f.left < 0 {
		return ripcord.ErrFenced
	}
	return f.Store.Append(ctx, entries...)
}

// Where the result cannot be journaled, the next step does not begin.
func TestNothingFollowsAnUnwrittenResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", noCheck), set("b", noCheck, "a"))
		w.begin()
		x := w.executor(func(o *local.Options) { o.Journal, o.StateID = &fencedLate{Store: w.store, left: 2}, "" })
		if _, err := x.Run(t.Context()); err == nil {
			t.Error("the run went on without a journal")
		}
		w.is("new", "a")
		w.is("old", "b")
		if entries := w.entries(); slices.ContainsFunc(entries, func(e ripcord.Entry) bool { return e.Step == "b" }) {
			t.Errorf("b was begun:\n%s", w.journal())
		}
	})
}
