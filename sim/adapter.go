package sim

import (
	"context"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
)

// adapter opens steps of the in-memory system and tells the judge of every
// effect.
type adapter struct {
	p     *process
	inner *fake.Adapter
}

// Kind is that of the in-memory system.
func (a *adapter) Kind() string { return a.inner.Kind() }

// Open opens a step.
func (a *adapter) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	inner := a.p.sim.opened[spec.ID]
	if inner == nil {
		opened, err := a.inner.Open(ctx, spec, scope)
		if err != nil {
			return nil, err
		}
		var ok bool
		if inner, ok = opened.(*fake.Step); !ok {
			return nil, fmt.Errorf("step %s is a %T", spec.ID, opened)
		}
		a.p.sim.opened[spec.ID] = inner // it remembers nothing, and opening takes time
	}
	return &step{Step: inner, p: a.p, id: spec.ID}, nil
}

// step is one step of the in-memory system under observation. Effects of an
// executor that dies are forgotten with it, so no end is reported for them.
type step struct {
	*fake.Step
	p  *process
	id ripcord.StepID
}

func (s *step) during(op fake.Op, a ripcord.Attempt, effect func(a ripcord.Attempt) error) error {
	a = s.p.sim.mutant.before(s.p, s.id, a)
	s.p.sim.judge.begins(s.p, s.id, op, a)
	err := effect(a)
	s.p.sim.judge.ends(s.p, s.id, op)
	s.p.sim.tracef("%d: %s %s returned %v", s.p.lease.Fence, op, s.id, err)
	return err
}

// Apply applies. Beside others, it waits here until they have passed: all fibers
// take turns, so the world itself must not wait.
func (s *step) Apply(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Apply, a, func(a ripcord.Attempt) error {
		if enough := a.Enough; enough != nil {
			s.p.mayDie("beside others: " + string(s.id))
			s.p.sim.current.pause(func() bool { return ctx.Err() != nil || closed(enough) })
			s.p.mayDie("after others: " + string(s.id))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.p.sim.coverage.count("stood beside others")
			a.Enough = nil
		}
		return s.Step.Apply(ctx, a)
	})
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Undo undoes.
func (s *step) Undo(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Undo, a, func(a ripcord.Attempt) error { return s.Step.Undo(ctx, a) })
}

// Prepare prepares.
func (s *step) Prepare(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Prepare, a, func(a ripcord.Attempt) error { return s.Step.Prepare(ctx, a) })
}

// Discard discards.
func (s *step) Discard(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Discard, a, func(a ripcord.Attempt) error { return s.Step.Discard(ctx, a) })
}

// Finish finishes.
func (s *step) Finish(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Finish, a, func(a ripcord.Attempt) error { return s.Step.Finish(ctx, a) })
}

// Resume finds what a dead executor left.
func (s *step) Resume(ctx context.Context, a ripcord.Attempt, undo bool) error {
	return s.during(fake.Resume, a, func(a ripcord.Attempt) error { return s.Step.Resume(ctx, a, undo) })
}
