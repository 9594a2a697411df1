package dataplane

import (
	"time"
)

// tally is what counters hold at one moment. Tallies can be added.
type tally struct {
	Requests   uint64    `json:"requests"`
	Classes    [6]uint64 `json:"classes"`
	Own        uint64    `json:"own"`
	Upstream   uint64    `json:"upstream"`
	Failed     uint64    `json:"failed"`
	Left       uint64    `json:"left"`
	Cancelled  uint64    `json:"cancelled"`
	Replays    uint64    `json:"replays"`
	Upgraded   uint64    `json:"upgraded"`
	BytesIn    uint64    `json:"bytes_in"`
	BytesOut   uint64    `json:"bytes_out"`
	InFlight   int64     `json:"in_flight"`
	WebSockets int64     `json:"websockets"`
	Buckets    []uint64  `json:"buckets"`
	Sum        uint64    `json:"sum"`
}

// tally reads the counters.
func (c *counters) tally() tally {
	t := tally{
		Requests: c.requests.Load(), Own: c.own.Load(), Upstream: c.upstream.Load(), Failed: c.failed.Load(),
		Left: c.left.Load(), Cancelled: c.cancelled.Load(), Replays: c.replays.Load(), Upgraded: c.upgraded.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(), InFlight: c.inFlight.Load(), WebSockets: c.websockets.Load(),
		Sum: c.latency.sum.Load(), Buckets: make([]uint64, bucketCount),
	}
	for i := range c.classes {
		t.Classes[i] = c.classes[i].Load()
	}
	for i := range t.Buckets {
		t.Buckets[i] = c.latency.buckets[i].Load()
	}
	return t
}

// plus adds what another process counted.
func (t tally) plus(o *tally) tally {
	if o == nil {
		return t
	}
	for to, more := range map[*uint64]uint64{
		&t.Requests: o.Requests, &t.Own: o.Own, &t.Upstream: o.Upstream, &t.Failed: o.Failed, &t.Left: o.Left,
		&t.Cancelled: o.Cancelled, &t.Replays: o.Replays, &t.Upgraded: o.Upgraded, &t.BytesIn: o.BytesIn,
		&t.BytesOut: o.BytesOut, &t.Sum: o.Sum,
	} {
		*to += more
	}
	t.InFlight += o.InFlight
	t.WebSockets += o.WebSockets
	for i := range t.Classes {
		t.Classes[i] += o.Classes[i]
	}
	for i := range min(len(t.Buckets), len(o.Buckets)) {
		t.Buckets[i] += o.Buckets[i]
	}
	return t
}

// sideTally is what a process says of one side when it hands over, and then as
// long as it still works on something of it.
type sideTally struct {
	Since   time.Time `json:"since"`
	Count   tally     `json:"count"`
	Testers tally     `json:"testers"`
	// Readiness is that of the targets, by address.
	Readiness map[string]readiness `json:"readiness,omitempty"`
}

// predecessor is what a process that has handed over says of itself.
type predecessor struct {
	PID int `json:"pid"`
	// Accepting says that it still takes requests on connections that it has.
	Accepting bool                 `json:"accepting"`
	Started   time.Time            `json:"started"`
	Stray     tally                `json:"stray"`
	Sides     map[string]sideTally `json:"sides"`
}

// report is what this process would say of itself as a predecessor.
func (p *Proxy) report(accepting bool, pid int) predecessor {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := predecessor{PID: pid, Accepting: accepting, Started: p.started, Stray: p.strayTally(), Sides: make(map[string]sideTally, len(p.live))}
	for name, s := range p.live {
		side := sideTally{Since: s.since, Count: s.tally(), Testers: s.testersTally(), Readiness: make(map[string]readiness, len(s.targets))}
		for _, t := range s.targets {
			side.Readiness[t.addr] = t.readiness()
		}
		r.Sides[name] = side
	}
	return r
}

func (p *Proxy) strayTally() tally {
	if r := p.inherited.Load(); r != nil {
		return p.stray.tally().plus(&r.Stray)
	}
	return p.stray.tally()
}

// tally is what this process and those before it counted for the side. What is
// in use on the side that it replaced is among what is in use here.
func (s *liveSide) tally() tally {
	t := s.count.tally()
	if before := s.before.Load(); before != nil {
		t = t.plus(&before.Count)
	}
	t.InFlight += s.earlier.inFlight()
	t.WebSockets += s.earlier.websockets()
	return t
}

func (s *liveSide) testersTally() tally {
	if before := s.before.Load(); before != nil {
		return s.testers.tally().plus(&before.Testers)
	}
	return s.testers.tally()
}

// inherit takes over what the predecessor says. Of a side that has begun anew
// since, it says nothing any more.
func (p *Proxy) inherit(r *predecessor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inherited.Store(r)
	for name, tally := range r.Sides {
		for s := p.live[name]; s != nil; s = s.earlier {
			if s.since.Equal(tally.Since) {
				s.before.Store(&tally)
			}
		}
	}
}

// adopt begins where the predecessor is: its counters, their age, and what its
// probes know of the targets.
func (p *Proxy) adopt(r *predecessor) {
	p.mu.Lock()
	p.started = r.Started
	for name, side := range r.Sides {
		s := p.live[name]
		if s == nil {
			continue
		}
		s.since = side.Since
		for _, t := range s.targets {
			if known, ok := side.Readiness[t.addr]; ok {
				t.state.Store(int32(known))
			}
		}
	}
	p.mu.Unlock()
	p.inherit(r)
}

// bereave takes in that the predecessor has ended: nothing is in flight there.
func (p *Proxy) bereave() {
	r := p.inherited.Load()
	if r == nil {
		return
	}
	last := *r
	last.PID, last.Accepting, last.Sides = 0, false, make(map[string]sideTally, len(r.Sides))
	last.Stray.InFlight = 0
	for name, side := range r.Sides {
		side.Count.InFlight, side.Count.WebSockets = 0, 0
		side.Testers.InFlight, side.Testers.WebSockets = 0, 0
		last.Sides[name] = side
	}
	p.inherit(&last)
}
