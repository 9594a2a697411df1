package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// tries plays an executor that does not reach the target of a step: it tells what it has seen
// at each decision, until the run is held. It returns how long that took.
func (s *story) tries(failed func(until *time.Time) []ripcord.Entry) time.Duration {
	s.t.Helper()
	began := s.now
	for range 100 {
		d := engine.Decide(s.plan, s.entries, s.now)
		for _, c := range d.Commands {
			if c.Op == engine.OpRecord {
				s.tell(c.Entry)
			} else {
				s.tell(failed(engine.AwayRetryAt(s.state().Steps[c.Step].AwaySince, s.now))...)
			}
		}
		if s.state().Hold != nil {
			return s.now.Sub(began)
		}
		if len(d.Commands) == 0 {
			s.now = d.Wake
		}
	}
	s.t.Fatalf("it never holds:\n%s", s)
	return 0
}

// outOfReach is a sighting of a machine that does not answer.
func outOfReach(id ripcord.StepID, until *time.Time) []ripcord.Entry {
	return []ripcord.Entry{{
		Kind: ripcord.StepSettled, Step: id, Until: until,
		Seen: &ripcord.Sighting{Presence: ripcord.Unknown, Away: true, Detail: "app3 does not answer"},
	}}
}

// TestAwayWhileSettling: a target that cannot be reached is waited for on the way back, for
// minutes; then the run holds and says why, and a person's retry begins anew.
func TestAwayWhileSettling(t *testing.T) {
	t.Parallel()
	s := failing(t, step("x"))
	look := func(until *time.Time) []ripcord.Entry { return outOfReach("x", until) }
	if took := s.tries(look); took < 5*time.Minute || took > 6*time.Minute {
		t.Errorf("it holds after %s", took)
	}
	if why := s.has(ripcord.RunHeld, "x").Reason; !strings.Contains(why, "app3 does not answer") {
		t.Error(why)
	}
	if n := s.state().Steps["x"].Unknowns; n != 1 {
		t.Errorf("it counts %d checks that saw nothing", n)
	}
}

// TestAwayThenBack: a machine that has started again is seen, and only then do checks count
// that cannot tell what is there.
func TestAwayThenBack(t *testing.T) {
	t.Parallel()
	s := failing(t, step("x"))
	s.wants("observe x")
	for range 10 {
		s.tell(outOfReach("x", engine.AwayRetryAt(s.state().Steps["x"].AwaySince, s.now))...)
		s.now = s.wants().Wake
		s.wants("observe x")
	}
	for range 3 {
		unknown := settled("x", ripcord.Unknown, "")
		unknown.Until = engine.CheckRetryAt(1, s.now)
		s.tell(unknown)
		s.now = s.wants().Wake
		s.wants("observe x")
	}
	s.tell(settled("x", ripcord.Partial, "half"))
	s.wants("undo shift 1")
}

// TestAwayWhileUndoing: so it is with undos, which do not count as failed ones.
func TestAwayWhileUndoing(t *testing.T) {
	t.Parallel()
	s := failing(t, step("x", traits(func(t *ripcord.Traits) { t.Checkable = false })))
	s.wants("undo shift 1")
	s.tell(undoIntent("shift", 1), undone("shift"))
	s.wants("evidence")
	s.tell(ripcord.Entry{Kind: ripcord.RunEvidence})
	tries := 0
	took := s.tries(func(until *time.Time) []ripcord.Entry {
		tries++
		away := undoFailed("x")
		away.Failure, away.Until = &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "app3 does not answer", Away: true}, until
		return []ripcord.Entry{undoIntent("x", tries), away}
	})
	if took < 5*time.Minute || took > 6*time.Minute || tries < 10 {
		t.Errorf("it holds after %s and %d tries", took, tries)
	}
	if x := s.state().Steps["x"]; x.UndoFailures != 0 {
		t.Errorf("%d undos count as failed", x.UndoFailures)
	}
	s.must(ripcord.VerbRetry, "x")
	s.wants(fmt.Sprintf("undo x %d", tries+1))
}
