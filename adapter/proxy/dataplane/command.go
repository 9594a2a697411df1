package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// conflictError refuses a command that does not fit the proxy's state.
type conflictError struct{ text string }

func (e *conflictError) Error() string { return e.text }

func conflict(format string, args ...any) error {
	return &conflictError{text: fmt.Sprintf(format, args...)}
}

// notReadyError names a side of which nothing can answer at this moment: no target
// has passed its probes, or all are silent.
type notReadyError struct{ side string }

func (e *notReadyError) Error() string { return "no target of side " + e.side + " is ready" }

// notFoundError names a side that does not exist.
type notFoundError struct{ side string }

func (e *notFoundError) Error() string { return fmt.Sprintf("there is no side %q", e.side) }

// commit makes next the state: durable first, then in effect.
func (p *Proxy) commit(next *State) error {
	if p.handing {
		return conflict("the proxy is being handed over to its successor; ask again")
	}
	if err := next.Validate(); err != nil {
		return conflict("%v", err)
	}
	next.Revision++
	next.Version = next.version()
	if err := writeState(p.dir, next); err != nil {
		return fmt.Errorf("keep the proxy's state: %w", err)
	}
	p.state = next
	return nil
}

// PutSide adds a side or replaces one that does not have the route; its targets
// begin as unknown. What is in use on one that is replaced goes on, and is drained
// with its successor. The routed side may be put again only as it is.
func (p *Proxy) PutSide(side Side) error {
	side = side.WithDefaults()
	if err := side.Validate(); err != nil {
		return conflict("%v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.routed(side.Name) {
		if p.state.Side(side.Name).equal(side) {
			return nil
		}
		return conflict("side %s has the route and cannot be changed; put another side and route to it", side.Name)
	}
	next := p.state.clone()
	next.Sides = slices.DeleteFunc(next.Sides, func(s Side) bool { return s.Name == side.Name })
	next.Sides = append(next.Sides, side)
	slices.SortFunc(next.Sides, func(a, b Side) int { return strings.Compare(a.Name, b.Name) })
	if err := p.commit(next); err != nil {
		return err
	}
	p.start(side, unknown)
	p.log.Info("side put", slog.String("side", side.Name), slog.Int("targets", len(side.Targets)))
	return nil
}

// DeleteSide removes a side; one that is gone is no error. What is still open
// on it is closed, or ends with its targets.
func (p *Proxy) DeleteSide(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.Side(name) == nil {
		return nil
	}
	if p.state.routed(name) {
		return conflict("side %s has the route, or a part of it, and cannot be removed", name)
	}
	next := p.state.clone()
	next.Sides = slices.DeleteFunc(next.Sides, func(s Side) bool { return s.Name == name })
	next.Out = slices.DeleteFunc(slices.Clone(next.Out), func(target string) bool { return !next.has(target) })
	if err := p.commit(next); err != nil {
		return err
	}
	p.drop(name)
	p.log.Info("side removed", slog.String("side", name))
	return nil
}

// drop ends a side's life; mu is held.
func (p *Proxy) drop(name string) {
	if s := p.live[name]; s != nil {
		delete(p.live, name)
		s.close()
		p.closeTunnels(s)
	}
}

// RouteChange asks for another route.
type RouteChange struct {
	// Side is where new requests go; empty is nowhere.
	Side string `json:"side"`
	// Split gives a part of them to a second side; without it there is none.
	Split *Split `json:"split,omitempty"`
	// Front changes what clients meet at the same moment; nil leaves it.
	Front *Front `json:"front,omitempty"`
	// Revision, when not zero, must be the state's: nobody has changed anything
	// since the caller looked.
	Revision uint64 `json:"revision,omitempty"`
	// Force also routes to sides of which no target is ready, and takes a
	// certificate that cannot be used: what goes back must not fail for it.
	Force bool `json:"force,omitempty"`
}

// SetRoute changes the route for all requests that come from now on, at one
// moment: no request sees a part of the change.
func (p *Proxy) SetRoute(c RouteChange) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Revision != 0 && c.Revision != p.state.Revision {
		return conflict("the proxy is at revision %d, not %d: somebody else changed it; look again", p.state.Revision, c.Revision)
	}
	next := p.state.clone()
	next.Route, next.Split = c.Side, c.Split
	if c.Front != nil {
		next.Front = *c.Front
	}
	if next.Route == p.state.Route && same(next.Split, p.state.Split) && next.Front.Equal(p.state.Front) {
		return nil
	}
	for _, name := range next.gains(p.state) {
		side := p.live[name]
		if side == nil {
			return &notFoundError{side: name}
		}
		if !c.Force && side.ready() == 0 {
			return &notReadyError{side: name}
		}
	}
	if err := p.prepareTLS(next.Front.TLS, c.Force); err != nil {
		return conflict("%v", err)
	}
	if err := p.commit(next); err != nil {
		return err
	}
	p.table.Store(p.newTable(next))
	p.log.Info("route changed", slog.String("side", c.Side), slog.Any("split", c.Split))
	return nil
}

// gains returns the sides that get more requests than before.
func (s *State) gains(before *State) []string {
	var names []string
	if s.Route != "" && s.Route != before.Route {
		names = append(names, s.Route)
	}
	if s.Split != nil && (!before.routed(s.Split.Side) || before.Split != nil && before.Split.Side == s.Split.Side && before.Split.Weight < s.Split.Weight) {
		names = append(names, s.Split.Side)
	}
	return names
}

// SetStamp keeps who changed the proxy last.
func (p *Proxy) SetStamp(stamp *ripcord.Stamp) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.state.clone()
	next.Stamp = stamp
	next.Revision-- // a stamp is not a change of route or sides
	return p.commit(next)
}

// Stamp returns what SetStamp kept, or nil.
func (p *Proxy) Stamp() *ripcord.Stamp {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Stamp
}

// closeTunnels closes a side's upgraded connections, also those of a process
// before this one, and returns their number.
func (p *Proxy) closeTunnels(s *liveSide) int {
	n, elsewhere := s.closeTunnels(), 0
	for e := s; e != nil; e = e.earlier {
		if before := e.before.Load(); before != nil {
			elsewhere += int(before.Count.WebSockets + before.Testers.WebSockets)
		}
	}
	if elsewhere > 0 {
		p.link.closeTunnels(s.spec.Name)
	}
	return n + elsewhere
}

// DrainRequest asks to wait until a side, or targets that are out of rotation, are
// unused.
type DrainRequest struct {
	Side    string   `json:"side,omitempty"`
	Targets []string `json:"targets,omitempty"`
	// Timeout is the longest wait in seconds.
	Timeout ripcord.Duration `json:"timeout"`
	// Cut closes upgraded connections as soon as no request is in flight;
	// otherwise they have until Timeout.
	Cut bool `json:"cut,omitempty"`
}

// Drained is how a drain ended.
type Drained struct {
	// InFlight is the number of requests that had not ended by the time-out.
	InFlight int64 `json:"in_flight"`
	// Closed is the number of upgraded connections that were closed.
	Closed int `json:"closed"`
}

// errStopping: the proxy ends while somebody waits.
var errStopping = errors.New("the proxy is stopping")

// Drain waits until no request is in flight on a side that does not have the
// route, and then closes its upgraded connections.
func (p *Proxy) Drain(ctx context.Context, d DrainRequest) (Drained, error) {
	if len(d.Targets) > 0 {
		return p.drainTargets(ctx, d)
	}
	p.mu.Lock()
	side, routed := p.live[d.Side], p.state.routed(d.Side)
	p.mu.Unlock()
	if side == nil {
		return Drained{}, &notFoundError{side: d.Side}
	}
	if routed {
		return Drained{}, conflict("side %s has the route, or a part of it; it cannot be drained", d.Side)
	}
	return p.drained(ctx, d, side.inFlight, side.websockets, func() int { return p.closeTunnels(side) })
}

// drained waits until nothing is in use, and then closes what is left.
func (p *Proxy) drained(ctx context.Context, d DrainRequest, inFlight, websockets func() int64, closeTunnels func() int) (Drained, error) {
	const pause = 5 * time.Millisecond
	limit := time.NewTimer(d.Timeout.Std())
	defer limit.Stop()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if inFlight() == 0 && (d.Cut || websockets() == 0) {
			return Drained{Closed: closeTunnels()}, nil
		}
		select {
		case <-ctx.Done():
			return Drained{}, ctx.Err()
		case <-p.life.Done():
			return Drained{}, errStopping
		case <-limit.C:
			return Drained{InFlight: inFlight(), Closed: closeTunnels()}, nil
		case <-tick.C:
		}
	}
}
