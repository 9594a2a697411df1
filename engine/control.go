package engine

import (
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// controls carries out what people asked for; it reports whether the decision
// is made.
func (d *decision) controls() bool {
	r := d.WantBy
	if r == nil {
		return false
	}
	e := ripcord.Entry{Who: r.Who, Reason: r.Reason, Step: r.Step}
	switch d.Want {
	case ripcord.VerbAbort, ripcord.VerbRollback:
		return d.wantsBack(r)
	case ripcord.VerbClose:
		if going := d.cancelAll(Undoing); d.stopAll() || going {
			return true
		}
		e.Kind = ripcord.RunClosed
	case ripcord.VerbHold:
		e.Kind, e.Request = ripcord.RunHeld, r
	case ripcord.VerbPause:
		e.Kind = ripcord.RunPaused
	case ripcord.VerbResume:
		e.Kind, e.State = ripcord.RunResumed, d.underway()
	case ripcord.VerbRetry:
		if d.Hold == nil && d.stopUndo(d.Steps[r.Step]) {
			return true
		}
		e.Kind, e.State = ripcord.RunReleased, d.onward()
		if e.Step == "" && d.Hold != nil {
			e.Step = d.Hold.Step
		}
	case ripcord.VerbSkip:
		return d.skip(r)
	case ripcord.VerbReject:
		e.Kind, e.Failure = ripcord.StepFailed, &ripcord.Failure{
			Class: ripcord.FailedTarget, Summary: fmt.Sprintf("%s said no to step %s: %s", r.Who, r.Step, r.Reason), Final: true,
		}
		if d.Back { // going back without the step is another person's word: skip
			e.Kind, e.Failure, e.Reason = ripcord.RunHeld, nil, fmt.Sprintf("%s said no to the undo of step %s: %s", r.Who, r.Step, r.Reason)
		}
	default:
		return false
	}
	d.record(e)
	return true
}

// wantsBack lets a rollback, unlike an abort, wait for effects in progress.
func (d *decision) wantsBack(r *ripcord.Request) bool {
	if d.Want == ripcord.VerbRollback && !d.Back {
		for _, t := range d.steps() {
			changes := t.Spec.Traits.Reversal.Way != ripcord.WayNothing
			if t.Effect != NoEffect && !t.Interrupted && changes {
				return true
			}
		}
	}
	kind := ripcord.RunRollingBack
	if d.Back {
		kind = ripcord.RunReleased
	}
	e := ripcord.Entry{Kind: kind, Who: r.Who, Reason: reasonOf(r), State: ripcord.StateRollingBack}
	if d.Hold != nil {
		e.Step = d.Hold.Step
	}
	d.record(e)
	return true
}

func reasonOf(r *ripcord.Request) string {
	if r.Reason != "" {
		return fmt.Sprintf("%s by %s: %s", r.Verb, r.Who, r.Reason)
	}
	return fmt.Sprintf("%s by %s", r.Verb, r.Who)
}

// underway is the state that a pause or hold interrupted.
func (s *State) underway() ripcord.RunState {
	if s.Back {
		return ripcord.StateRollingBack
	}
	for _, t := range s.Steps {
		if t.Spec.Traits.Watches && t.Started && t.State != ripcord.StepIsPending {
			return ripcord.StateWatching
		}
	}
	return ripcord.StateRunning
}

// skip leaves the step as it is and goes on: two entries, the second follows
// when the first has changed the state. A step that came back before its undo
// could be stopped is back.
func (d *decision) skip(r *ripcord.Request) bool {
	t := d.skipTarget(r)
	if t == nil {
		return false
	}
	if d.Hold == nil && d.stopUndo(t) {
		return true
	}
	goesOn := ripcord.Entry{Kind: ripcord.RunReleased, Who: r.Who, Reason: reasonOf(r), State: d.onward()}
	if d.Back && t.isBack() {
		d.record(goesOn)
		return true
	}
	e := ripcord.Entry{Kind: ripcord.StepSkipped, Step: t.Spec.ID, Who: r.Who, Reason: reasonOf(r)}
	if d.Back {
		e.Kind = ripcord.StepLeft
	}
	d.Commands = []Command{
		{Op: OpRecord, Step: t.Spec.ID, Entry: e},
		{Op: OpRecord, Entry: goesOn},
	}
	return true
}

func (s *State) skipTarget(r *ripcord.Request) *Step {
	id := r.Step
	if id == "" && s.Hold != nil {
		id = s.Hold.Step
	}
	return s.Steps[id]
}

// held decides while a person is waited for.
func (d *decision) held() {
	h := d.Hold
	if h.Stop {
		d.stopAll()
	}
	if h.Until.IsZero() {
		return
	}
	if d.now.Before(h.Until) {
		d.wakeAt(h.Until)
		return
	}
	if h.Then == ripcord.FailRollback && !h.Back {
		d.record(ripcord.Entry{Kind: ripcord.RunRollingBack, Step: h.Step, Reason: "nobody answered before the hold's deadline"})
	}
}

// Refuse says why a request can have no effect now; empty when it can.
func (s *State) Refuse(r ripcord.Request) string {
	stronger := r.Verb == ripcord.VerbAbort || r.Verb == ripcord.VerbClose
	if s.Want != "" && (s.Want != ripcord.VerbRollback || !stronger) {
		return fmt.Sprintf("%s was asked for before and comes first", s.Want)
	}
	switch r.Verb {
	case ripcord.VerbAbort, ripcord.VerbRollback:
		if s.Committed {
			return "the release is committed; `ripcord rollback` takes it back in a new run"
		}
		if s.Back && s.Hold == nil && !s.Paused {
			return "the run is going back already"
		}
	case ripcord.VerbPause:
		if s.Paused || s.Hold != nil || s.Committed {
			return "nothing to pause: the run is " + string(s.State)
		}
	case ripcord.VerbResume:
		if !s.Paused {
			return "nothing to resume: the run is " + string(s.State)
		}
	case ripcord.VerbHold:
		if s.Hold != nil || s.Back || s.Committed {
			return "nothing to hold: the run is " + string(s.State)
		}
	case ripcord.VerbClose, ripcord.VerbRetry:
		return s.refuseHeld(r)
	case ripcord.VerbSkip:
		return s.refuseSkip(r)
	case ripcord.VerbApprove, ripcord.VerbReject:
		return s.refuseAnswer(r)
	}
	return ""
}

func (s *State) refuseSkip(r ripcord.Request) string {
	if s.Hold == nil {
		return s.refuseStop(r)
	}
	t := s.skipTarget(&r)
	switch {
	case t == nil && r.Step == "":
		return "the hold concerns no step; name the one to skip"
	case t == nil:
		return fmt.Sprintf("there is no step %q to skip", r.Step)
	case t.Effect != NoEffect && (!t.Interrupted || t.Unknowns == 0):
		return fmt.Sprintf("step %q is still in progress", t.Spec.ID)
	case s.Back && !t.executed():
		return fmt.Sprintf("step %q has nothing to take back", t.Spec.ID)
	default:
		return ""
	}
}

func (s *State) refuseAnswer(r ripcord.Request) string {
	t := s.Steps[r.Step]
	switch {
	case t == nil:
		return fmt.Sprintf("there is no step %q", r.Step)
	case s.Hold != nil && r.Verb == ripcord.VerbReject:
		return "the run is held already"
	case s.Back && t.AskedBack && (!t.ApprovedBack || t.losing()) && t.executed():
		return ""
	case !s.Back && t.Asked && !t.Approved && !t.passed():
		return ""
	default:
		return fmt.Sprintf("step %q asks nothing now", r.Step)
	}
}
