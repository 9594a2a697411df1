package sim

import (
	"context"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/fake"
)

// moment is called by the in-memory system before, in the middle of and after
// each operation: here executors die, wait, are overtaken and learn late.
func (s *simulation) moment(ctx context.Context, m fake.Moment) error {
	p := s.current.owner
	if m.Phase == fake.End {
		s.judge.looked(p, m)
	} else {
		s.judge.moment(ctx, p, m)
	}
	where := m.Op.String() + " " + string(m.Step)
	p.mayDie([]string{"before ", "in ", "after "}[m.Phase] + where)
	s.current.pause(s.until(ctx, m))
	p.mayDie([]string{"at the start of ", "half-way through ", "at the end of "}[m.Phase] + where)
	if m.Phase != fake.End && effect(m.Op) && p.stale() {
		s.coverage.count("stale effect refused")
		if p.learned && ctx.Err() == nil {
			s.judge.violate("fence", "executor %d goes on with %s after it learned that it is fenced off", p.lease.Fence, where)
		}
		return errStale
	}
	return nil
}

// effect reports whether an operation changes the world.
func effect(op fake.Op) bool {
	switch op {
	case fake.Apply, fake.Undo, fake.Prepare, fake.Discard, fake.Finish, fake.Resume:
		return true
	default:
		return false
	}
}

// until says how long the operation waits at this point.
func (s *simulation) until(ctx context.Context, m fake.Moment) func() bool {
	lasts, blocked := time.Duration(0), false
	at := point{m.Step, m.Op, m.Phase}
	if b := s.scenario.blocks[at]; b != nil && !s.calm() {
		delete(s.scenario.blocks, at)
		lasts, blocked = b.lasts, b.lasts == 0
		s.coverage.count("blocked")
	} else if s.scenario.slow && s.dice.in(1, 3) {
		lasts = s.dice.between(0, 3*time.Second)
	}
	end := s.clock.Add(lasts)
	return func() bool {
		return ctx.Err() != nil || !blocked && !s.clock.Before(end)
	}
}
