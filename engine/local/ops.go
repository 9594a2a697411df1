package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// checkRetry is the least patience with a first Check that sees nothing: it
// reads only, so repeating it is safe.
func checkRetry(r ripcord.Retry) ripcord.Retry {
	if r.Attempts < 3 {
		r = ripcord.Retry{Attempts: 3, Backoff: ripcord.Duration(1e9)}
	}
	return r
}

// check makes the first Check of a step.
func (t *task) check(ctx context.Context) error {
	step, err := t.open(ctx)
	if err != nil {
		return t.fail(ctx, &ripcord.Failure{Class: ripcord.FailedCheck, Summary: err.Error(), Final: true}, t.spec.Retry)
	}
	if f := t.foreign(ctx, step); f != nil {
		return t.fail(ctx, f, t.spec.Retry)
	}
	if !t.spec.Traits.Checkable {
		return t.checked(ctx, unchecked(t.id).Seen)
	}
	seen, err := t.look(ctx, step, true)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // nobody needs it any more
	}
	switch {
	case err != nil:
		return t.fail(ctx, &ripcord.Failure{Class: ripcord.FailedCheck, Summary: err.Error()}, t.spec.Retry)
	case seen.Presence == ripcord.Unknown:
		f := &ripcord.Failure{Class: ripcord.FailedCheck, Summary: fmt.Sprintf("the check of step %s cannot tell what is there: %s", t.id, seen.Detail)}
		return t.fail(ctx, f, checkRetry(t.spec.Retry))
	case seen.Presence == ripcord.Present:
		outputs, err := t.outputs(ctx, step)
		if err != nil {
			return t.fail(ctx, t.failure(ctx, err), t.spec.Retry)
		}
		return t.append(ctx, ripcord.Entry{Kind: ripcord.StepFound, Step: t.id, Seen: seen, Outputs: outputs})
	}
	return t.checked(ctx, seen)
}

// fail journals a failed attempt and whether another one follows.
func (t *task) fail(ctx context.Context, f *ripcord.Failure, retry ripcord.Retry) error {
	if t.stopped(ctx) {
		return nil
	}
	if errors.Is(context.Cause(ctx), errCancelled) && f.Class != ripcord.FailedCancelled {
		f = t.failure(ctx, f)
	}
	f = t.blame(ctx, f)
	return t.append(ctx, ripcord.Entry{
		Kind: ripcord.StepFailed, Step: t.id, Attempt: t.command.Attempt, Failure: f,
		Until: engine.RetryAt(retry, t.was.Failures+1, f, t.now()),
		Blobs: t.keepLog(ctx, fmt.Sprintf("apply-%d", t.command.Attempt)),
	})
}

func (t *task) prepare(ctx context.Context) error {
	step, err := t.open(ctx)
	preparer, ok := step.(ripcord.Preparer)
	if err == nil && !ok {
		err = fmt.Errorf("step %s has nothing to prepare", t.id)
	}
	if err != nil {
		return t.fail(ctx, t.failure(ctx, err), t.spec.Retry)
	}
	if wanted, err := t.intend(ctx, t.command, ripcord.Entry{Kind: ripcord.StepPreparing, Step: t.id}); err != nil || !wanted {
		return err
	}
	limited, done := t.limit(ctx)
	defer done()
	a, err := t.attempt(ctx, 1, false)
	if err == nil {
		err = preparer.Prepare(limited, a)
	}
	if t.stopped(ctx) {
		return nil
	}
	if err != nil {
		return t.fail(ctx, t.failure(limited, err), t.spec.Retry)
	}
	return t.append(ctx, ripcord.Entry{Kind: ripcord.StepPrepared, Step: t.id})
}

func (t *task) apply(ctx context.Context) error {
	step, err := t.open(ctx)
	if err != nil {
		return t.fail(ctx, t.failure(ctx, err), t.spec.Retry)
	}
	a, err := t.attempt(ctx, t.command.Attempt, false)
	if err != nil {
		return t.fail(ctx, t.failure(ctx, err), t.spec.Retry)
	}
	if wanted, err := t.intend(ctx, t.command, t.intent()); err != nil || !wanted {
		return err // without an intent there is nothing to undo
	}
	return t.effect(ctx, step, a)
}

func (t *task) intent() ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepIntent, Step: t.id, Attempt: t.command.Attempt}
}

// effect is Apply itself, once its intent is durable.
func (t *task) effect(ctx context.Context, step ripcord.Step, a ripcord.Attempt) (err error) {
	limited, done := t.limit(ctx)
	defer done()
	if err = t.stamp(limited, step); err == nil {
		err = step.Apply(limited, a)
	}
	return t.applied(ctx, limited, step, err)
}

// applied journals the result of an Apply.
func (t *task) applied(ctx, limited context.Context, step ripcord.Step, err error) error {
	if t.stopped(ctx) {
		return nil
	}
	var outputs map[string]ripcord.Output
	if err == nil {
		outputs, err = t.outputs(ctx, step)
	}
	if err != nil {
		return t.fail(ctx, t.failure(limited, err), t.spec.Retry)
	}
	return t.proceed(ctx, t.operation, ripcord.Entry{
		Kind: ripcord.StepApplied, Step: t.id, Attempt: t.command.Attempt, Outputs: outputs,
		Blobs: t.keepLog(ctx, fmt.Sprintf("apply-%d", t.command.Attempt)),
	})
}

// observe looks at what an effect that ended badly has left.
func (t *task) observe(ctx context.Context) error {
	step, err := t.open(ctx)
	if err != nil {
		return t.settled(ctx, &ripcord.Sighting{Presence: ripcord.Unknown, Detail: err.Error()})
	}
	seen, err := t.look(ctx, step, false)
	if err != nil {
		seen = &ripcord.Sighting{Presence: ripcord.Unknown, Detail: err.Error()}
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // nobody needs it any more
	}
	return t.settled(ctx, seen)
}

// checkAgain is when a Check that saw nothing is made again.
func (t *task) checkAgain(away bool) *time.Time {
	if away {
		return engine.AwayRetryAt(t.was.AwaySince, t.now())
	}
	return engine.CheckRetryAt(t.was.Unknowns+1, t.now())
}

func (t *task) settled(ctx context.Context, seen *ripcord.Sighting) error {
	e := ripcord.Entry{Kind: ripcord.StepSettled, Step: t.id, Seen: seen}
	if seen.Presence == ripcord.Unknown && t.spec.Traits.Checkable {
		e.Until = t.checkAgain(seen.Away)
	}
	return t.append(ctx, e)
}

func (t *task) discard(ctx context.Context) error {
	e := ripcord.Entry{Kind: ripcord.StepDiscarded, Step: t.id}
	step, err := t.open(ctx)
	if preparer, ok := step.(ripcord.Preparer); ok && err == nil {
		var a ripcord.Attempt
		if a, err = t.attempt(ctx, 1, true); err == nil {
			err = preparer.Discard(ctx, a)
		}
	}
	if t.stopped(ctx) {
		return nil
	}
	if err != nil {
		e.Failure = t.failure(ctx, err)
	}
	return t.append(ctx, e)
}

func (t *task) finish(ctx context.Context) error {
	step, err := t.open(ctx)
	limited, done := t.limit(ctx)
	defer done()
	if finisher, ok := step.(ripcord.Finisher); ok && err == nil {
		var a ripcord.Attempt
		if a, err = t.attempt(ctx, t.was.Unfinished+1, false); err == nil {
			err = finisher.Finish(limited, a)
		}
	}
	if t.stopped(ctx) {
		return nil
	}
	if err != nil {
		return t.append(ctx, ripcord.Entry{
			Kind: ripcord.StepUnfinished, Step: t.id, Failure: t.failure(limited, err),
			Until: engine.FinishRetryAt(t.was.Unfinished+1, t.now()),
		})
	}
	return t.append(ctx, ripcord.Entry{Kind: ripcord.StepFinished, Step: t.id})
}
