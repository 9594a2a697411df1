package local

import (
	"context"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// ahead is what follows an entry by decision alone: nothing happens until it is
// durable, so one flush to the disk is enough for all of it.
type ahead struct {
	// entries begin with the one that it follows from.
	entries []ripcord.Entry
	// next is the step whose Apply follows; nil where there is none. Nothing looks
	// at its target before: it has no Check.
	next  *task
	spec  ripcord.StepSpec
	scope ripcord.Scope
	// others says that there is more to do for the loop than to wait.
	others bool
	// appends is the state that all this was decided in.
	appends int
}

// proceed journals what an operation led to and, in the same append, the entries
// that the decider lets follow at once. A result never waits for anything that
// takes time: where the next step makes a Check, the result is durable before.
func (x *Executor) proceed(ctx context.Context, op *operation, e ripcord.Entry) error {
	if ctx.Err() != nil || !x.quiet(ctx) {
		return x.append(ctx, e)
	}
	a := x.lookAhead(e)
	step, attempt, ok := a.open(ctx)
	x.mu.Lock()
	defer x.mu.Unlock()
	if a.appends != x.appends || ctx.Err() != nil {
		return x.appendLocked(ctx, e) // what was decided may be wrong by now
	}
	if !ok {
		return x.appendLocked(ctx, a.entries...)
	}
	if err := x.appendLocked(ctx, append(a.entries, unchecked(a.next.id), a.next.intent())...); err != nil {
		return err
	}
	x.follow(op, a.next, step, attempt) //nolint:contextcheck // the next operation has a context of its own
	if a.others {
		x.wake()
	}
	return nil
}

// follow puts the next step's operation into the place of the one that ends. The
// lock is held.
func (x *Executor) follow(op *operation, t *task, step ripcord.Step, a ripcord.Attempt) {
	delete(x.active, op.command.Step)
	ctx, next := x.register(t.command, false)
	t.operation, a.Enough = next, next.enoughFor(t.spec)
	next.work = func() error { return t.effect(ctx, step, a) }
	op.next = next
}

// quiet reports whether nobody asks for anything: a request that was made before
// a step ends is heard before the next one begins.
func (x *Executor) quiet(ctx context.Context) bool {
	requests, err := x.requests(ctx)
	if err == nil && len(requests) == 0 {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.polled = time.Time{} // the loop looks again, and deals with it
	return false
}

// lookAhead asks the decider what follows e.
func (x *Executor) lookAhead(e ripcord.Entry) ahead {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.Runtime.Now()
	e.At = now.UTC()
	a := ahead{entries: append(make([]ripcord.Entry, 0, 4), e), appends: x.appends}
	s := x.state.After(e)
	d := x.Decide(s, now)
	for more := records(d.Commands); len(more) > 0; more = records(d.Commands) {
		if x.endsBeside(e.Step, more) {
			return a
		}
		a.entries = append(a.entries, more...)
		s = s.After(more...)
		d = x.Decide(s, now)
	}
	for _, c := range d.Commands {
		if a.next == nil && x.begins(s, c) && a.begin(x, s, c.Step) {
			continue
		}
		a.others = a.others || c.Op == engine.OpEnough || x.active[c.Step] == nil
	}
	return a
}

// endsBeside reports whether entries end or commit the run while an operation
// other than that of the step is in progress.
func (x *Executor) endsBeside(step ripcord.StepID, entries []ripcord.Entry) bool {
	ends := slices.ContainsFunc(entries, func(e ripcord.Entry) bool { return e.Kind.Ends() || e.Kind == ripcord.RunCommitted })
	for id := range x.active {
		if ends && id != step {
			return true
		}
	}
	return false
}

// begins reports whether c is the beginning of a step that has no Check, and
// whose Apply would follow at once.
func (x *Executor) begins(s *engine.State, c engine.Command) bool {
	if c.Op != engine.OpCheck || x.active[c.Step] != nil {
		return false
	}
	t := s.Steps[c.Step]
	if t.Spec.Traits.Checkable {
		return false
	}
	return x.wants(s.After(unchecked(c.Step)), engine.Command{Op: engine.OpApply, Step: c.Step, Attempt: t.Attempts + 1})
}

// unchecked is the before-image of a step without a Check.
func unchecked(id ripcord.StepID) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepChecked, Step: id, Seen: &ripcord.Sighting{Presence: ripcord.Unknown}}
}

// begin makes the task of the next step, with the outputs of those before it. An
// error in them is left to the operation that finds it again.
func (a *ahead) begin(x *Executor, s *engine.State, id ripcord.StepID) bool {
	t := x.taskIn(s, engine.Command{Op: engine.OpApply, Step: id, Attempt: s.Steps[id].Attempts + 1})
	t.was.Before = unchecked(id).Seen
	scope := x.Scope
	scope.Now = x.Runtime.Now
	var err error
	if a.spec, a.scope, err = inRun(scope, s, t.spec, x.bundle); err != nil {
		return false
	}
	a.next = t
	return true
}

// open opens the next step; ok is false where it cannot begin like this, also
// where its target's stamp is to be read first.
func (a *ahead) open(ctx context.Context) (step ripcord.Step, attempt ripcord.Attempt, ok bool) {
	if a.next == nil {
		return nil, attempt, false
	}
	step, err := openWith(ctx, a.next.Adapters, a.spec, a.scope)
	if err != nil {
		return nil, attempt, false
	}
	if _, stamped := step.(ripcord.Stamper); stamped && a.next.StateID != "" {
		return nil, attempt, false
	}
	attempt, err = a.next.attempt(ctx, a.next.command.Attempt, false)
	return step, attempt, err == nil
}
