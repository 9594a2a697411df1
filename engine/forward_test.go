package engine_test

import (
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

func TestForward(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("b", needs("a")), step("c", needs("a")), step("d", needs("a")), step("e", needs("b", "c", "d")))
	s.wants("check a")
	s.tell(checked("a"))
	s.wants("apply a 1")
	s.tell(intent("a", 1))
	s.wants() // a is in progress, and all others need it
	s.tell(applied("a"))
	s.wants("check b", "check c") // two at once
	s.tell(checked("b"), intent("b", 1), ripcord.Entry{Kind: ripcord.StepFound, Step: "c", Seen: sighting(ripcord.Present, "new")})
	s.wants("check d")
	s.tell(checked("d"), intent("d", 1))
	s.wants()
	s.tell(applied("d"), applied("b"))
	s.wants("check e")
	s.apply("e")
	s.wants("succeeded")
	if good := s.has(ripcord.RunCommitted, "").LastGood; good != "r1" {
		t.Errorf("last good is %q", good)
	}
}

func TestWatchIsLast(t *testing.T) {
	t.Parallel()
	watches := traits(func(t *ripcord.Traits) { t.Watches, t.Reversal.Way = true, ripcord.WayNothing })
	s := begun(t, step("w", watches), step("a"))
	s.wants("check a")
	s.apply("a")
	s.wants("check w")
	s.tell(checked("w"))
	s.wants("apply w 1")
	s.runs(ripcord.StateWatching)
	s.tell(intent("w", 1))
	s.must(ripcord.VerbPause, "")
	s.wants()
	s.runs(ripcord.StatePaused)
	s.must(ripcord.VerbResume, "")
	s.wants()
	s.runs(ripcord.StateWatching)
	s.tell(failed("w"))
	s.wants("observe w")
}

// TestBeside: a step that stands beside others takes up no place, runs through
// the watch, and is told when they have passed.
func TestBeside(t *testing.T) {
	t.Parallel()
	beside := func(s *ripcord.StepSpec) { s.Needs, s.Until = []ripcord.StepID{"a"}, []ripcord.StepID{"b", "w"} }
	watches := traits(func(t *ripcord.Traits) { t.Watches, t.Reversal.Way = true, ripcord.WayNothing })
	story := func(t *testing.T) *story {
		t.Helper()
		s := begun(t, step("a"), step("g", beside), step("b", needs("a")), step("w", watches, needs("b")))
		s.plan.Parallel = 1
		s.apply("a")
		s.wants("check g", "check b")
		s.tell(checked("g"), intent("g", 1), checked("b"), intent("b", 1))
		s.wants()
		return s
	}
	t.Run("passes", func(t *testing.T) {
		t.Parallel()
		s := story(t)
		s.tell(applied("b"))
		s.wants("check w")
		s.tell(checked("w"))
		s.wants("apply w 1")
		s.runs(ripcord.StateWatching)
		s.tell(intent("w", 1))
		s.wants()
		s.tell(applied("w"))
		s.wants("enough g")
		s.tell(applied("g"))
		s.wants("succeeded")
	})
	t.Run("fails", func(t *testing.T) {
		t.Parallel()
		s := story(t)
		s.tell(failed("g"))
		s.wants("cancel b")
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		s := story(t)
		s.tell(applied("b"), checked("w"), intent("w", 1), applied("w"), ripcord.Entry{Kind: ripcord.RunAttached})
		s.wants("settle g 1")
		s.tell(ripcord.Entry{Kind: ripcord.StepSettled, Step: "g", Seen: sighting(ripcord.Absent, "")})
		s.wants("apply g 2")
		s.tell(intent("g", 2))
		s.wants("enough g")
	})
}

// TestBesideCircle: what stands beside a step cannot be needed by it.
func TestBesideCircle(t *testing.T) {
	t.Parallel()
	p := &ripcord.Plan{Application: "shop", Environment: "test", Steps: []ripcord.StepSpec{
		step("g", func(s *ripcord.StepSpec) { s.Until = []ripcord.StepID{"a"} }), step("a", needs("g")),
	}}
	if err := p.Validate(); err == nil {
		t.Error("a step ends with one that waits for it")
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	retry := ripcord.Retry{Attempts: 4, Backoff: ripcord.Duration(time.Second), MaxBackoff: ripcord.Duration(3 * time.Second)}
	now := time.Unix(100, 0)
	failure := &ripcord.Failure{Class: ripcord.FailedCommand}
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 3 * time.Second} {
		at := engine.RetryAt(retry, n, failure, now)
		if at == nil || at.Sub(now) != want {
			t.Errorf("failure %d: next attempt at %v, want after %s", n, at, want)
		}
	}
	if at := engine.RetryAt(retry, 4, failure, now); at != nil {
		t.Errorf("a fifth attempt at %v", at)
	}
	for _, f := range []*ripcord.Failure{{Final: true}, {Class: ripcord.FailedCancelled}} {
		if at := engine.RetryAt(retry, 1, f, now); at != nil {
			t.Errorf("%+v is tried again", f)
		}
	}

	s := begun(t, step("a"))
	s.tell(checked("a"), intent("a", 1))
	again := failed("a")
	until := s.now.Add(time.Second)
	again.Until = &until
	s.tell(again)
	if d := s.wants(); !d.Wake.Equal(until) {
		t.Errorf("wakes at %s, want %s", d.Wake, until)
	}
	s.after(time.Second)
	s.wants("apply a 2")
}

func TestFailurePolicies(t *testing.T) {
	t.Parallel()
	t.Run("rollback", func(t *testing.T) {
		t.Parallel()
		s := begun(t, step("a"), step("b"))
		s.tell(checked("a"), checked("b"), intent("a", 1), intent("b", 1), failed("a"))
		s.wants("cancel b")
		s.runs(ripcord.StateRollingBack)
		if got := s.state().Failed; got != "a" {
			t.Errorf("failed step is %q", got)
		}
	})
	t.Run("hold", func(t *testing.T) {
		t.Parallel()
		s := begun(t, step("a"), step("b"), step("c"))
		s.plan.OnFailure = ripcord.FailurePolicy{Action: ripcord.FailHold, Hold: ripcord.Duration(time.Minute), Then: ripcord.FailRollback}
		s.tell(checked("a"), checked("b"), intent("a", 1), intent("b", 1), failed("a"))
		d := s.wants() // b goes on, c does not begin
		s.runs(ripcord.StateHeld)
		if !d.Wake.Equal(s.now.Add(time.Minute)) {
			t.Errorf("wakes at %s", d.Wake)
		}
		s.tell(applied("b"))
		s.after(time.Minute)
		s.wants("observe a")
		s.runs(ripcord.StateRollingBack)
	})
	t.Run("hold without end", func(t *testing.T) {
		t.Parallel()
		s := begun(t, step("a"))
		s.plan.OnFailure = ripcord.FailurePolicy{Action: ripcord.FailHold, Hold: ripcord.Duration(time.Minute), Then: ripcord.FailHold}
		s.tell(checked("a"), intent("a", 1), failed("a"))
		s.wants()
		s.after(time.Hour)
		s.wants()
		s.runs(ripcord.StateHeld)
	})
}

func TestSkippedByPlan(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a", func(s *ripcord.StepSpec) { s.Skip = "when is false" }), step("b", needs("a")))
	s.wants("check b")
	s.apply("b")
	s.wants("succeeded")
}

func TestPrepareAndFinish(t *testing.T) {
	t.Parallel()
	full := traits(func(t *ripcord.Traits) { t.Prepares, t.Finishes = true, true })
	s := begun(t, step("a", full), step("b", full, needs("a")))
	for _, id := range []ripcord.StepID{"a", "b"} {
		s.wants("check " + string(id))
		s.tell(checked(id))
		s.wants("prepare " + string(id))
		s.tell(ripcord.Entry{Kind: ripcord.StepPreparing, Step: id}, attached)
		s.wants("prepare " + string(id)) // it was interrupted, and is idempotent
		s.tell(ripcord.Entry{Kind: ripcord.StepPreparing, Step: id}, ripcord.Entry{Kind: ripcord.StepPrepared, Step: id})
		s.wants("apply " + string(id) + " 1")
		s.tell(intent(id, 1), applied(id))
	}
	s.wants("finish b")
	s.runs(ripcord.StateCommitted)
	for n := 1; n <= 3; n++ {
		s.tell(ripcord.Entry{Kind: ripcord.StepUnfinished, Step: "b", Failure: failed("b").Failure, Until: engine.FinishRetryAt(n, s.now)})
		if n < 3 {
			s.wants()
			s.after(time.Minute)
			s.wants("finish b")
		}
	}
	s.wants("finish a")
	s.tell(ripcord.Entry{Kind: ripcord.StepFinished, Step: "a"})
	s.wants("discard b")
	s.tell(ripcord.Entry{Kind: ripcord.StepDiscarded, Step: "b"})
	s.wants("discard a")
	s.tell(ripcord.Entry{Kind: ripcord.StepDiscarded, Step: "a", Failure: failed("a").Failure})
	s.wants("succeeded")
	got := s.has(ripcord.RunSucceeded, "").Cleanup
	if len(got) != 2 || got[0] != "b" || got[1] != "a" {
		t.Errorf("cleanup is %v", got)
	}
}

// TestInterrupted: what follows a crash in the middle of Apply, by what Check
// sees and what the step declares.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*ripcord.StepSpec)
		seen   ripcord.Presence
		want   []string
		state  ripcord.RunState
	}{
		{"partial, idempotent", func(*ripcord.StepSpec) {}, ripcord.Partial, []string{"apply a 2"}, ripcord.StateRunning},
		{"absent, idempotent", func(*ripcord.StepSpec) {}, ripcord.Absent, []string{"apply a 2"}, ripcord.StateRunning},
		{"absent", traits(func(t *ripcord.Traits) { t.Idempotent = false }), ripcord.Absent, []string{"apply a 2"}, ripcord.StateRunning},
		{"partial", traits(func(t *ripcord.Traits) { t.Idempotent = false }), ripcord.Partial, []string{"observe a"}, ripcord.StateRollingBack},
		{"no check", blind, ripcord.Unknown, nil, ripcord.StateHeld},
		{"no check, idempotent", traits(func(t *ripcord.Traits) { t.Checkable = false }), ripcord.Unknown, []string{"apply a 2"}, ripcord.StateRunning},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := begun(t, step("a", test.change))
			s.wants("check a")
			s.tell(checked("a"), intent("a", 1), attached)
			s.wants("settle a 1")
			s.tell(settled("a", test.seen, ""))
			s.wants(test.want...)
			s.runs(test.state)
		})
	}
}

// TestUnknownIsAskedAgain: a Check that cannot tell is repeated, then a person
// is asked, whose order stands above it.
func TestUnknownIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"))
	s.wants("check a")
	s.tell(checked("a"), intent("a", 1), attached)
	cannotTell := func(n int) {
		e := settled("a", ripcord.Unknown, "")
		e.Until = engine.CheckRetryAt(n, s.now)
		s.tell(e)
	}
	for n := 1; n <= 5; n++ {
		s.wants("settle a 1")
		cannotTell(n)
		if n < 5 {
			s.wants()
		}
		s.after(time.Hour)
	}
	s.wants()
	s.runs(ripcord.StateHeld)
	s.must(ripcord.VerbRetry, "")
	s.wants("settle a 1") // one more look
	cannotTell(1)
	s.wants("apply a 2")
}

// TestOrphanTakesItsPlace: what may still run counts before anything new begins.
func TestOrphanTakesItsPlace(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("b"))
	s.plan.Parallel = 1
	s.wants("check a")
	s.tell(checked("b"), intent("b", 1), attached)
	s.wants("settle b 1")
}
