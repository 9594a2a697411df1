package engine_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// undoing is a run whose only step's undo is in progress.
func undoing(t *testing.T, changes ...func(*ripcord.StepSpec)) *story {
	t.Helper()
	s := begun(t, step("a", changes...))
	s.wants("check a")
	s.tell(checked("a"), intent("a", 1), applied("a"))
	s.tell(ripcord.Entry{Kind: ripcord.RunRollingBack})
	s.wants("undo a 1")
	s.tell(undoIntent("a", 1))
	return s
}

func stopped() ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepUndoFailed, Step: "a", Failure: &ripcord.Failure{Class: ripcord.FailedCancelled}}
}

// TestAbortLetsAnUndoEnd: neither a second abort nor any word without the step's
// name stops an undo that may be healthy.
func TestAbortLetsAnUndoEnd(t *testing.T) {
	t.Parallel()
	s := undoing(t)
	for _, verb := range []ripcord.Verb{ripcord.VerbAbort, ripcord.VerbRollback, ripcord.VerbHold, ripcord.VerbRetry, ripcord.VerbSkip} {
		if s.ask(verb, "") == "" {
			t.Errorf("%s is taken", verb)
		}
	}
	for _, verb := range []ripcord.Verb{ripcord.VerbRetry, ripcord.VerbSkip} {
		if s.ask(verb, "nobody") == "" {
			t.Errorf("%s of another step is taken", verb)
		}
	}
	s.wants()
	s.tell(undone("a"))
	s.wants("rolled_back")
}

func TestRetryStopsAnUndo(t *testing.T) {
	t.Parallel()
	s := undoing(t)
	s.must(ripcord.VerbRetry, "a")
	s.wants("cancel a")
	s.tell(stopped())
	s.wants("observe a") // perhaps it was done already
	s.runs(ripcord.StateRollingBack)
	s.tell(settled("a", ripcord.Partial, "half"))
	s.wants("undo a 2")

	s = undoing(t)
	s.must(ripcord.VerbRetry, "a")
	s.wants("cancel a")
	s.tell(stopped())
	s.wants("observe a")
	s.tell(settled("a", ripcord.Absent, "old"))
	s.wants("rolled_back")

	s = undoing(t)
	s.must(ripcord.VerbRetry, "a")
	s.wants("cancel a")
	s.tell(undone("a")) // it ended before it could be stopped
	s.wants("rolled_back")
}

// TestRetryStopsAnOrphan: the undo of a dead executor is stopped as well, also
// where the order was given before the executor died.
func TestRetryStopsAnOrphan(t *testing.T) {
	t.Parallel()
	s := undoing(t, blind)
	s.tell(attached)
	s.wants("settle a 1")
	s.must(ripcord.VerbRetry, "a")
	s.wants("settle a 1 stop")
	s.tell(attached)
	s.wants("settle a 1 stop")
	s.tell(settled("a", ripcord.Unknown, ""))
	s.wants("undo a 2")
}

func TestSkipStopsAnUndo(t *testing.T) {
	t.Parallel()
	s := undoing(t)
	s.must(ripcord.VerbSkip, "a")
	s.wants("cancel a")
	s.tell(stopped())
	s.wants("rolled_back")

	s = undoing(t)
	s.must(ripcord.VerbSkip, "a")
	s.wants("cancel a")
	s.tell(undone("a")) // it is back: nothing is left
	s.wants("rolled_back")
	if last := s.entries[len(s.entries)-1]; !last.Verified {
		t.Error("the way back is said not to be verified")
	}
}

func TestCloseStopsAnUndo(t *testing.T) {
	t.Parallel()
	s := undoing(t)
	s.must(ripcord.VerbClose, "")
	s.wants("cancel a")
	s.tell(stopped())
	s.wants("closed")
}

// TestAPauseOutlastsTheStop: what stops an undo does not end a pause.
func TestAPauseOutlastsTheStop(t *testing.T) {
	t.Parallel()
	s := undoing(t)
	s.must(ripcord.VerbPause, "")
	s.wants()
	s.must(ripcord.VerbRetry, "a")
	s.wants("cancel a")
	s.tell(stopped())
	s.wants()
	s.runs(ripcord.StatePaused)
	s.must(ripcord.VerbResume, "")
	s.wants("observe a")
}
