package sim

import (
	"context"
	"errors"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// Mutant is a way to break the engine on purpose, to show that the judge sees
// it. Each field replaces one part; nil leaves it as it is.
type Mutant struct {
	Name string
	// Breaks is the check that has to see it.
	Breaks string
	// State changes a copy of the state before it is decided upon.
	State func(s *engine.State)
	// Decide changes a decision.
	Decide func(s *engine.State, d engine.Decision) engine.Decision
	// Entry changes what is written to the journal; newest is the newest fence.
	Entry func(e *ripcord.Entry, newest uint64)
	// Refused changes what the journal's refusal looks like.
	Refused func(err error) error
	// Before changes the before-image that an effect is given; now is what its
	// target is.
	Before func(before ripcord.Observation, now string) ripcord.Observation
}

// decide is the decider with the mutation; nil is the real one.
func (m *Mutant) decide() func(s *engine.State, now time.Time) engine.Decision {
	if m == nil || m.Decide == nil && m.State == nil {
		return nil
	}
	return func(s *engine.State, now time.Time) engine.Decision {
		copied := copyOf(s)
		if m.State != nil {
			m.State(copied)
		}
		d := copied.Decide(now)
		if m.Decide != nil {
			d = m.Decide(copied, d)
		}
		return d
	}
}

func copyOf(s *engine.State) *engine.State {
	c := *s
	c.Steps = make(map[ripcord.StepID]*engine.Step, len(s.Steps))
	for id, t := range s.Steps {
		step, spec := *t, *t.Spec
		step.Spec = &spec
		c.Steps[id] = &step
	}
	return &c
}

// append writes entries as the mutant does.
func (m *Mutant) append(ctx context.Context, p *process, entries []ripcord.Entry) ([]ripcord.Entry, error) {
	written := entries
	if m != nil && m.Entry != nil {
		written = make([]ripcord.Entry, len(entries))
		for i := range entries {
			written[i] = entries[i]
			m.Entry(&written[i], p.sim.process.lease.Fence)
		}
	}
	err := p.sim.store.Append(ctx, written...)
	if err != nil {
		p.refused(err)
		if m != nil && m.Refused != nil {
			err = m.Refused(err)
		}
		return nil, err
	}
	return written, nil
}

func (m *Mutant) before(p *process, id ripcord.StepID, a ripcord.Attempt) ripcord.Attempt {
	if m != nil && m.Before != nil {
		a.Before = m.Before(a.Before, p.sim.world.Image(p.sim.scenario.settings[id].Target))
	}
	return a
}

// unwritten makes an entry one that says nothing.
func unwritten(kinds ...ripcord.EntryKind) func(e *ripcord.Entry, newest uint64) {
	return func(e *ripcord.Entry, _ uint64) {
		for _, kind := range kinds {
			if e.Kind == kind {
				e.Kind, e.Seen = ripcord.StepProgress, nil
			}
		}
	}
}

// each makes a change to each step.
func each(change func(s *engine.State, t *engine.Step)) func(s *engine.State) {
	return func(s *engine.State) {
		for _, t := range s.Steps {
			change(s, t)
		}
	}
}

// Mutants returns all mutants: engines that break one invariant each.
func Mutants() []*Mutant {
	return append(orderMutants(), backMutants()...)
}

// orderMutants break the way forward and the executor's manners.
func orderMutants() []*Mutant {
	return []*Mutant{
		{Name: "intent not written", Breaks: "order", Entry: unwritten(ripcord.StepIntent)},
		{Name: "before-image not kept", Breaks: "order", Entry: func(e *ripcord.Entry, _ uint64) {
			if e.Kind == ripcord.StepChecked {
				seen := *e.Seen
				e.Seen, seen.Image = &seen, nil
			}
		}},
		{Name: "result not written", Breaks: "order", Entry: unwritten(ripcord.StepApplied)},
		{Name: "needs ignored", Breaks: "order", State: each(func(_ *engine.State, t *engine.Step) { t.Spec.Needs = nil })},
		{Name: "limit ignored", Breaks: "parallel", State: func(s *engine.State) {
			plan := *s.Plan
			plan.Parallel = 99
			s.Plan = &plan
		}},
		{
			Name: "failures ignored while others run", Breaks: "nothing starts",
			State: each(func(s *engine.State, t *engine.Step) {
				if t.State == ripcord.StepIsFailed && !s.Back {
					t.State = ripcord.StepIsSkipped
				}
			}),
		},
		{
			Name: "interrupted commands repeated", Breaks: "a person's order",
			State: each(func(_ *engine.State, t *engine.Step) { t.Spec.Traits.Idempotent = true }),
		},
		{Name: "fence forged", Breaks: "fence", Entry: func(e *ripcord.Entry, newest uint64) { e.Fence = newest }},
		{Name: "fence ignored", Breaks: "fence", Refused: func(err error) error {
			if errors.Is(err, ripcord.ErrFenced) {
				return nil
			}
			return err
		}},
	}
}

// backMutants break the way back.
func backMutants() []*Mutant {
	return []*Mutant{
		{
			Name: "found steps undone", Breaks: "only executed",
			State: each(func(s *engine.State, t *engine.Step) { t.Started = t.Started || t.State == ripcord.StepIsFound }),
		},
		{
			Name: "not settled", Breaks: "settled first",
			State: each(func(s *engine.State, t *engine.Step) { t.Settled = t.Settled || s.Back }),
		},
		{
			Name: "undo stopped unasked", Breaks: "undo stopped",
			Decide: func(s *engine.State, d engine.Decision) engine.Decision {
				if t := s.UndoGoingOn(); t != nil && !t.Interrupted && s.LastRequest > 0 {
					d.Commands = append(d.Commands, engine.Command{Op: engine.OpCancel, Step: t.Spec.ID})
				}
				return d
			},
		},
		{
			Name: "oldest undone first", Breaks: "undo order",
			State: each(func(_ *engine.State, t *engine.Step) { t.Order = 1_000_000 - t.Order }),
		},
		{
			Name: "traffic not first", Breaks: "undo order",
			State: each(func(_ *engine.State, t *engine.Step) { t.Spec.Traits.Traffic = false }),
		},
		{
			Name: "half-done steps forgotten", Breaks: "all old",
			State: each(func(_ *engine.State, t *engine.Step) { t.Started = t.Started && t.State != ripcord.StepIsFailed }),
		},
		{
			Name: "newest before-image", Breaks: "first before-image",
			Before: func(before ripcord.Observation, now string) ripcord.Observation {
				if len(before.Image) > 0 {
					before.Image = []byte(now)
				}
				return before
			},
		},
		{Name: "undo intent not written", Breaks: "order", Entry: unwritten(ripcord.StepUndoIntent)},
		{Name: "failed undo called verified", Breaks: "verified", Entry: func(e *ripcord.Entry, _ uint64) {
			if e.Kind == ripcord.StepUndoFailed {
				e.Kind, e.Verified, e.Failure, e.Until = ripcord.StepUndone, true, nil, nil
			}
		}},
		{Name: "unverified called verified", Breaks: "verified", Entry: func(e *ripcord.Entry, _ uint64) {
			e.Verified = e.Verified || e.Kind == ripcord.StepUndone
		}},
		{
			Name: "interrupted undo repeated", Breaks: "a person's order",
			State: each(func(_ *engine.State, t *engine.Step) { t.Spec.Traits.UndoIdempotent = true }),
		},
	}
}
