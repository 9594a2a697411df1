package engine_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestLossIsAccepted: an undo that would lose data is not tried again until a person
// accepts the loss; a no holds the run, and what was accepted is not asked for again.
func TestLossIsAccepted(t *testing.T) {
	t.Parallel()
	s := begun(t, step("a"), step("x"))
	s.apply("a")
	s.tell(checked("x"), intent("x", 1), failed("x"))
	s.wants("observe x")
	s.tell(settled("x", ripcord.Absent, "old"), ripcord.Entry{Kind: ripcord.RunEvidence})
	s.tell(undoIntent("x", 1), undone("x"))
	s.wants("undo a 1")
	refused := ripcord.Entry{Kind: ripcord.StepUndoFailed, Step: "a", Attempt: 1, Failure: &ripcord.Failure{Class: ripcord.FailedTarget, Loss: "3 of the rows of items"}}
	s.tell(undoIntent("a", 1), refused)
	s.wants("observe a")
	s.tell(settled("a", ripcord.Present, "new"))
	s.wants()
	if asked := s.has(ripcord.StepAsked, "a"); asked.Reason != "Going back loses data: 3 of the rows of items. Is that accepted?" || !asked.Back {
		t.Errorf("%+v", asked)
	}
	s.must(ripcord.VerbReject, "a")
	s.wants()
	if s.state().Hold == nil {
		t.Error("a no does not hold the run")
	}
	s.must(ripcord.VerbRetry, "")
	s.wants()
	s.must(ripcord.VerbApprove, "a")
	s.wants("undo a 2")
	if !s.state().Steps["a"].LossAccepted {
		t.Error("the acceptance is not known")
	}
	s.tell(undoIntent("a", 2), undone("a"))
	s.wants("rolled_back")
}
