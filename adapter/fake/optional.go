package fake

import (
	"context"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Prepare keeps a copy of the target's value; the first one stays.
func (s *Step) Prepare(ctx context.Context, a ripcord.Attempt) error {
	return s.brief(ctx, Prepare, a, func(w *World) {
		if _, kept := w.copies[a.Key]; s.settings.Prepares && !kept {
			w.copies[a.Key] = w.values[s.settings.Target]
		}
	})
}

// Discard drops the copy.
func (s *Step) Discard(ctx context.Context, a ripcord.Attempt) error {
	return s.brief(ctx, Discard, a, func(w *World) { delete(w.copies, a.Key) })
}

// Finish drops the old value.
func (s *Step) Finish(ctx context.Context, a ripcord.Attempt) error {
	return s.brief(ctx, Finish, a, func(w *World) {
		delete(w.olds, a.Key)
		delete(w.stash, a.Key)
	})
}

// brief is an effect that has no middle: it happens or it does not.
func (s *Step) brief(ctx context.Context, op Op, a ripcord.Attempt, effect func(w *World)) error {
	m := Moment{Step: s.id, Op: op, Number: a.Number, Fence: a.Fence}
	mode, err := s.world.enter(ctx, m)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if mode == 0 || mode.whole() {
		s.world.mu.Lock()
		effect(s.world)
		s.world.mu.Unlock()
	}
	if mode != 0 {
		return s.fail(ctx, op, mode)
	}
	return s.world.at(ctx, m, End)
}

// Resume completes the effect that a dead executor left running in the world,
// or returns the result of one that had ended.
func (s *Step) Resume(ctx context.Context, a ripcord.Attempt, undo bool) error {
	m := Moment{Step: s.id, Op: Resume, Number: a.Number, Fence: a.Fence}
	mode, err := s.world.enter(ctx, m)
	if err != nil {
		return err
	}
	op := Apply
	if undo {
		op = Undo
	}
	if err := ctx.Err(); err != nil {
		return s.halt(op, a, err)
	}
	if mode == Lost {
		s.forget(op, a)
		return ripcord.ErrLost
	}
	if mode != 0 {
		return s.fail(ctx, Resume, mode)
	}
	if err := s.resume(op, a); err != nil {
		return err
	}
	return s.world.at(ctx, m, End)
}

func (s *Step) resume(op Op, a ripcord.Attempt) error {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.started[effectKey(op, a)]
	if e == nil {
		return ripcord.ErrLost
	}
	if !e.done {
		w.complete(s.settings.Target, op, a, e.next)
		e.done = true
	}
	return e.err
}

// halt stops an effect where it stands; one that had ended keeps its result.
func (s *Step) halt(op Op, a ripcord.Attempt, cause error) error {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	e := s.world.started[effectKey(op, a)]
	if e == nil {
		return ripcord.ErrLost
	}
	if !e.done {
		e.done, e.err = true, cause
	}
	return e.err
}

func (s *Step) forget(op Op, a ripcord.Attempt) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	delete(s.world.started, effectKey(op, a))
}

// Outputs returns those of the settings.
func (s *Step) Outputs(ctx context.Context, a ripcord.Attempt) (map[string]ripcord.Output, error) {
	m := Moment{Step: s.id, Op: Outputs, Number: a.Number, Fence: a.Fence}
	mode, err := s.world.enter(ctx, m)
	if err != nil {
		return nil, err
	}
	if mode != 0 {
		return nil, s.fail(ctx, Outputs, mode)
	}
	if len(s.settings.Outputs) == 0 {
		return nil, nil
	}
	outputs := make(map[string]ripcord.Output, len(s.settings.Outputs))
	for name, text := range s.settings.Outputs {
		outputs[name] = ripcord.Output{Value: text, Sensitive: slices.Contains(s.settings.SensitiveOutputs, name)}
	}
	return outputs, nil
}

// Explain says what the step would set.
func (s *Step) Explain(context.Context) (string, error) {
	return "sets " + s.settings.Target + " to " + s.settings.Value, nil
}

// Evidence tells how often the step was called.
func (s *Step) Evidence(context.Context) ([]ripcord.Evidence, error) {
	var text strings.Builder
	text.WriteString(s.settings.Target + ":")
	for op := range ops {
		if n := s.world.Calls(s.id, op); n > 0 {
			text.WriteString(" " + op.String())
		}
	}
	return []ripcord.Evidence{{Name: "fake-" + string(s.id) + ".txt", Data: []byte(text.String() + "\n")}}, nil
}

// Stamp reads the target's stamp.
func (s *Step) Stamp(context.Context) (*ripcord.Stamp, error) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	stamp, ok := s.world.stamps[s.settings.Target]
	if !ok {
		return nil, nil //nolint:nilnil // the contract: nil when there is none
	}
	return &stamp, nil
}

// SetStamp writes the target's stamp.
func (s *Step) SetStamp(_ context.Context, stamp ripcord.Stamp) error {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.stamps[s.settings.Target] = stamp
	return nil
}
