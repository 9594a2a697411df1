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
	opened, err := a.inner.Open(ctx, spec, scope)
	if err != nil {
		return nil, err
	}
	inner, ok := opened.(*fake.Step)
	if !ok {
		return nil, fmt.Errorf("step %s is a %T", spec.ID, opened)
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

func (s *step) during(op fake.Op, a ripcord.Attempt, effect func() error) error {
	s.p.sim.judge.begins(s.p, s.id, op, a)
	err := effect()
	s.p.sim.judge.ends(s.p, s.id, op)
	s.p.sim.tracef("%d: %s %s returned %v", s.p.lease.Fence, op, s.id, err)
	return err
}

// Check looks.
func (s *step) Check(ctx context.Context) (ripcord.Observation, error) {
	seen, err := s.Step.Check(ctx)
	return s.p.sim.mutant.seen(seen), err
}

// Apply applies.
func (s *step) Apply(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Apply, a, func() error { return s.Step.Apply(ctx, a) })
}

// Undo undoes.
func (s *step) Undo(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Undo, a, func() error { return s.Step.Undo(ctx, a) })
}

// Prepare prepares.
func (s *step) Prepare(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Prepare, a, func() error { return s.Step.Prepare(ctx, a) })
}

// Discard discards.
func (s *step) Discard(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Discard, a, func() error { return s.Step.Discard(ctx, a) })
}

// Finish finishes.
func (s *step) Finish(ctx context.Context, a ripcord.Attempt) error {
	return s.during(fake.Finish, a, func() error { return s.Step.Finish(ctx, a) })
}

// Resume finds what a dead executor left.
func (s *step) Resume(ctx context.Context, a ripcord.Attempt, undo bool) error {
	return s.during(fake.Resume, a, func() error { return s.Step.Resume(ctx, a, undo) })
}
