package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// settle finds out how an interrupted effect ended: its own result where the
// effect outlived its executor, else a Check.
func (t *task) settle(ctx context.Context) error {
	back := t.was.Effect == engine.Undoing
	step, err := t.open(ctx)
	var a ripcord.Attempt
	if err == nil {
		a, err = t.attempt(ctx, t.command.Attempt, back)
	}
	if err != nil {
		return t.blind(ctx, err)
	}
	limited, done := t.limit(ctx)
	defer done()
	err = t.resume(limited, step, a, back)
	if t.stopped(ctx) || errors.Is(err, ripcord.ErrLost) && ctx.Err() != nil {
		return nil
	}
	switch {
	case !errors.Is(err, ripcord.ErrLost) && back:
		return t.undone(ctx, limited, step, err)
	case err == nil || !errors.Is(err, ripcord.ErrLost) && !t.command.Stop:
		return t.applied(ctx, limited, step, err)
	case !errors.Is(err, ripcord.ErrLost):
		f := &ripcord.Failure{Class: ripcord.FailedCancelled, Summary: fmt.Sprintf("step %s was stopped: %v", t.id, err)}
		return t.fail(ctx, f, t.spec.Retry)
	}
	return t.settleByCheck(ctx, step, back)
}

// resume waits for the effect that a dead executor left; with Stop it stops it.
func (t *task) resume(ctx context.Context, step ripcord.Step, a ripcord.Attempt, back bool) error {
	resumer, ok := step.(ripcord.Resumer)
	if !ok {
		return ripcord.ErrLost
	}
	if t.command.Stop {
		stopped, stop := context.WithCancel(ctx)
		stop()
		return resumer.Resume(stopped, a, back)
	}
	return resumer.Resume(ctx, a, back)
}

// blind journals that nothing could be found out, not even whether an orphan is
// left, so that it is tried again and nothing is built on it.
func (t *task) blind(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the run stops, and the error is only that
	}
	away := errors.Is(err, ripcord.ErrAway)
	return t.append(ctx, ripcord.Entry{
		Kind: ripcord.StepSettled, Step: t.id, Seen: &ripcord.Sighting{Presence: ripcord.Unknown, Detail: err.Error(), Away: away},
		Until: t.checkAgain(away),
	})
}

func (t *task) settleByCheck(ctx context.Context, step ripcord.Step, back bool) error {
	seen := &ripcord.Sighting{Presence: ripcord.Unknown}
	if t.spec.Traits.Checkable {
		var err error
		if seen, err = t.look(ctx, step, false); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the next decision settles anew
	}
	if back || seen.Presence != ripcord.Present {
		return t.settled(ctx, seen)
	}
	outputs, err := t.outputs(ctx, step)
	if err != nil {
		return t.fail(ctx, t.failure(ctx, err), t.spec.Retry)
	}
	return t.append(ctx,
		ripcord.Entry{Kind: ripcord.StepSettled, Step: t.id, Seen: seen},
		ripcord.Entry{Kind: ripcord.StepApplied, Step: t.id, Attempt: t.was.Attempts, Outputs: outputs})
}

// undo takes the step's effect back and proves it.
func (t *task) undo(ctx context.Context) error {
	step, err := t.open(ctx)
	var a ripcord.Attempt
	if err == nil {
		a, err = t.attempt(ctx, t.command.Attempt, true)
	}
	intent := ripcord.Entry{Kind: ripcord.StepUndoIntent, Step: t.id, Attempt: t.command.Attempt}
	if wanted, intentErr := t.intend(ctx, t.command, intent); intentErr != nil || !wanted {
		return intentErr
	}
	limited, done := t.limit(ctx)
	defer done()
	if err == nil {
		err = step.Undo(limited, a)
	}
	if t.stopped(ctx) {
		return nil
	}
	return t.undone(ctx, limited, step, err)
}

// undone journals the result of an Undo: verified only by a fresh Check that
// saw the before-image.
func (t *task) undone(ctx, limited context.Context, step ripcord.Step, err error) error {
	if err != nil {
		return t.undoFailed(ctx, t.undoFailure(ctx, limited, err))
	}
	e := ripcord.Entry{Kind: ripcord.StepUndone, Step: t.id, Attempt: t.command.Attempt}
	if t.spec.Traits.Checkable {
		seen, err := t.look(ctx, step, false)
		if t.stopped(ctx) {
			return nil
		}
		if err != nil {
			return t.undoFailed(ctx, t.undoFailure(ctx, ctx, err))
		}
		if !seen.Same(t.was.Before) {
			return t.undoFailed(ctx, t.undoFailure(ctx, ctx, t.mismatch(seen)))
		}
		e.Seen, e.Verified = seen, true
	}
	e.Blobs = t.keepLog(ctx, fmt.Sprintf("undo-%d", t.command.Attempt))
	return t.append(ctx, e)
}

// undoFailure is why an undo has not brought the step back.
func (t *task) undoFailure(ctx, limited context.Context, err error) *ripcord.Failure {
	if errors.Is(context.Cause(ctx), errCancelled) {
		return &ripcord.Failure{Class: ripcord.FailedCancelled, Summary: fmt.Sprintf("a person stopped this try of the undo of step %s", t.id)}
	}
	return t.failure(limited, err)
}

func (t *task) mismatch(seen *ripcord.Sighting) *ripcord.Failure {
	detail := seen.Detail
	if detail == "" {
		detail = "its content differs"
	}
	return &ripcord.Failure{
		Class: ripcord.FailedTarget, Away: seen.Away,
		Summary: fmt.Sprintf("undo of step %s ran, but what is there now (%s) is not what was there before (%s): %s",
			t.id, seen.Presence, t.was.Before.Presence, detail),
	}
}

func (t *task) undoFailed(ctx context.Context, f *ripcord.Failure) error {
	again := engine.UndoRetryAt(t.spec.Retry, t.was.UndoFailures+1, t.now())
	if f.Loss != "" {
		again = nil // a person is asked
	}
	if f.Away {
		again = engine.AwayRetryAt(t.was.AwaySince, t.now())
	}
	return t.append(ctx, ripcord.Entry{
		Kind: ripcord.StepUndoFailed, Step: t.id, Attempt: t.command.Attempt, Failure: f, Until: again,
		Blobs: t.keepLog(ctx, fmt.Sprintf("undo-%d", t.command.Attempt)),
	})
}
