package engine_test

import (
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

var traffic = traits(func(t *ripcord.Traits) { t.Traffic = true })

// failing is a story with steps a, b and shift done, and x failed.
func failing(t *testing.T, x ripcord.StepSpec) *story {
	t.Helper()
	s := begun(t, step("a"), step("shift", traffic), step("b"), x)
	s.plan.Parallel = 4
	s.apply("a", "shift", "b")
	s.tell(checked("x"), intent("x", 1), failed("x"))
	return s
}

// TestUndoOrder: all is settled, traffic goes back first, evidence is frozen,
// then the newest step goes first.
func TestUndoOrder(t *testing.T) {
	t.Parallel()
	s := failing(t, step("x"))
	s.wants("observe x")
	s.tell(settled("x", ripcord.Partial, "half"))
	s.wants("undo shift 1")
	s.tell(undoIntent("shift", 1), undone("shift"))
	s.wants("evidence")
	s.tell(ripcord.Entry{Kind: ripcord.RunEvidence})
	for _, id := range []ripcord.StepID{"x", "b", "a"} {
		s.wants("undo " + string(id) + " 1")
		s.tell(undoIntent(id, 1))
		s.wants()
		s.tell(undone(id))
	}
	s.wants("rolled_back")
	if !s.has(ripcord.RunRolledBack, "").Verified {
		t.Error("the way back is not said to be verified")
	}
}

// TestSettledFirst: no undo while a sibling is in progress or unknown.
func TestSettledFirst(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("b"), step("c"))
	s.plan.Parallel = 3
	s.apply("a")
	s.tell(checked("b"), checked("c"), intent("b", 1), attached, intent("c", 1))
	s.must(ripcord.VerbAbort, "")
	s.wants("cancel c")
	cancelled := failed("c")
	cancelled.Failure = &ripcord.Failure{Class: ripcord.FailedCancelled}
	s.tell(cancelled)
	s.wants("settle b 1 stop", "observe c")
	s.tell(settled("c", ripcord.Partial, "half"))
	s.wants("settle b 1 stop")
	s.tell(settled("b", ripcord.Absent, "old"))
	s.wants("undo c 1")
}

func TestUndoRetriesThenHolds(t *testing.T) {
	t.Parallel()
	unverified := traits(func(t *ripcord.Traits) { t.Checkable, t.Reversal.Way = false, ripcord.WayUnverified })
	s := begun(t, step("a", unverified), step("x"))
	fail := func(n int) {
		e := undoFailed("a")
		e.Until = engine.UndoRetryAt(ripcord.Retry{}, n, s.now)
		s.tell(undoIntent("a", s.state().Steps["a"].Undos+1), e)
	}
	s.apply("a")
	s.must(ripcord.VerbAbort, "")
	s.wants("undo a 1")
	fail(1)
	s.wants()
	s.after(time.Second)
	s.wants("undo a 2")
	fail(2)
	s.after(time.Second)
	s.wants() // the pause doubles
	s.after(time.Second)
	s.wants("undo a 3")
	fail(3)
	s.wants()
	s.runs(ripcord.StateHeld)
	s.must(ripcord.VerbRetry, "")
	s.wants("evidence") // of the failed undo
	s.tell(ripcord.Entry{Kind: ripcord.RunEvidence})
	s.wants("undo a 4")
	for n := 1; n <= 3; n++ {
		fail(n)
		s.after(time.Minute)
	}
	s.wants()
	s.runs(ripcord.StateHeld)
	s.must(ripcord.VerbSkip, "")
	s.wants("rolled_back")
	if s.has(ripcord.RunRolledBack, "").Verified {
		t.Error("a run that left a step is not verified")
	}
}

// TestFailedUndoIsLookedAt: an undo that says that it failed may have done its work.
func TestFailedUndoIsLookedAt(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("x"))
	s.apply("a")
	s.must(ripcord.VerbAbort, "")
	s.wants("undo a 1")
	s.tell(undoIntent("a", 1), undoFailed("a"))
	s.wants("observe a")
	s.tell(settled("a", ripcord.Absent, "old"))
	s.wants("rolled_back")
	if !s.has(ripcord.StepUndone, "a").Verified {
		t.Error("what was seen to be back is not verified")
	}
}

func TestHoldOnTheWayBackThenClose(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a", blind), step("b"))
	s.plan.Parallel = 1
	s.wants("check a")
	s.tell(checked("a"), intent("a", 1), attached)
	s.must(ripcord.VerbRollback, "")
	s.wants("settle a 1 stop")
	s.tell(settled("a", ripcord.Unknown, ""))
	s.wants()
	s.runs(ripcord.StateHeld) // its undo is not idempotent
	s.must(ripcord.VerbClose, "")
	s.wants("closed")
	if by := s.has(ripcord.RunClosed, "").Who; by != "bob" {
		t.Errorf("closed by %q", by)
	}
}

// TestInterruptedUndo: what follows a crash in the middle of Undo.
func TestInterruptedUndo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*ripcord.StepSpec)
		seen   *ripcord.Sighting
		want   []string
		state  ripcord.RunState
	}{
		{"as before", func(*ripcord.StepSpec) {}, sighting(ripcord.Absent, "old"), []string{"rolled_back"}, ripcord.StateRolledBack},
		{"half-way", func(*ripcord.StepSpec) {}, sighting(ripcord.Partial, "half"), []string{"undo a 2"}, ripcord.StateRollingBack},
		{"no check", blind, sighting(ripcord.Unknown, ""), nil, ripcord.StateHeld},
		{
			"no check, idempotent",
			traits(func(t *ripcord.Traits) { t.Checkable, t.Reversal.Way = false, ripcord.WayUnverified }),
			sighting(ripcord.Unknown, ""),
			[]string{"undo a 2"},
			ripcord.StateRollingBack,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := begun(t, step("a", test.change), step("b"))
			s.apply("a")
			s.must(ripcord.VerbAbort, "")
			s.wants("undo a 1")
			s.tell(undoIntent("a", 1), attached)
			s.wants("settle a 1")
			s.tell(ripcord.Entry{Kind: ripcord.StepSettled, Step: "a", Seen: test.seen})
			s.wants(test.want...)
			s.runs(test.state)
		})
	}
}

func TestWaysBack(t *testing.T) {
	t.Parallel()
	s := begun(t, step("none", way(ripcord.WayNone)), step("nothing", way(ripcord.WayNothing)),
		step("found"), step("never"), step("unverified", blind))
	s.plan.Parallel = 9
	s.apply("none", "nothing", "unverified")
	s.tell(ripcord.Entry{Kind: ripcord.StepFound, Step: "found", Seen: sighting(ripcord.Present, "new")}, checked("never"))
	s.must(ripcord.VerbAbort, "")
	s.wants("undo unverified 1")
	done := undone("unverified")
	done.Verified = false
	s.tell(undoIntent("unverified", 1), done)
	s.wants("rolled_back")
	got := map[ripcord.StepID]ripcord.StepState{}
	for id, t := range s.state().Steps {
		got[id] = t.State
	}
	want := map[ripcord.StepID]ripcord.StepState{
		"none": ripcord.StepIsApplied, "nothing": ripcord.StepIsUndone, "found": ripcord.StepIsFound,
		"never": ripcord.StepIsPending, "unverified": ripcord.StepIsUndoneUnverified,
	}
	for id := range want {
		if got[id] != want[id] {
			t.Errorf("%s is %s, want %s", id, got[id], want[id])
		}
	}
	if s.has(ripcord.RunRolledBack, "").Verified || !s.state().Steps["none"].Left {
		t.Error("a step without a way back is left, and the run not verified")
	}
}

// TestDiscard: what Prepare made goes when its step is proved to be back, and
// stays otherwise.
func TestDiscard(t *testing.T) {
	t.Parallel()
	prepares := traits(func(t *ripcord.Traits) { t.Prepares = true })
	s := begun(t, step("a", prepares), step("b", prepares), step("c", prepares, way(ripcord.WayNone)), step("d"))
	s.plan.Parallel = 9
	for _, id := range []ripcord.StepID{"a", "b", "c"} {
		s.tell(checked(id), ripcord.Entry{Kind: ripcord.StepPreparing, Step: id}, ripcord.Entry{Kind: ripcord.StepPrepared, Step: id})
	}
	s.tell(intent("a", 1), applied("a"), intent("c", 1), applied("c"))
	s.must(ripcord.VerbAbort, "")
	s.wants("undo a 1")
	s.tell(undoIntent("a", 1), undone("a"))
	s.wants("discard a")
	s.tell(ripcord.Entry{Kind: ripcord.StepDiscarded, Step: "a"})
	s.wants("discard b") // it never began
	s.tell(ripcord.Entry{Kind: ripcord.StepDiscarded, Step: "b"})
	s.wants("rolled_back")
}

// TestNoWaitingForTheWayForward: a pause between attempts does not delay the
// way back.
func TestNoWaitingForTheWayForward(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"))
	again := failed("a")
	until := s.now.Add(time.Hour)
	again.Until = &until
	s.wants("check a")
	s.tell(checked("a"), intent("a", 1), again)
	s.wants()
	s.must(ripcord.VerbAbort, "")
	s.wants("observe a")
}

// TestRollbackRun takes a committed release back with what it knew.
func TestRollbackRun(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("shift", traffic, needs("a")), step("f", needs("a")))
	s.apply("a", "shift")
	s.tell(ripcord.Entry{Kind: ripcord.StepFound, Step: "f", Seen: sighting(ripcord.Present, "new")})
	s.wants("succeeded")
	back := *s.plan
	back.Version = "v0" // what comes back
	back.Purpose, back.Reverts, back.Returns = ripcord.PurposeRollback, []ripcord.RunID{"r1"}, "r0"
	s.tell(ripcord.Entry{Kind: ripcord.RunPlanned, Plan: &back}, attached)
	s.wants("bundle")
	s.tell(ripcord.Entry{Kind: ripcord.RunBundled})
	s.wants("undo shift 1")
	s.runs(ripcord.StateRollingBack)
	s.tell(undoIntent("shift", 1), undone("shift"))
	s.wants("undo a 1")
	s.tell(undoIntent("a", 1), undone("a"))
	s.wants("succeeded")
	if s.plan.Version == "" || s.state().Version != s.plan.Version {
		t.Errorf("the steps are of version %q, and the way back says %q", s.plan.Version, s.state().Version)
	}
	if e := s.has(ripcord.RunCommitted, ""); e.LastGood != "r0" || !e.Verified {
		t.Errorf("committed %q, verified %v", e.LastGood, e.Verified)
	}
}
