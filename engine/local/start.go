package local

import (
	"context"
	"errors"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// operation is a command in progress.
type operation struct {
	command engine.Command
	cancel  context.CancelCauseFunc
	// back says that the operation belongs to the way back.
	back bool
	// enough is closed when what a step stands beside has passed.
	enough chan struct{}
	told   bool
	// work carries it out; next is the operation that it goes on with.
	work func() error
	next *operation
}

// enoughFor is what tells the step that it may end; nil where it ends by itself.
func (op *operation) enoughFor(spec *ripcord.StepSpec) <-chan struct{} {
	if op == nil || len(spec.Until) == 0 {
		return nil
	}
	return op.enough
}

// start begins the commands that are not in progress yet.
func (x *Executor) start(commands []engine.Command) {
	x.mu.Lock()
	back := x.state.Back
	if back {
		x.cancelForward()
	}
	x.mu.Unlock()
	for _, c := range commands {
		switch c.Op {
		case engine.OpCancel:
			x.cancel(c.Step)
		case engine.OpEnough:
			x.enough(c.Step)
		default:
			x.begin(c, back)
		}
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

// enough tells a step that all others it stands beside have passed.
func (x *Executor) enough(step ripcord.StepID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if op := x.active[step]; op != nil && !op.told {
		op.told = true
		close(op.enough)
	}
}

// begin starts one operation. On the way back, none starts while one of the way
// forward is still in progress.
func (x *Executor) begin(c engine.Command, back bool) {
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
	ctx, op := x.register(c, back)
	op.work = func() error { return x.carryOut(ctx, op) }
	x.Runtime.Go(c, func() {
		for op != nil {
			op = x.work(op)
		}
	})
}

// register notes an operation as in progress. The lock is held.
func (x *Executor) register(c engine.Command, back bool) (context.Context, *operation) {
	ctx, cancel := x.derive()
	op := &operation{command: c, cancel: cancel, back: back, enough: make(chan struct{})}
	x.active[c.Step] = op
	return ctx, op
}

// work does one operation and returns the one that it goes on with, if any.
// Errors of the journal have stopped the executor already; all others have
// become entries.
func (x *Executor) work(op *operation) *operation {
	defer x.end(op)
	if err := op.work(); err != nil {
		_ = x.fatal(err) // the loop returns it
	}
	return op.next
}

// end notes that an operation is over, and wakes the loop if nothing follows.
func (x *Executor) end(op *operation) {
	op.cancel(nil)
	if op.next != nil {
		return // it took the place already
	}
	x.mu.Lock()
	delete(x.active, op.command.Step)
	x.mu.Unlock()
	x.wake()
}

func (x *Executor) wake() {
	select {
	case x.ready <- struct{}{}:
	default:
	}
}

func (x *Executor) carryOut(ctx context.Context, op *operation) error {
	switch op.command.Op {
	case engine.OpBundle:
		return x.makeBundle(ctx, op)
	case engine.OpEvidence:
		return x.gatherEvidence(ctx)
	case engine.OpCheck, engine.OpPrepare, engine.OpApply, engine.OpSettle, engine.OpObserve,
		engine.OpUndo, engine.OpDiscard, engine.OpFinish:
		return x.carryOutStep(ctx, op)
	case engine.OpRecord, engine.OpCancel, engine.OpEnough:
	}
	return errors.New("not an operation: " + string(op.command.Op))
}

func (x *Executor) carryOutStep(ctx context.Context, op *operation) error {
	t := x.newTask(ctx, op.command)
	t.operation = op
	switch op.command.Op {
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
	case engine.OpRecord, engine.OpCancel, engine.OpEnough, engine.OpBundle, engine.OpEvidence:
	}
	return nil
}

// makeBundle captures the bundle and unpacks it before the journal says that it
// is there: with that entry steps begin, and they use its folder.
func (x *Executor) makeBundle(ctx context.Context, op *operation) error {
	var blobs map[string]ripcord.BlobRef
	if x.Bundle != nil {
		var err error
		if blobs, err = x.Bundle(ctx, x.state.Plan); err != nil {
			return x.unbundled(ctx, err)
		}
		if len(x.state.Plan.Reverts) > 0 {
			x.unpackIfPossible(ctx, blobs)
		} else if err := x.unpack(ctx, blobs); err != nil {
			return x.unbundled(ctx, err)
		}
	}
	return x.proceed(ctx, op, ripcord.Entry{Kind: ripcord.RunBundled, Blobs: blobs})
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
