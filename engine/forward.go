package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// forward decides while the release goes on.
func (d *decision) forward() {
	if failed := d.firstFailed(); failed != nil {
		d.failed(failed)
		return
	}
	if d.Paused {
		d.settleInterrupted()
		return
	}
	busy, open := d.busy(), false
	for _, t := range d.steps() {
		if t.passed() {
			continue
		}
		open = true
		if d.enough(t) {
			d.add(Command{Op: OpEnough, Step: t.Spec.ID})
			continue
		}
		if !d.ready(t) || t.Effect != NoEffect && !t.Interrupted {
			continue
		}
		beside := len(t.Spec.Until) > 0
		if t.Effect == NoEffect && !beside && busy >= max(d.Plan.Parallel, 1) {
			continue
		}
		if d.advance(t) && t.Effect == NoEffect && !beside {
			busy++
		}
		if d.recording() {
			return
		}
	}
	if !open {
		d.record(ripcord.Entry{Kind: ripcord.RunCommitted, LastGood: d.Run})
	}
}

// enough reports whether the step stands beside others that have all passed, so
// that its effect, which this executor has in progress, is to end.
func (d *decision) enough(t *Step) bool {
	if len(t.Spec.Until) == 0 || t.Effect != Applying || t.Interrupted {
		return false
	}
	return !slices.ContainsFunc(t.Spec.Until, func(id ripcord.StepID) bool { return !d.Steps[id].passed() })
}

// busy counts the places that are taken up, by orphans as well.
func (d *decision) busy() int {
	busy := 0
	for _, t := range d.steps() {
		if t.Effect != NoEffect && len(t.Spec.Until) == 0 {
			busy++
		}
	}
	return busy
}

// recording reports whether the decision has become one entry.
func (d *decision) recording() bool {
	return len(d.Commands) == 1 && d.Commands[0].Op == OpRecord
}

// firstFailed returns the step that failed for good, the earliest in time.
func (d *decision) firstFailed() *Step {
	var first *Step
	for _, t := range d.steps() {
		if t.State != ripcord.StepIsFailed {
			continue
		}
		if first == nil || t.EndedAt.Before(first.EndedAt) {
			first = t
		}
	}
	return first
}

// failed carries out the failure policy.
func (d *decision) failed(t *Step) {
	e := ripcord.Entry{Kind: ripcord.RunRollingBack, Step: t.Spec.ID, Failure: t.Failure, Reason: fmt.Sprintf("step %s failed", t.Spec.ID)}
	if policy := d.Plan.OnFailure; policy.Action == ripcord.FailHold {
		e.Kind, e.Then = ripcord.RunHeld, policy.Then
		if policy.Hold > 0 {
			until := d.now.Add(policy.Hold.Std())
			e.Until = &until
		}
	}
	d.record(e)
}

func (d *decision) ready(t *Step) bool {
	for _, need := range t.Spec.Needs {
		if n := d.Steps[need]; n == nil || !n.passed() {
			return false
		}
	}
	if t.Spec.Traits.Watches {
		for _, other := range d.steps() {
			if other != t && !other.passed() && !slices.Contains(other.Spec.Until, t.Spec.ID) {
				return false
			}
		}
	}
	return true
}

// settleInterrupted finds out about interrupted effects; a pause starts nothing
// but may look.
func (d *decision) settleInterrupted() {
	for _, t := range d.steps() {
		if t.Interrupted && t.Effect == Applying && !t.ordered() && !d.waits(t) {
			d.interrupted(t)
			if d.recording() {
				return
			}
		}
	}
}

// advance gives the next command of a step that may go on; it reports whether
// the step takes up one of the places.
func (d *decision) advance(t *Step) bool {
	switch {
	case t.Spec.Skip != "" && !t.Started:
		d.record(ripcord.Entry{Kind: ripcord.StepSkipped, Step: t.Spec.ID, Reason: t.Spec.Skip})
		return false
	case !t.ordered() && d.waits(t):
		return false
	case t.Interrupted && t.Effect == Applying && !t.ordered():
		d.interrupted(t)
	case t.Lost:
		d.lost(t)
	case t.Before == nil:
		d.add(Command{Op: OpCheck, Step: t.Spec.ID})
	case d.asks(t):
		return false
	case t.Spec.Traits.Prepares && !t.Prepared:
		d.add(Command{Op: OpPrepare, Step: t.Spec.ID})
	default:
		d.apply(t)
	}
	return true
}

func (d *decision) apply(t *Step) {
	if t.Spec.Traits.Watches && d.State.State != ripcord.StateWatching {
		d.record(ripcord.Entry{Kind: ripcord.RunWatching, Step: t.Spec.ID})
		return
	}
	d.add(Command{Op: OpApply, Step: t.Spec.ID, Attempt: t.Attempts + 1})
}

// interrupted asks how an effect ended whose executor is gone.
func (d *decision) interrupted(t *Step) {
	if d.tired(t) {
		d.hold(t, unproved(t), "step "+string(t.Spec.ID)+" was interrupted, and its check cannot tell what happened"+t.blind())
		return
	}
	d.settle(t, false)
}

// lost goes on with a step whose interrupted Apply has no provable result.
func (d *decision) lost(t *Step) {
	switch traits := t.Spec.Traits; {
	case t.Forced:
		d.apply(t)
	case t.Seen.Presence == ripcord.Absent:
		d.apply(t)
	case traits.Idempotent:
		d.apply(t)
	case t.Seen.Presence == ripcord.Partial:
		d.record(ripcord.Entry{Kind: ripcord.StepFailed, Step: t.Spec.ID, Attempt: t.Attempts, Failure: unproved(t)})
	default:
		d.hold(t, unproved(t), "the command was interrupted and nothing can prove how far it came")
	}
}

// unproved is the failure of a step whose interrupted effect cannot be proved.
func unproved(t *Step) *ripcord.Failure {
	detail := "it has no check"
	if t.Spec.Traits.Checkable {
		detail = "its check did not see the whole effect"
	}
	return &ripcord.Failure{
		Class:   ripcord.FailedUnproved,
		Summary: fmt.Sprintf("step %s was interrupted, and %s", t.Spec.ID, detail),
	}
}

// blind is why the newest look at the step saw nothing, as the end of a sentence.
func (t *Step) blind() string {
	if t.Seen == nil || t.Seen.Presence != ripcord.Unknown || t.Seen.Detail == "" {
		return ""
	}
	return ": " + t.Seen.Detail
}

// tired reports whether enough Checks have seen nothing.
func (d *decision) tired(t *Step) bool { return t.Unknowns >= maxUnknowns || d.outOfReach(t) }

// outOfReach reports whether the step's target has been out of reach for too long.
func (d *decision) outOfReach(t *Step) bool {
	return !t.AwaySince.IsZero() && !d.now.Before(t.AwaySince.Add(awayPatience))
}

// asks reports whether the step waits for a person's word.
func (d *decision) asks(t *Step) bool {
	if t.Spec.Ask == nil || t.Spec.Ask.Apply == "" || t.Approved {
		return false
	}
	if !t.Asked {
		e := ripcord.Entry{Kind: ripcord.StepAsked, Step: t.Spec.ID, Reason: t.Spec.Ask.Apply}
		if t.Spec.Timeout > 0 {
			until := d.now.Add(t.Spec.Timeout.Std())
			e.Until = &until
		}
		d.record(e)
		return true
	}
	if !t.AskUntil.IsZero() && !d.now.Before(t.AskUntil) {
		d.record(ripcord.Entry{Kind: ripcord.StepFailed, Step: t.Spec.ID, Failure: &ripcord.Failure{
			Class:   ripcord.FailedTimeout,
			Summary: fmt.Sprintf("nobody approved step %s within %s", t.Spec.ID, t.Spec.Timeout),
		}})
		return true
	}
	d.wakeAt(t.AskUntil)
	return true
}

// finish decides after the commit: only forward, whatever fails. What Prepare
// made goes last: no way back is left that needs it.
func (d *decision) finish() {
	var cleanup []ripcord.StepID
	for _, t := range slices.Backward(d.steps()) {
		if !t.Spec.Traits.Finishes || t.State != ripcord.StepIsApplied || t.Finished || d.unwinds() {
			continue
		}
		if t.Unfinished >= maxUnfinished {
			cleanup = append(cleanup, t.Spec.ID)
			continue
		}
		if !d.waits(t) {
			d.add(Command{Op: OpFinish, Step: t.Spec.ID})
		}
		return
	}
	for _, t := range slices.Backward(d.steps()) {
		switch {
		case !t.Made || d.unwinds() || t.Spec.Traits.Keeps:
		case !t.Discarded:
			d.add(Command{Op: OpDiscard, Step: t.Spec.ID})
			return
		case t.Undiscarded && !slices.Contains(cleanup, t.Spec.ID):
			cleanup = append(cleanup, t.Spec.ID)
		}
	}
	d.record(ripcord.Entry{Kind: ripcord.RunSucceeded, Cleanup: cleanup})
}

// RetryAt returns when the next attempt follows after the step's n-th failure
// since the last word of a person, nil when there is none.
func RetryAt(r ripcord.Retry, failures int, f *ripcord.Failure, now time.Time) *time.Time {
	if failures >= max(r.Attempts, 1) || f.Final || f.Class == ripcord.FailedCancelled {
		return nil
	}
	at := now.Add(backoff(r.Backoff.Std(), r.MaxBackoff.Std(), failures))
	return &at
}

// backoff doubles from first up to most.
func backoff(first, most time.Duration, failures int) time.Duration {
	pause := first
	for i := 1; i < failures && (most == 0 || pause < most) && pause < time.Hour; i++ {
		pause *= 2
	}
	if most > 0 {
		return min(pause, most)
	}
	return pause
}
