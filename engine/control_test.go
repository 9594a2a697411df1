package engine_test

import (
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("b"))
	s.plan.Parallel = 1
	s.wants("check a")
	s.tell(checked("a"), intent("a", 1))
	s.must(ripcord.VerbPause, "")
	s.wants()
	s.tell(applied("a"))
	s.wants()
	s.runs(ripcord.StatePaused)
	s.must(ripcord.VerbResume, "")
	s.wants("check b")
	s.must(ripcord.VerbAbort, "")
	s.wants("undo a 1")
	s.must(ripcord.VerbPause, "")
	s.wants()
	s.must(ripcord.VerbAbort, "") // abort ends a pause of the way back
	s.wants("undo a 1")
}

// TestBeforeTheStart: nothing was changed yet, and every word counts.
func TestBeforeTheStart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		verb  ripcord.Verb
		want  []string
		state ripcord.RunState
	}{
		{ripcord.VerbPause, nil, ripcord.StatePaused},
		{ripcord.VerbHold, nil, ripcord.StateHeld},
		{ripcord.VerbAbort, []string{"rolled_back"}, ripcord.StateRolledBack},
		{ripcord.VerbRollback, []string{"rolled_back"}, ripcord.StateRolledBack},
	}
	for _, test := range tests {
		t.Run(string(test.verb), func(t *testing.T) {
			t.Parallel()
			s := planned(t, step("a"))
			s.tell(attached)
			s.must(test.verb, "")
			s.wants(test.want...)
			s.runs(test.state)
		})
	}
}

// TestEndsFromEverywhere: abort and rollback work in each state of the way
// forward, and close in each hold.
func TestEndsFromEverywhere(t *testing.T) {
	t.Parallel()
	states := map[string]func(s *story){
		"running": func(s *story) { s.apply("a") },
		"paused": func(s *story) {
			s.apply("a")
			s.must(ripcord.VerbPause, "")
			s.wants()
		},
		"held": func(s *story) {
			s.apply("a")
			s.must(ripcord.VerbHold, "")
			s.wants()
		},
		"asking": func(s *story) {
			s.apply("a")
			s.tell(checked("b"))
			s.wants()
		},
	}
	asks := func(s *ripcord.StepSpec) { s.Ask = &ripcord.Ask{Apply: "may I?"} }
	for name, reach := range states {
		for _, verb := range []ripcord.Verb{ripcord.VerbAbort, ripcord.VerbRollback} {
			t.Run(name+" "+string(verb), func(t *testing.T) {
				t.Parallel()
				s := begun(t, step("a"), step("b", asks, needs("a")))
				s.wants("check a")
				reach(s)
				s.must(verb, "")
				s.wants("undo a 1")
				s.tell(undoIntent("a", 1), undone("a"))
				s.wants("rolled_back")
			})
		}
	}
}

// TestRollbackLetsEnd: rollback, unlike abort, waits for what is in progress,
// and nothing weaker than abort or close comes between.
func TestRollbackLetsEnd(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("b"))
	s.plan.Parallel = 1
	s.wants("check a")
	s.tell(checked("a"), intent("a", 1))
	s.must(ripcord.VerbRollback, "")
	s.wants()
	for _, verb := range []ripcord.Verb{ripcord.VerbPause, ripcord.VerbHold, ripcord.VerbRollback, ripcord.VerbReject} {
		if s.ask(verb, "b") == "" {
			t.Errorf("%s came between", verb)
		}
	}
	s.wants()
	s.tell(applied("a"))
	s.wants("undo a 1")

	s = begun(t, step("a"))
	s.wants("check a")
	s.tell(checked("a"), intent("a", 1))
	s.must(ripcord.VerbRollback, "")
	s.wants()
	s.must(ripcord.VerbAbort, "")
	s.wants("cancel a")
	if s.ask(ripcord.VerbAbort, "") == "" {
		t.Error("a second abort is taken")
	}
}

func TestHoldStops(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("b"))
	s.wants("check a", "check b")
	s.tell(checked("a"), checked("b"), intent("a", 1), attached, intent("b", 1))
	s.must(ripcord.VerbHold, "")
	s.wants("cancel b", "settle a 1 stop")
	s.runs(ripcord.StateHeld)
	cancelled := failed("b")
	cancelled.Failure = &ripcord.Failure{Class: ripcord.FailedCancelled}
	s.tell(cancelled, settled("a", ripcord.Absent, "old"))
	s.wants()
	if s.ask(ripcord.VerbSkip, "") == "" {
		t.Error("skip without a step, and the hold names none")
	}
	s.must(ripcord.VerbRetry, "")
	s.wants("apply a 2", "apply b 2")
}

// TestCloseStops: a run does not end while something of it is in progress.
func TestCloseStops(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("b"), step("c"))
	s.plan.Parallel, s.plan.OnFailure.Action = 3, ripcord.FailHold
	s.wants("check a", "check b", "check c")
	s.tell(checked("a"), checked("b"), checked("c"), intent("a", 1), intent("b", 1), attached, intent("c", 1), failed("c"))
	s.tell(intent("c", 2), failed("c"))
	s.wants()
	s.runs(ripcord.StateHeld)
	s.must(ripcord.VerbClose, "")
	s.wants("settle a 1 stop", "settle b 1 stop")
	s.tell(settled("a", ripcord.Partial, "half"), settled("b", ripcord.Unknown, ""))
	s.wants("closed")
}

func TestSkipForward(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("b", needs("a")))
	s.plan.OnFailure.Action = ripcord.FailHold
	s.wants("check a")
	s.tell(checked("a"), intent("a", 1))
	if s.ask(ripcord.VerbSkip, "a") == "" {
		t.Error("skip is taken although nothing is held")
	}
	s.tell(failed("a"))
	s.wants()
	if s.ask(ripcord.VerbSkip, "nobody") == "" {
		t.Error("skip of a step that does not exist is taken")
	}
	s.must(ripcord.VerbSkip, "")
	s.wants("check b")
	s.must(ripcord.VerbAbort, "")
	s.wants("observe a") // what was skipped half-way goes back too
	s.tell(settled("a", ripcord.Partial, "half"))
	s.wants("undo a 1")
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"))
	s.wants("check a")
	for _, verb := range []ripcord.Verb{
		ripcord.VerbResume, ripcord.VerbRetry, ripcord.VerbClose, ripcord.VerbSkip, ripcord.VerbApprove, ripcord.VerbReject,
	} {
		if s.ask(verb, "a") == "" {
			t.Errorf("%s is taken by a running run", verb)
		}
	}
	s.apply("a")
	s.tell(ripcord.Entry{Kind: ripcord.RunCommitted})
	for _, verb := range []ripcord.Verb{ripcord.VerbAbort, ripcord.VerbRollback, ripcord.VerbPause, ripcord.VerbHold} {
		if s.ask(verb, "") == "" {
			t.Errorf("%s is taken after the commit", verb)
		}
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	asks := func(s *ripcord.StepSpec) {
		s.Ask, s.Timeout = &ripcord.Ask{Apply: "may I?", Undo: "may I take it back?"}, ripcord.Duration(time.Minute)
	}
	question := func(t *testing.T) *story {
		t.Helper()
		s := begun(t, step("a", asks))
		s.plan.OnFailure.Action = ripcord.FailHold
		s.wants("check a")
		s.tell(checked("a"))
		if d := s.wants(); !d.Wake.Equal(s.now.Add(time.Minute)) {
			t.Errorf("wakes at %s", d.Wake)
		}
		return s
	}
	t.Run("approve", func(t *testing.T) {
		t.Parallel()
		s := question(t)
		s.must(ripcord.VerbApprove, "a")
		s.wants("apply a 1")
	})
	t.Run("nobody answers", func(t *testing.T) {
		t.Parallel()
		s := question(t)
		s.after(time.Minute)
		s.wants()
		s.runs(ripcord.StateHeld)
		s.must(ripcord.VerbRetry, "")
		s.wants() // it is asked anew
		s.runs(ripcord.StateRunning)
		s.must(ripcord.VerbApprove, "a")
		s.wants("apply a 1")
	})
	t.Run("reject", func(t *testing.T) {
		t.Parallel()
		s := question(t)
		s.must(ripcord.VerbReject, "a")
		s.wants()
		s.runs(ripcord.StateHeld)
	})
	t.Run("reject the undo", func(t *testing.T) {
		t.Parallel()
		s := question(t)
		s.must(ripcord.VerbApprove, "a")
		s.tell(intent("a", 1), applied("a"))
		s.tell(ripcord.Entry{Kind: ripcord.RunRollingBack})
		s.wants()
		s.must(ripcord.VerbReject, "a")
		s.wants()
		s.runs(ripcord.StateHeld)
		s.must(ripcord.VerbRetry, "")
		s.wants() // asked anew
		s.must(ripcord.VerbApprove, "a")
		s.wants("undo a 1")
	})
}
