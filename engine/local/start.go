package local

import (
	"context"
	"errors"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// start begins the commands that are not in progress yet.
func (x *Executor) start(ctx context.Context, commands []engine.Command) {
	x.mu.Lock()
	back := x.state.Back
	if back {
		x.cancelForward()
	}
	x.mu.Unlock()
	for _, c := range commands {
		if c.Op == engine.OpCancel {
			x.cancel(c.Step)
			continue
		}
		x.begin(ctx, c, back)
	}
}

// cancelForward stops operations that the journal does not know of, for
// example a first Check, before anything goes back.
func (x *Executor) cancelForward() {
	for _, op := range x.active {
		if !op.back {
			op.cancel(errCancelled)
		}
	}
}

func (x *Executor) cancel(step ripcord.StepID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if op := x.active[step]; op != nil {
		op.cancel(errCancelled)
	}
}

// begin starts one operation. On the way back, none starts while one of the way
// forward is still in progress.
func (x *Executor) begin(ctx context.Context, c engine.Command, back bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if op := x.active[c.Step]; op != nil {
		if c.Stop && !op.command.Stop {
			op.cancel(errCancelled) // what was awaited is to be stopped now
		}
		return
	}
	for _, op := range x.active {
		if back && !op.back {
			return
		}
	}
	opCtx, cancel := context.WithCancelCause(ctx)
	x.active[c.Step] = &operation{command: c, cancel: cancel, back: back}
	x.Runtime.Go(c, func() {
		defer x.end(c.Step, cancel)
		x.carryOut(opCtx, c)
	})
}

func (x *Executor) end(step ripcord.StepID, cancel context.CancelCauseFunc) {
	cancel(nil)
	x.mu.Lock()
	delete(x.active, step)
	x.mu.Unlock()
	select {
	case x.ready <- struct{}{}:
	default:
	}
}

// carryOut does one operation. Errors of the journal have stopped the executor
// already; all others have become entries.
func (x *Executor) carryOut(ctx context.Context, c engine.Command) {
	var err error
	switch c.Op {
	case engine.OpBundle:
		err = x.makeBundle(ctx)
	case engine.OpEvidence:
		err = x.gatherEvidence(ctx)
	case engine.OpCheck, engine.OpPrepare, engine.OpApply, engine.OpSettle, engine.OpObserve,
		engine.OpUndo, engine.OpDiscard, engine.OpFinish:
		err = x.carryOutStep(ctx, c)
	case engine.OpRecord, engine.OpCancel:
		err = errors.New("not an operation: " + string(c.Op))
	}
	if err != nil {
		_ = x.fatal(err) // the loop returns it
	}
}

func (x *Executor) carryOutStep(ctx context.Context, c engine.Command) error {
	t := x.newTask(ctx, c)
	switch c.Op {
	case engine.OpCheck:
		return t.check(ctx)
	case engine.OpPrepare:
		return t.prepare(ctx)
	case engine.OpApply:
		return t.apply(ctx)
	case engine.OpSettle:
		return t.settle(ctx)
	case engine.OpObserve:
		return t.observe(ctx)
	case engine.OpUndo:
		return t.undo(ctx)
	case engine.OpDiscard:
		return t.discard(ctx)
	case engine.OpFinish:
		return t.finish(ctx)
	case engine.OpRecord, engine.OpCancel, engine.OpBundle, engine.OpEvidence:
	}
	return nil
}

// makeBundle captures the bundle and unpacks it before the journal says that it
// is there: with that entry steps begin, and they use its folder.
func (x *Executor) makeBundle(ctx context.Context) error {
	var blobs map[string]ripcord.BlobRef
	if x.Bundle != nil {
		var err error
		if blobs, err = x.Bundle(ctx, x.state.Plan); err != nil {
			return x.unbundled(ctx, err)
		}
		if err := x.unpack(ctx, blobs); err != nil {
			return x.unbundled(ctx, err)
		}
	}
	return x.append(ctx, ripcord.Entry{Kind: ripcord.RunBundled, Blobs: blobs})
}

// unbundled ends a run whose bundle cannot be captured: without a way back it
// must not begin, and nothing was changed yet.
func (x *Executor) unbundled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the run stops, and the error is only that
	}
	return x.append(ctx, ripcord.Entry{
		Kind: ripcord.RunRollingBack, Reason: "what the way back needs could not be captured, so the release does not begin",
		Failure: &ripcord.Failure{Class: ripcord.FailedInternal, Summary: err.Error()},
	})
}
