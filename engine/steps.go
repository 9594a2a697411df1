package engine

import (
	"time"

	"github.com/ripcord-dev/ripcord"
)

// applyStep folds an entry about a step; it reports false for run entries that
// merely name one.
func (s *State) applyStep(e ripcord.Entry) bool {
	t := s.Steps[e.Step]
	if t == nil {
		return false
	}
	switch e.Kind {
	case ripcord.StepChecked:
		if t.Before == nil {
			t.Before = e.Seen
		}
	case ripcord.StepFound:
		t.State, t.Before, t.EndedAt = ripcord.StepIsFound, e.Seen, e.At
	case ripcord.StepSkipped:
		t.State, t.Lost, t.Effect, t.EndedAt = ripcord.StepIsSkipped, false, NoEffect, e.At
	case ripcord.StepAsked:
		t.asked(e)
	case ripcord.StepPreparing:
		t.begin(Preparing, e.At)
		t.Made = true
	case ripcord.StepPrepared:
		t.Effect, t.Interrupted, t.Prepared = NoEffect, false, true
	case ripcord.StepDiscarded:
		t.Discarded, t.Undiscarded = true, e.Failure != nil
	case ripcord.StepIntent:
		t.intent(e, s.seq)
	case ripcord.StepProgress:
		t.Progress = append(t.Progress, e.Data)
	case ripcord.StepApplied:
		t.applied(e)
	case ripcord.StepFailed:
		t.failed(e)
		if s.Want == ripcord.VerbReject {
			s.clearWant()
		}
	case ripcord.StepSettled:
		t.settled(e, s.Back)
	default:
		return t.applyBack(e)
	}
	return true
}

// applyBack folds the entries of the way back and of the finish.
func (t *Step) applyBack(e ripcord.Entry) bool {
	switch e.Kind {
	case ripcord.StepUndoIntent:
		t.Effect, t.Interrupted, t.State, t.Undos = Undoing, false, ripcord.StepIsUndoing, e.Attempt
		t.Lost, t.Settled, t.UndoBad, t.Forced, t.Unknowns, t.RetryAt = false, false, false, false, 0, time.Time{}
		t.UndoTriedAt = e.At
		if t.UndoStartedAt.IsZero() {
			t.UndoStartedAt = e.At
		}
	case ripcord.StepUndone:
		t.undone(e)
	case ripcord.StepUndoFailed:
		t.Effect, t.Interrupted = NoEffect, false
		if !t.away(e.Failure != nil && e.Failure.Away, e.At) {
			t.UndoFailures++
		}
		t.Failure, t.UndoBad, t.Lost, t.Settled, t.Unknowns = e.Failure, true, false, false, 0
		t.RetryAt = deadline(e.Until)
		t.refusedLoss(e.Failure)
		t.log(e)
	case ripcord.StepLeft:
		t.Left, t.Effect, t.UndoEndedAt = true, NoEffect, e.At
	case ripcord.StepFinished:
		t.Finished = true
	case ripcord.StepUnfinished:
		t.Unfinished++
		t.RetryAt = deadline(e.Until)
	default:
		return false
	}
	return true
}

func deadline(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func (t *Step) asked(e ripcord.Entry) {
	if e.Back {
		t.AskedBack = true
		return
	}
	t.Asked, t.AskUntil = true, deadline(e.Until)
}

func (t *Step) begin(effect Effect, at time.Time) {
	t.Effect, t.Interrupted, t.State = effect, false, ripcord.StepIsRunning
	if t.StartedAt.IsZero() {
		t.StartedAt = at
	}
}

func (t *Step) intent(e ripcord.Entry, seq uint64) {
	t.begin(Applying, e.At)
	t.Attempts, t.RetryAt, t.Lost, t.Settled, t.Forced, t.Unknowns = e.Attempt, time.Time{}, false, false, false, 0
	if !t.Started {
		t.Started, t.Order = true, seq
	}
}

func (t *Step) applied(e ripcord.Entry) {
	t.Effect, t.Interrupted, t.Lost, t.State, t.EndedAt = NoEffect, false, false, ripcord.StepIsApplied, e.At
	t.Outputs, t.Failure = e.Outputs, nil
	t.log(e)
}

func (t *Step) failed(e ripcord.Entry) {
	t.Effect, t.Interrupted, t.Failure, t.EndedAt = NoEffect, false, e.Failure, e.At
	t.Failures++
	t.RetryAt = deadline(e.Until)
	t.State = ripcord.StepIsFailed
	if e.Until != nil {
		t.State = ripcord.StepIsPending
	}
	t.Lost, t.Unknowns = false, 0
	t.log(e)
}

// settled folds a Check that followed an interruption, a cancellation or a
// failure. An unknown one leaves the interruption as it is, to be asked again;
// so does one that could not be made, also where there is no Check.
func (t *Step) settled(e ripcord.Entry, back bool) {
	t.Seen = e.Seen
	if t.Seen == nil { // no sighting is not one of absence
		t.Seen = &ripcord.Sighting{Presence: ripcord.Unknown}
	}
	if t.Interrupted {
		t.Lost = true
	}
	if t.Seen.Presence == ripcord.Unknown && (t.Spec.Traits.Checkable || e.Until != nil) {
		if !t.away(t.Seen.Away, e.At) {
			t.Unknowns++
		}
		t.Unknowns = max(t.Unknowns, 1)
		t.RetryAt = deadline(e.Until)
		return
	}
	t.Unknowns, t.RetryAt, t.AwaySince = 0, time.Time{}, time.Time{}
	t.Effect, t.Interrupted = NoEffect, false
	t.Settled = back
}

// away notes whether the target was out of reach, and returns it.
func (t *Step) away(is bool, at time.Time) bool {
	switch {
	case !is:
		t.AwaySince = time.Time{}
	case t.AwaySince.IsZero():
		t.AwaySince = at
	}
	return is
}

func (t *Step) undone(e ripcord.Entry) {
	t.Effect, t.Interrupted, t.Lost, t.Verified, t.UndoEndedAt = NoEffect, false, false, e.Verified, e.At
	if e.Seen != nil {
		t.Seen = e.Seen
	}
	t.State = ripcord.StepIsUndoneUnverified
	if e.Verified {
		t.State = ripcord.StepIsUndone
	}
	t.log(e)
}

func (t *Step) log(e ripcord.Entry) {
	if ref, ok := e.Blobs["log"]; ok {
		t.Logs = append(t.Logs, ref)
	}
}

// ordered reports whether a person has ordered to go on although a look that
// was made since saw nothing. The look has proved that no orphan is left.
func (t *Step) ordered() bool {
	return t.Forced && t.Unknowns > 0 && (t.Effect == NoEffect || t.Interrupted)
}

// executed reports whether going back concerns the step.
func (t *Step) executed() bool { return t.Started && !t.isBack() }

// isBack reports whether the way back of the step has ended.
func (t *Step) isBack() bool {
	return t.Left || t.State == ripcord.StepIsUndone || t.State == ripcord.StepIsUndoneUnverified
}

// Passed reports whether steps that need this one may go on.
func (t *Step) Passed() bool { return t.passed() }

// passed reports whether steps that need this one may go on.
func (t *Step) passed() bool {
	switch t.State {
	case ripcord.StepIsApplied, ripcord.StepIsFound, ripcord.StepIsSkipped:
		return true
	case ripcord.StepIsPending, ripcord.StepIsRunning, ripcord.StepIsUndoing, ripcord.StepIsUndone,
		ripcord.StepIsUndoneUnverified, ripcord.StepIsFailed:
		return false
	}
	return false
}
