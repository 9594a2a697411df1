package engine

import (
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// UndoGoingOn returns the step whose undo is in progress, also one that a dead
// executor has begun; nil when there is none.
func (s *State) UndoGoingOn() *Step {
	if s.Plan == nil {
		return nil
	}
	for _, t := range s.steps() {
		if t.Effect == Undoing {
			return t
		}
	}
	return nil
}

// stopUndo stops the step's undo that is in progress, and reports whether that
// is still going on. Only a person who names the step has it stopped: an undo
// that takes long is not one that hangs, and abort lets it end.
func (d *decision) stopUndo(t *Step) bool {
	switch {
	case t == nil || t.Effect != Undoing:
		return false
	case !t.Interrupted:
		d.add(Command{Op: OpCancel, Step: t.Spec.ID})
		return true
	case t.Unknowns == 0:
		d.settle(t, true)
		return true
	}
	return false
}

// onward is the state that a run goes on in: what was paused stays so.
func (s *State) onward() ripcord.RunState {
	if s.Paused {
		return ripcord.StatePaused
	}
	return s.underway()
}

// refuseHeld judges what is for a held run, or for an undo in progress.
func (s *State) refuseHeld(r ripcord.Request) string {
	switch {
	case r.Verb == ripcord.VerbClose && s.Hold == nil && s.UndoGoingOn() == nil:
		return fmt.Sprintf("%s needs a held run; this one is %s", r.Verb, s.State)
	case r.Verb == ripcord.VerbClose:
		return ""
	case s.Hold == nil:
		return s.refuseStop(r)
	case r.Step != "" && s.Steps[r.Step] == nil:
		return fmt.Sprintf("there is no step %q to retry", r.Step)
	}
	return ""
}

// refuseStop judges retry and skip of a run that is not held: they can only stop
// the undo in progress, and only when it is named.
func (s *State) refuseStop(r ripcord.Request) string {
	t, going := s.Steps[r.Step], s.UndoGoingOn()
	switch {
	case going == nil:
		return fmt.Sprintf("%s needs a held run, or the name of a step whose undo is in progress; this run is %s", r.Verb, s.State)
	case r.Step == "":
		return fmt.Sprintf("the undo of step %s is in progress; `ripcord %s %s` stops it", going.Spec.ID, r.Verb, going.Spec.ID)
	case t == nil:
		return fmt.Sprintf("there is no step %q", r.Step)
	case t.Effect != Undoing:
		return fmt.Sprintf("no undo of step %q is in progress; the one of step %q is", r.Step, going.Spec.ID)
	}
	return ""
}
