package dataplane

import (
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Status is a proxy's state together with what it sees now.
type Status struct {
	State     State     `json:"state"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	// Build tells the binary from others, HandOver how it hands over to them.
	Build    string `json:"build,omitempty"`
	HandOver int    `json:"hand_over,omitempty"`
	// Predecessor is the process that handed over to this one, while it lives.
	Predecessor *Predecessor `json:"predecessor,omitempty"`
	// Certificate is that of a listener for HTTPS; nil for others.
	Certificate *CertificateStatus `json:"certificate,omitempty"`
	// Sides are sorted by name.
	Sides []SideStatus `json:"sides"`
}

// Predecessor is a process that has handed over, and still ends what it has
// begun.
type Predecessor struct {
	PID int `json:"pid"`
	// Accepting says that it still takes requests, by the route of before, on
	// connections that it has.
	Accepting  bool  `json:"accepting"`
	InFlight   int64 `json:"in_flight"`
	WebSockets int64 `json:"websockets"`
}

func (p *Proxy) predecessor() *Predecessor {
	r := p.inherited.Load()
	if r == nil || r.PID == 0 {
		return nil
	}
	status := &Predecessor{PID: r.PID, Accepting: r.Accepting}
	for _, s := range r.Sides {
		status.InFlight += s.Count.InFlight + s.Testers.InFlight
		status.WebSockets += s.Count.WebSockets + s.Testers.WebSockets
	}
	return status
}

// Side returns the status of the side named name, or nil.
func (s *Status) Side(name string) *SideStatus {
	for i := range s.Sides {
		if s.Sides[i].Name == name {
			return &s.Sides[i]
		}
	}
	return nil
}

// SideStatus is what the proxy sees of a side.
type SideStatus struct {
	Name   string `json:"name"`
	Routed bool   `json:"routed"`
	// Share is how much of the requests the side gets, in percent.
	Share      float64        `json:"share"`
	InFlight   int64          `json:"in_flight"`
	WebSockets int64          `json:"websockets"`
	Targets    []TargetStatus `json:"targets"`
}

// Ready returns how many targets the proxy's own probes found ready.
func (s *SideStatus) Ready() int {
	n := 0
	for _, t := range s.Targets {
		if t.Readiness == ready.String() {
			n++
		}
	}
	return n
}

// TargetStatus is what the proxy sees of a target.
type TargetStatus struct {
	Address string `json:"address"`
	// Readiness is unknown, assumed (since a restart), ready or failed.
	Readiness string `json:"readiness"`
	// Out of rotation: it gets nothing, however ready it is.
	Out      bool        `json:"out,omitempty"`
	InFlight int64       `json:"in_flight"`
	Probe    ProbeResult `json:"probe"`
}

// Status returns the state and what the proxy sees.
func (p *Proxy) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := Status{
		State: *p.state.clone(), PID: os.Getpid(), StartedAt: p.started.UTC(), Certificate: p.certificateStatus(),
		Build: p.build, Predecessor: p.predecessor(),
	}
	if p.handed != nil {
		status.HandOver = HandOver
	}
	for _, name := range slices.Sorted(maps.Keys(p.live)) {
		s := p.live[name]
		side := SideStatus{
			Name: name, Routed: p.state.routed(name), Share: p.state.share(name),
			InFlight: s.inFlight(), WebSockets: s.websockets(),
		}
		for _, t := range s.targets {
			side.Targets = append(side.Targets, t.status())
		}
		status.Sides = append(status.Sides, side)
	}
	return status
}

func (t *target) status() TargetStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TargetStatus{
		Address: t.addr, Readiness: t.readiness().String(), Out: t.out.Load(), InFlight: t.inFlight.Load(), Probe: t.probe,
	}
}

// share returns a side's part of the requests in percent.
func (s *State) share(name string) float64 {
	switch {
	case s.Split != nil && s.Split.Side == name:
		return s.Split.Weight
	case name == "" || s.Route != name:
		return 0
	case s.Split != nil:
		return math.Round((100-s.Split.Weight)*1e6) / 1e6 // as short as the weight
	}
	return 100
}

// Stats are the counters since the proxy, or the side, began. A StartedAt that
// changed says that they began anew.
type Stats struct {
	At        time.Time `json:"at"`
	StartedAt time.Time `json:"started_at"`
	Listen    string    `json:"listen"`
	Route     string    `json:"route"`
	// Sides are keyed by name. The key "" counts what was refused while no side
	// had the route.
	Sides map[string]SideStats `json:"sides"`
}

// SideStats are the counters of one side. They grow as long as it lives, also
// while its share changes, so that two of them can be subtracted; another Since
// says that they began anew.
type SideStats struct {
	Since time.Time `json:"since,omitzero"`
	// Share is how much of the requests the side gets now, in percent.
	Share float64 `json:"share"`
	// Requests are all that the side was given, also by the other side, when
	// that had failed them.
	Requests uint64 `json:"requests"`
	// Failed are those that it answered with 5xx, or not, or not to the end. Left
	// are those that it failed as well, but that another side was given. What
	// the proxy refused by itself is in neither.
	Failed uint64 `json:"failed"`
	Left   uint64 `json:"left"`
	// Status counts answers by class, "2xx".
	Status map[string]uint64 `json:"status"`
	// Errors are answers the proxy had to give or to break off itself.
	Errors ErrorStats `json:"errors"`
	// Cancelled counts requests whose client went away.
	Cancelled  uint64 `json:"cancelled"`
	Replays    uint64 `json:"replays"`
	InFlight   int64  `json:"in_flight"`
	WebSockets int64  `json:"websockets"`
	// Upgraded counts all upgraded connections so far.
	Upgraded uint64 `json:"upgraded"`
	// BytesIn and BytesOut count bodies and what upgraded connections carried.
	BytesIn  uint64       `json:"bytes_in"`
	BytesOut uint64       `json:"bytes_out"`
	Latency  LatencyStats `json:"latency"`
	// Testers are the same counters of the testers' requests, which are in none
	// of those above; nil where there were none.
	Testers *SideStats `json:"testers,omitempty"`
	// Targets are keyed by address.
	Targets map[string]TargetStats `json:"targets,omitempty"`
}

// ErrorStats tell whose errors they were.
type ErrorStats struct {
	// Own: over a limit, or no side to send to.
	Own uint64 `json:"own"`
	// Upstream: a target could not be reached, broke off or was too late.
	Upstream uint64 `json:"upstream"`
}

// LatencyStats are the times from the moment when a side was given a request to
// the header of its answer, or to its failure.
type LatencyStats struct {
	Count uint64           `json:"count"`
	Sum   ripcord.Duration `json:"sum"`
	// Buckets are cumulative; empty ones at the end are left out.
	Buckets []Bucket `json:"buckets,omitempty"`
}

// Bucket counts the durations below LE seconds. The last one, with LE 0, has no
// bound.
type Bucket struct {
	LE    float64 `json:"le"`
	Count uint64  `json:"count"`
}

// Quantile estimates the duration below which the share q of all lies; 0 where
// nothing was counted. Its error is at most one bucket, a quarter.
func (l LatencyStats) Quantile(q float64) time.Duration {
	want := q * float64(l.Count)
	for _, b := range l.Buckets {
		if float64(b.Count) >= want && b.Count > 0 {
			if b.LE == 0 {
				break
			}
			return time.Duration(b.LE * float64(time.Second))
		}
	}
	if l.Count == 0 {
		return 0
	}
	return boundOf(bucketCount - 2)
}

// TargetStats are the counters of one target.
type TargetStats struct {
	Requests  uint64 `json:"requests"`
	Errors    uint64 `json:"errors"`
	InFlight  int64  `json:"in_flight"`
	Readiness string `json:"readiness"`
}

// Stats returns the counters.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := Stats{
		At: p.now().UTC(), StartedAt: p.started.UTC(), Listen: p.state.Listen, Route: p.state.Route,
		Sides: map[string]SideStats{"": p.strayTally().stats()},
	}
	for name, s := range p.live {
		side := s.tally().stats()
		side.Since, side.Share = s.since.UTC(), p.state.share(name)
		if testers := s.testersTally(); testers.Requests > 0 {
			of := testers.stats()
			side.Testers = &of
		}
		side.Targets = make(map[string]TargetStats, len(s.targets))
		for _, t := range s.targets {
			side.Targets[t.addr] = TargetStats{
				Requests: t.requests.Load(), Errors: t.errors.Load(),
				InFlight: t.inFlight.Load(), Readiness: t.readiness().String(),
			}
		}
		stats.Sides[name] = side
	}
	return stats
}

func (t tally) stats() SideStats {
	s := SideStats{
		Requests: t.Requests, Status: make(map[string]uint64, len(t.Classes)),
		Errors: ErrorStats{Own: t.Own, Upstream: t.Upstream},
		Failed: t.Failed, Left: t.Left, Cancelled: t.Cancelled, Replays: t.Replays,
		InFlight: t.InFlight, WebSockets: t.WebSockets, Upgraded: t.Upgraded,
		BytesIn: t.BytesIn, BytesOut: t.BytesOut, Latency: latencyOf(t.Buckets, t.Sum),
	}
	for i, class := range []string{"", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		if i > 0 {
			s.Status[class] = t.Classes[i]
		}
	}
	return s
}

func latencyOf(buckets []uint64, sum uint64) LatencyStats {
	l := LatencyStats{Sum: ripcord.Duration(time.Duration(sum) * time.Microsecond)} //nolint:gosec // far below the limit
	last := 0
	for i, n := range buckets {
		if n > 0 {
			last = i + 1
		}
		l.Count += n
		bound := 0.0
		if i < bucketCount-1 {
			bound = boundOf(i).Seconds()
		}
		l.Buckets = append(l.Buckets, Bucket{LE: bound, Count: l.Count})
	}
	l.Buckets = l.Buckets[:last]
	return l
}
