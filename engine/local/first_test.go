package local_test

import (
	"context"
	"iter"
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
	// read counts how often entries were asked for.
	read int
}

func (a *appends) Entries(ctx context.Context, run ripcord.RunID, after uint64) iter.Seq2[ripcord.Entry, error] {
	a.read++
	return a.Store.Entries(ctx, run, after)
}

func (a *appends) Append(ctx context.Context, entries ...ripcord.Entry) error {
	var kinds []ripcord.EntryKind
	for i := range entries {
		kinds = append(kinds, entries[i].Kind)
	}
	a.kinds = append(a.kinds, kinds)
	return a.Store.Append(ctx, entries...)
}

// Entries share a flush where nothing happens between them. A result never waits
// for a Check, a question or a preparation; an intent is always the last.
func TestFlushes(t *testing.T) {
	t.Parallel()
	begin, end := []ripcord.EntryKind{ripcord.RunAttached}, []ripcord.EntryKind{ripcord.StepApplied, ripcord.RunCommitted, ripcord.RunSucceeded}
	tests := map[string]struct {
		steps []ripcord.StepSpec
		want  [][]ripcord.EntryKind
	}{
		"checked": {[]ripcord.StepSpec{set("a", ""), set("b", "", "a")}, [][]ripcord.EntryKind{
			begin,
			{ripcord.RunBundled, ripcord.RunStarted},
			{ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied},
			{ripcord.StepChecked, ripcord.StepIntent},
			end,
		}},
		"unchecked": {[]ripcord.StepSpec{set("a", noCheck), set("b", noCheck, "a"), set("c", noCheck, "b")}, [][]ripcord.EntryKind{
			begin,
			{ripcord.RunBundled, ripcord.RunStarted, ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied, ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied, ripcord.StepChecked, ripcord.StepIntent},
			end,
		}},
		"unchecked before checked": {[]ripcord.StepSpec{set("a", noCheck), set("b", "", "a")}, [][]ripcord.EntryKind{
			begin,
			{ripcord.RunBundled, ripcord.RunStarted, ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied},
			{ripcord.StepChecked, ripcord.StepIntent},
			end,
		}},
		"unchecked and prepared": {[]ripcord.StepSpec{set("a", ""), set("b", noCheck+`,"prepares":true`, "a")}, [][]ripcord.EntryKind{
			begin,
			{ripcord.RunBundled, ripcord.RunStarted},
			{ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied},
			{ripcord.StepChecked},
			{ripcord.StepPreparing},
			{ripcord.StepPrepared},
			{ripcord.StepIntent},
			{ripcord.StepApplied, ripcord.RunCommitted},
			{ripcord.StepDiscarded},
			{ripcord.RunSucceeded},
		}},
		"finishes": {[]ripcord.StepSpec{set("a", `,"finishes":true`)}, [][]ripcord.EntryKind{
			begin,
			{ripcord.RunBundled, ripcord.RunStarted},
			{ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied, ripcord.RunCommitted},
			{ripcord.StepFinished},
			{ripcord.RunSucceeded},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorkbench(t, test.steps...)
				noted := &appends{Store: w.store}
				w.run(func(o *local.Options) { o.Journal, o.StateID = noted, "" })
				if !slices.EqualFunc(noted.kinds, test.want, slices.Equal) {
					t.Errorf("became durable together:\n%v\nwant\n%v", noted.kinds, test.want)
				}
			})
		})
	}
}

// What was planned just now is not read back, and who carries it out is said with
// the first append.
func TestPlannedJustNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", noCheck))
		noted := &appends{Store: w.store}
		state := w.run(func(o *local.Options) {
			o.Journal, o.StateID = noted, ""
			o.Planned = &ripcord.Entry{Kind: ripcord.RunPlanned, Run: "r1", Plan: &w.plan}
		})
		want := [][]ripcord.EntryKind{
			{ripcord.RunAttached, ripcord.RunBundled, ripcord.RunStarted, ripcord.StepChecked, ripcord.StepIntent},
			{ripcord.StepApplied, ripcord.RunCommitted, ripcord.RunSucceeded},
		}
		if state.State != ripcord.StateSucceeded || !slices.EqualFunc(noted.kinds, want, slices.Equal) || noted.read > 0 {
			t.Errorf("%s, read %d times, became durable together:\n%v\nwant\n%v", state.State, noted.read, noted.kinds, want)
		}
	})
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
