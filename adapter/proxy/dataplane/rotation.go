package dataplane

import (
	"context"
	"errors"
	"log/slog"
	"slices"
)

// Rotation asks to take targets out of rotation, or to put them back: they stay
// targets of their sides, and are probed, but get nothing.
type Rotation struct {
	Targets []string `json:"targets"`
	Out     bool     `json:"out"`
}

// errOut: the target left the rotation a moment ago; nothing was sent there.
var errOut = errors.Join(errUnsent, errors.New("the target is out of rotation"))

// has reports whether a target belongs to any side.
func (s *State) has(target string) bool {
	return slices.ContainsFunc(s.Sides, func(side Side) bool { return slices.Contains(side.Targets, target) })
}

// Rotate takes targets out of rotation, or puts them back. It is idempotent; a
// target that no side has is refused when it is to leave.
func (p *Proxy) Rotate(r Rotation) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.state.clone()
	next.Out = slices.DeleteFunc(slices.Clone(next.Out), func(target string) bool { return slices.Contains(r.Targets, target) })
	if r.Out {
		for _, target := range r.Targets {
			if !p.state.has(target) {
				return conflict("no side has the target %s", target)
			}
		}
		next.Out = append(next.Out, r.Targets...)
		slices.Sort(next.Out)
		next.Out = slices.Compact(next.Out)
	}
	if slices.Equal(next.Out, p.state.Out) {
		return nil
	}
	if err := p.commit(next); err != nil {
		return err
	}
	for _, side := range p.live {
		side.rotate(next.Out)
	}
	p.log.Info("rotation changed", slog.Any("targets", r.Targets), slog.Bool("out", r.Out))
	return nil
}

// rotate takes the side's targets out of rotation that are among these, and puts
// the others back. Kept connections are dropped: whoever works on a target ends
// them anyway.
func (s *liveSide) rotate(out []string) {
	for _, t := range s.targets {
		if leaves := slices.Contains(out, t.addr); t.out.Swap(leaves) != leaves {
			t.pool.flush()
		}
	}
}

// drainTargets waits until no request is in flight to targets that are out of
// rotation, and then closes their upgraded connections.
func (p *Proxy) drainTargets(ctx context.Context, d DrainRequest) (Drained, error) {
	p.mu.Lock()
	var sides []*liveSide
	for _, target := range d.Targets {
		if !slices.Contains(p.state.Out, target) {
			p.mu.Unlock()
			return Drained{}, conflict("the target %s is in rotation; it cannot be drained", target)
		}
	}
	for _, side := range p.live {
		if slices.ContainsFunc(d.Targets, func(target string) bool { return slices.Contains(side.spec.Targets, target) }) {
			sides = append(sides, side)
		}
	}
	p.mu.Unlock()
	total := func(of func(s *liveSide) int64) func() int64 {
		return func() (n int64) {
			for _, side := range sides {
				n += of(side)
			}
			return n
		}
	}
	return p.drained(ctx, d,
		total(func(s *liveSide) int64 { return s.inFlightTo(d.Targets) + s.elsewhere() }),
		total(func(s *liveSide) int64 { return s.tunnelsTo(d.Targets, false) }),
		func() (closed int) {
			for _, side := range sides {
				closed += int(side.tunnelsTo(d.Targets, true))
			}
			return closed
		})
}

// inFlightTo is how many requests to the targets have no complete answer.
func (s *liveSide) inFlightTo(targets []string) (n int64) {
	for ; s != nil; s = s.earlier {
		for _, t := range s.targets {
			if slices.Contains(targets, t.addr) {
				n += t.inFlight.Load()
			}
		}
	}
	return n
}

// elsewhere is how many requests a process before this one still works on: nobody
// here knows to which target they went.
func (s *liveSide) elsewhere() (n int64) {
	for ; s != nil; s = s.earlier {
		if before := s.before.Load(); before != nil {
			n += before.Count.InFlight + before.Testers.InFlight
		}
	}
	return n
}

// tunnelsTo counts the upgraded connections to the targets, and closes them.
func (s *liveSide) tunnelsTo(targets []string, closing bool) (n int64) {
	for ; s != nil; s = s.earlier {
		s.mu.Lock()
		for t := range s.tunnels {
			if t.target == nil || !slices.Contains(targets, t.target.addr) {
				continue
			}
			n++
			if closing {
				t.close()
			}
		}
		s.mu.Unlock()
	}
	return n
}
