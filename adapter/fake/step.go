package fake

import (
	"context"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Step sets one target of a World.
type Step struct {
	id       ripcord.StepID
	settings Settings
	world    *World
	secrets  ripcord.Secrets
}

// Traits are as the settings say.
func (s *Step) Traits() ripcord.Traits {
	return ripcord.Traits{
		Checkable: s.settings.Checkable, Idempotent: s.settings.Idempotent, UndoIdempotent: s.settings.UndoIdempotent,
		Traffic: s.settings.Traffic, Watches: s.settings.Watches,
		Prepares: s.settings.Prepares, Finishes: s.settings.Finishes,
		Reversal: ripcord.Reversal{
			Way: s.settings.Way, Loss: s.settings.Loss,
			How: "set " + s.settings.Target + " to what it was",
		},
	}
}

// Check reads the target.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	m := Moment{Step: s.id, Op: Check}
	mode, err := s.world.enter(ctx, m)
	if err != nil {
		return ripcord.Observation{}, err
	}
	seen, err := s.observe(ctx, mode)
	if err != nil {
		return ripcord.Observation{}, err
	}
	return seen, s.world.at(ctx, m, End)
}

func (s *Step) observe(ctx context.Context, mode Mode) (ripcord.Observation, error) {
	unknown := ripcord.Observation{Presence: ripcord.Unknown, Detail: s.settings.Target + " cannot be seen"}
	switch {
	case mode.blocks():
		<-ctx.Done()
		return unknown, ctx.Err()
	case ctx.Err() != nil:
		return unknown, ctx.Err()
	case mode == SayUnknown || !s.settings.Checkable:
		return unknown, nil
	case mode != 0 && mode != Lie:
		return unknown, mode.err(s.id, Check)
	}
	want, err := s.want(ctx)
	if err != nil {
		return unknown, err
	}
	s.world.mu.Lock()
	now := s.world.values[s.settings.Target]
	s.world.mu.Unlock()
	seen := ripcord.Observation{Presence: s.presence(now, want), Exact: s.settings.Exact}
	if seen.Exact {
		seen.Image = []byte(now.image())
	}
	if mode == Lie {
		seen = lie(seen)
	}
	seen.Detail = s.settings.Target + " is " + string(seen.Presence)
	return seen, nil
}

func lie(seen ripcord.Observation) ripcord.Observation {
	if seen.Presence == ripcord.Present {
		seen.Presence = ripcord.Absent
	} else {
		seen.Presence = ripcord.Present
	}
	if seen.Exact {
		seen.Image = append([]byte("lie"), seen.Image...)
	}
	return seen
}

func (s *Step) presence(now value, want string) ripcord.Presence {
	switch {
	case s.settings.Way == ripcord.WayNothing:
		return ripcord.Absent
	case now.half == want && want != "":
		return ripcord.Partial
	case now.set && now.half == "" && now.text == want:
		return ripcord.Present
	case now.set && strings.HasPrefix(now.text, want+"+"):
		return ripcord.Partial
	default:
		return ripcord.Absent
	}
}

// want returns the value to set, with its secrets.
func (s *Step) want(ctx context.Context) (string, error) {
	if s.secrets == nil || !strings.Contains(s.settings.Value, "${secret:") {
		return s.settings.Value, nil
	}
	text, _, err := s.secrets.Expand(ctx, s.settings.Value)
	return text, err
}

// Apply sets the target, in two halves. Beside others, it waits until they have
// passed first.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	want, err := s.want(ctx)
	if err != nil {
		return err
	}
	if a.Enough != nil {
		select {
		case <-a.Enough:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.change(ctx, Apply, a, func(now value) (value, error) {
		return s.applied(now, want, a.Key), nil
	})
}

// applied returns the target's value after Apply; the world is locked.
func (s *Step) applied(now value, want, key string) value {
	if s.settings.Way == ripcord.WayNothing {
		return now
	}
	if _, kept := s.world.stash[key]; !kept && (!s.settings.Checkable || !s.settings.Exact) {
		s.world.stash[key] = now
	}
	if s.settings.Finishes {
		s.world.olds[key] = true
	}
	again := now.half == want || now.set && now.text == want
	if again && !s.settings.Idempotent {
		return value{text: want + "+" + want, set: true}
	}
	return value{text: want, set: true}
}

// Undo gives the target the value of the before-image.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	if s.settings.Way == ripcord.WayNone {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: s.settings.Target + " has no way back", Final: true}
	}
	return s.change(ctx, Undo, a, func(now value) (value, error) { return s.undone(now, a) })
}

// undone returns the target's value after Undo; the world is locked.
func (s *Step) undone(now value, a ripcord.Attempt) (value, error) {
	if s.settings.Way == ripcord.WayNothing {
		return now, nil
	}
	before := now // without any trace of an Apply there is nothing to take back
	if s.settings.Checkable && s.settings.Exact {
		var ok bool
		if before, ok = parse(string(a.Before.Image)); !ok {
			return now, &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "the before-image of " + s.settings.Target + " is not readable", Final: true}
		}
	} else if kept, ok := s.world.stash[a.Key]; ok {
		before = kept
	}
	if now != before && s.settings.Prepares {
		if _, ok := s.world.copies[a.Key]; !ok {
			return now, &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "the safety copy of " + s.settings.Target + " is gone", Final: true}
		}
	}
	if now == before && !s.settings.UndoIdempotent {
		before.text, before.set = before.text+"-undo", true
	}
	return before, nil
}

// change is one effect: Begin, the first half, Middle, the second half, End.
func (s *Step) change(ctx context.Context, op Op, a ripcord.Attempt, next func(now value) (value, error)) error {
	m := Moment{Step: s.id, Op: op, Number: a.Number, Fence: a.Fence}
	mode, err := s.world.enter(ctx, m)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if mode != 0 && !mode.half() && !mode.whole() {
		return s.fail(ctx, op, mode)
	}
	to, err := s.firstHalf(op, a, next)
	if err != nil {
		return err
	}
	if err := s.middle(ctx, m, a, mode); err != nil {
		return err
	}
	s.secondHalf(op, a, to)
	if mode != 0 {
		err = s.fail(ctx, op, mode)
		s.result(op, a, err)
		return err
	}
	return s.world.at(ctx, m, End)
}

// middle lies between the halves: a death here leaves a resumable effect
// running, anything else stops it.
func (s *Step) middle(ctx context.Context, m Moment, a ripcord.Attempt, mode Mode) error {
	if err := s.world.at(ctx, m, Middle); err != nil {
		return err
	}
	err := ctx.Err()
	if err == nil && mode.half() {
		err = s.fail(ctx, m.Op, mode)
	}
	if err == nil && m.Op == Apply && s.settings.Records {
		err = a.Record(ctx, map[string]string{"half": s.settings.Target})
	}
	if err != nil {
		s.result(m.Op, a, err)
	}
	return err
}

// fail is how a call that goes wrong ends.
func (s *Step) fail(ctx context.Context, op Op, mode Mode) error {
	if mode.blocks() {
		<-ctx.Done()
		return ctx.Err()
	}
	return mode.err(s.id, op)
}

func (s *Step) firstHalf(op Op, a ripcord.Attempt, next func(now value) (value, error)) (value, error) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.values[s.settings.Target]
	to, err := next(now)
	if err != nil {
		return to, err
	}
	if s.settings.Resumable {
		w.started[effectKey(op, a)] = &effect{target: s.settings.Target, op: op, attempt: a, next: to}
	}
	if now == to {
		return to, nil
	}
	half := value{text: now.text, set: now.set, half: to.text}
	if op == Undo { // half undone still looks like half applied
		half = value{text: to.text, set: to.set, half: now.text}
		if now.half != "" {
			half.half = now.half
		}
	}
	if half.half == "" {
		half.half = "half"
	}
	w.write(s.settings.Target, half)
	return to, nil
}

func (s *Step) secondHalf(op Op, a ripcord.Attempt, to value) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complete(s.settings.Target, op, a, to)
	if e := w.started[effectKey(op, a)]; e != nil {
		e.done = true
	}
}

// complete ends an effect; w.mu is held.
func (w *World) complete(target string, op Op, a ripcord.Attempt, to value) {
	w.write(target, to)
	if op == Undo {
		delete(w.stash, a.Key)
		delete(w.olds, a.Key)
	}
}

// result keeps how a resumable effect ended, for a Resume that comes later.
func (s *Step) result(op Op, a ripcord.Attempt, err error) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if e := s.world.started[effectKey(op, a)]; e != nil {
		e.done, e.err = true, err
	}
}

func effectKey(op Op, a ripcord.Attempt) string {
	return a.Key + "/" + op.String() + "/" + strconv.Itoa(a.Number)
}
