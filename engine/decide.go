package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Op is what an executor is told to do.
type Op string

// The operations. All but Record, Bundle and Evidence concern one step.
const (
	// OpRecord appends Entry and nothing else.
	OpRecord Op = "record"
	// OpBundle captures the bundle, then appends RunBundled.
	OpBundle Op = "bundle"
	// OpCheck makes the first Check; StepChecked, StepFound or StepFailed.
	OpCheck Op = "check"
	// OpPrepare appends StepPreparing, prepares, appends StepPrepared or StepFailed.
	OpPrepare Op = "prepare"
	// OpApply appends StepIntent, applies, appends StepApplied or StepFailed.
	OpApply Op = "apply"
	// OpSettle finds out how an interrupted effect ended: Resume, then Check.
	// With Stop the effect is stopped instead of awaited.
	OpSettle Op = "settle"
	// OpObserve makes a Check of an ended effect and appends StepSettled.
	OpObserve Op = "observe"
	// OpEnough tells the step's Apply that all steps it stands beside have passed.
	OpEnough Op = "enough"
	// OpCancel stops the step's effect that this executor has in progress.
	OpCancel Op = "cancel"
	// OpUndo appends StepUndoIntent, undoes, checks, appends StepUndone or
	// StepUndoFailed.
	OpUndo Op = "undo"
	// OpDiscard drops what Prepare made and appends StepDiscarded.
	OpDiscard Op = "discard"
	// OpEvidence gathers evidence and appends RunEvidence.
	OpEvidence Op = "evidence"
	// OpFinish finishes and appends StepFinished or StepUnfinished.
	OpFinish Op = "finish"
)

// Command is one thing for an executor to do. It is repeated by each decision
// until an entry shows its result, so an executor starts it once.
type Command struct {
	Op    Op
	Step  ripcord.StepID
	Entry ripcord.Entry
	// Attempt is the number that the intent carries.
	Attempt int
	// Stop: the interrupted effect is to be stopped, not awaited.
	Stop bool
}

// Decision is what an executor does now.
type Decision struct {
	Commands []Command
	// Wake is when to decide again although nothing happened; zero is never.
	Wake time.Time
	// Ended says that the run has reached its end.
	Ended bool
}

// limits of the engine's own patience.
const (
	maxUnknowns     = 5
	maxUndoFailures = 3
	maxUnfinished   = 3
	// awayPatience is how long a target out of reach is waited for: a machine that
	// starts again takes minutes.
	awayPatience = 5 * time.Minute
	// awayPause is the longest time between two tries to reach it.
	awayPause = 15 * time.Second
)

// Decide returns the next commands of a run. It reads nothing but its arguments.
func Decide(plan *ripcord.Plan, entries []ripcord.Entry, now time.Time) Decision {
	s := Fold(entries)
	if s.Plan == nil {
		s = Fold(append([]ripcord.Entry{{Kind: ripcord.RunPlanned, Plan: plan}}, entries...))
	}
	return s.Decide(now)
}

// Decide returns the next commands for the state.
func (s *State) Decide(now time.Time) Decision {
	d := &decision{State: s, now: now}
	switch {
	case s.State.Ended():
		return Decision{Ended: true}
	case d.controls():
	case s.Committed:
		d.finish()
	case s.Hold != nil:
		d.held()
	case s.Back:
		d.back()
	case s.Paused && !s.Started: // not even the beginning begins
	case !s.Bundled:
		d.add(Command{Op: OpBundle})
	case !s.Started:
		d.record(ripcord.Entry{Kind: ripcord.RunStarted})
	case s.unwinds():
		d.record(ripcord.Entry{Kind: ripcord.RunRollingBack, Reason: fmt.Sprintf("taking back release %s", s.Plan.Reverts[0])})
	default:
		d.forward()
	}
	return d.Decision
}

// unwinds reports whether the run takes a committed release back step by step.
func (s *State) unwinds() bool { return len(s.Plan.Reverts) > 0 }

// decision is a Decision in the making.
type decision struct {
	*State
	Decision
	now time.Time
	// all are the steps in plan order, once they were asked for.
	all []*Step
}

// steps returns the steps in plan order. Nobody changes the slice.
func (d *decision) steps() []*Step {
	if d.all == nil {
		d.all = d.State.steps()
	}
	return d.all
}

func (d *decision) add(c Command) { d.Commands = append(d.Commands, c) }

// record makes the decision the appending of one entry: the state that follows
// it decides anew.
func (d *decision) record(e ripcord.Entry) {
	d.Commands = []Command{{Op: OpRecord, Step: e.Step, Entry: e}}
}

func (d *decision) wakeAt(t time.Time) {
	if !t.IsZero() && (d.Wake.IsZero() || t.Before(d.Wake)) {
		d.Wake = t
	}
}

// waits reports whether a step's pause between attempts is still going on.
func (d *decision) waits(t *Step) bool {
	if t.RetryAt.IsZero() || !d.now.Before(t.RetryAt) {
		return false
	}
	d.wakeAt(t.RetryAt)
	return true
}

// steps returns the steps in plan order.
func (s *State) steps() []*Step {
	steps := make([]*Step, 0, len(s.Plan.Steps))
	for i := range s.Plan.Steps {
		steps = append(steps, s.Steps[s.Plan.Steps[i].ID])
	}
	return steps
}

// executedNewestFirst returns the steps that going back still concerns: traffic
// first, then in reverse order of their first intents.
func (s *State) executedNewestFirst() []*Step {
	steps := slices.DeleteFunc(s.steps(), func(t *Step) bool { return !t.executed() })
	slices.SortStableFunc(steps, func(a, b *Step) int {
		if a.Spec.Traits.Traffic != b.Spec.Traits.Traffic {
			if a.Spec.Traits.Traffic {
				return -1
			}
			return 1
		}
		return int(b.Order) - int(a.Order) //nolint:gosec // orders are small counts of entries
	})
	return steps
}

// cancelAll stops what this executor has in progress, and reports whether any
// effect has not ended yet.
func (d *decision) cancelAll(effect Effect) bool {
	going := false
	for _, t := range d.steps() {
		if t.Effect != effect || t.Interrupted {
			continue
		}
		going = true
		d.add(Command{Op: OpCancel, Step: t.Spec.ID})
	}
	return going
}

// stopAll stops what is in progress, also what a dead executor has left, and
// reports whether that is still going on.
func (d *decision) stopAll() bool {
	going := d.cancelAll(Applying)
	going = d.cancelAll(Preparing) || going
	for _, t := range d.steps() {
		switch {
		case t.Effect == Undoing && !t.Interrupted:
			going = true // an undo is let end
		case t.Interrupted && t.Effect != Preparing && t.Unknowns == 0:
			d.settle(t, true)
			going = true
		}
	}
	return going
}

// settle finds out how an interrupted effect ended.
func (d *decision) settle(t *Step, stop bool) {
	number := t.Attempts
	if t.Effect == Undoing {
		number = t.Undos
	}
	d.add(Command{Op: OpSettle, Step: t.Spec.ID, Attempt: number, Stop: stop})
}

func (d *decision) hold(t *Step, f *ripcord.Failure, reason string) {
	d.record(ripcord.Entry{Kind: ripcord.RunHeld, Step: t.Spec.ID, Failure: f, Reason: reason})
}
