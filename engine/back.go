package engine

import (
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// back decides while the run goes back.
func (d *decision) back() {
	if d.cancelAll(Applying) || d.cancelAll(Preparing) || d.Paused {
		return
	}
	if d.settleAll() || d.recording() {
		return
	}
	steps := d.executedNewestFirst()
	if len(steps) > 0 {
		d.undo(steps[0]) // one at a time, in order
		return
	}
	if d.discardAll() {
		return
	}
	d.wentBack()
}

// wentBack ends the way back.
func (d *decision) wentBack() {
	verified := true
	for _, t := range d.steps() {
		if t.Left || t.State == ripcord.StepIsUndoneUnverified {
			verified = false
		}
	}
	if d.unwinds() {
		d.record(ripcord.Entry{Kind: ripcord.RunCommitted, LastGood: d.Plan.Returns, Verified: verified})
		return
	}
	d.record(ripcord.Entry{Kind: ripcord.RunRolledBack, Verified: verified})
}

// settleAll finds out how each effect that has no proved result left its target,
// before the first undo. It reports whether that is still going on.
func (d *decision) settleAll() bool {
	going := false
	for _, t := range d.steps() {
		switch {
		case t.Effect == Undoing || t.Effect == NoEffect && !needsLook(t) || t.ordered():
			continue
		case d.tired(t):
			d.hold(t, unproved(t), "the check of step "+string(t.Spec.ID)+" cannot tell what is there, so its undo is not safe"+t.blind())
			return true
		case d.waits(t):
		case t.Effect == Applying:
			d.settle(t, true)
		case t.Effect == NoEffect:
			d.add(Command{Op: OpObserve, Step: t.Spec.ID})
		case t.Effect == Preparing:
			continue // what Prepare made is discarded at the end
		}
		going = true
	}
	return going
}

// needsLook reports whether a step ended badly and was not looked at since. An
// undo that failed may have done its work all the same.
func needsLook(t *Step) bool {
	if !t.Spec.Traits.Checkable || !t.executed() || t.Settled {
		return false
	}
	if t.Undos > 0 {
		return t.UndoBad && provesBack(t)
	}
	return t.Lost || t.State == ripcord.StepIsFailed || t.State == ripcord.StepIsPending || t.State == ripcord.StepIsSkipped
}

// provesBack reports whether a look at what was there before is proof enough
// to leave the next undo out: an exact one is, and one that is not weighs more
// than a second undo that may do harm.
func provesBack(t *Step) bool {
	return t.Before != nil && t.Before.Exact || !t.Spec.Traits.UndoIdempotent
}

// isBackAlready reports whether a fresh look has seen the before-image, so that
// no undo is needed any more.
func isBackAlready(t *Step) bool {
	if !t.Settled || !t.Seen.Same(t.Before) {
		return false
	}
	if t.Undos > 0 {
		return (t.Lost || t.UndoBad) && provesBack(t)
	}
	return t.Before.Exact && !t.Spec.Traits.UndoIdempotent
}

// undo gives the next command of the step whose turn it is.
func (d *decision) undo(t *Step) {
	traits := t.Spec.Traits
	switch {
	case traits.Reversal.Way == ripcord.WayNothing:
		d.record(ripcord.Entry{Kind: ripcord.StepUndone, Step: t.Spec.ID, Verified: true, Reason: "the step changes nothing"})
	case traits.Reversal.Way == ripcord.WayNone:
		d.record(ripcord.Entry{Kind: ripcord.StepLeft, Step: t.Spec.ID, Reason: "the step has no way back"})
	case t.Effect == Undoing && !t.ordered():
		d.undoing(t)
	case isBackAlready(t):
		d.record(ripcord.Entry{Kind: ripcord.StepUndone, Step: t.Spec.ID, Seen: t.Seen, Verified: true, Reason: "a fresh look saw what was there before"})
	case t.losing():
		d.asksLoss(t)
	case !t.ordered() && d.waits(t):
	case t.UndoBad && d.outOfReach(t):
		d.hold(t, t.Failure, fmt.Sprintf("undo of step %s is not possible: its target could not be reached for %s", t.Spec.ID, awayPatience))
	case !d.Evidence && !traits.Traffic && d.Failure != nil:
		d.add(Command{Op: OpEvidence})
	case t.UndoFailures >= maxUndoFailures:
		d.hold(t, t.Failure, fmt.Sprintf("undo of step %s failed %d times", t.Spec.ID, t.UndoFailures))
	case t.Lost && !traits.Checkable && !traits.UndoIdempotent && !t.Forced:
		d.hold(t, unproved(t), "the command was interrupted, nothing can prove how far it came, and its undo is not declared idempotent")
	case d.asksBack(t):
	default:
		d.add(Command{Op: OpUndo, Step: t.Spec.ID, Attempt: t.Undos + 1})
	}
}

// undoing goes on with an undo that has begun.
func (d *decision) undoing(t *Step) {
	switch {
	case !t.Interrupted || d.waits(t):
	case d.tired(t):
		d.hold(t, unproved(t), "the undo of step "+string(t.Spec.ID)+" was interrupted, and its check cannot tell what is there"+t.blind())
	default:
		d.settle(t, false)
	}
}

func (d *decision) asksBack(t *Step) bool {
	if t.Spec.Ask == nil || t.Spec.Ask.Undo == "" || t.ApprovedBack {
		return false
	}
	if !t.AskedBack {
		d.record(ripcord.Entry{Kind: ripcord.StepAsked, Step: t.Spec.ID, Reason: t.Spec.Ask.Undo, Back: true})
	}
	return true
}

// discardAll drops what Prepare made, once nothing needs it any more: it stays
// where nothing could prove that the step is back.
func (d *decision) discardAll() bool {
	for _, t := range d.steps() {
		if t.Made && !t.Discarded && !t.Left && (t.State == ripcord.StepIsUndone || !t.Started) {
			d.add(Command{Op: OpDiscard, Step: t.Spec.ID})
			return true
		}
	}
	return false
}

// UndoRetryAt returns when an undo is tried again after its n-th failure, nil
// when a person is asked instead.
func UndoRetryAt(r ripcord.Retry, failures int, now time.Time) *time.Time {
	if failures >= maxUndoFailures {
		return nil
	}
	first := r.Backoff.Std()
	if first == 0 {
		first = time.Second
	}
	at := now.Add(backoff(first, r.MaxBackoff.Std(), failures))
	return &at
}

// FinishRetryAt returns when a finish is tried again after its n-th failure.
func FinishRetryAt(failures int, now time.Time) *time.Time {
	if failures >= maxUnfinished {
		return nil
	}
	at := now.Add(backoff(time.Second, 0, failures))
	return &at
}

// AwayRetryAt returns when a target is tried again that was out of reach since a time;
// zero is now. The pauses double.
func AwayRetryAt(since, now time.Time) *time.Time {
	pause := time.Second
	if !since.IsZero() {
		pause = min(max(now.Sub(since), pause), awayPause)
	}
	at := now.Add(pause)
	return &at
}

// CheckRetryAt returns when a Check that saw nothing is made again.
func CheckRetryAt(unknowns int, now time.Time) *time.Time {
	at := now.Add(backoff(time.Second, 0, unknowns))
	return &at
}
