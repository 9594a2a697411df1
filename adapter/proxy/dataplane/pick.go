package dataplane

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// liveSide is a side at work: its targets, probes and counters.
type liveSide struct {
	spec    Side
	targets []*target
	// count counts everybody's requests, testers those of the testers.
	count, testers counters
	since          time.Time
	// before is what an earlier process counted, and still works on; nil where
	// there was none.
	before atomic.Pointer[sideTally]
	// earlier is the side of this name that this one was put in the place of, with
	// what is still in use there; nil where nothing was.
	earlier *liveSide
	// turn rotates the target that is looked at first.
	turn atomic.Uint64
	stop func()

	mu      sync.Mutex
	tunnels map[*tunnel]struct{}
}

// tunnel is an upgraded connection, for example a WebSocket.
type tunnel struct {
	client, upstream net.Conn
	target           *target
}

func (t *tunnel) close() {
	_ = t.client.Close()
	_ = t.upstream.Close()
}

func newLiveSide(spec Side, initial readiness, now func() time.Time) *liveSide {
	spec = spec.WithDefaults()
	s := &liveSide{spec: spec, tunnels: make(map[*tunnel]struct{}), stop: func() {}, since: now()}
	for _, addr := range spec.Targets {
		t := newTarget(addr, spec.Limits, now)
		t.state.Store(int32(initial))
		s.targets = append(s.targets, t)
	}
	return s
}

// choice is a picked target with the ejections it had seen by then.
type choice struct {
	*target
	cuts uint64
}

// pick returns the usable target with the fewest requests in flight that is not
// in tried. With no usable one left it returns any other untried one, and a nil
// target when everything was tried.
func (s *liveSide) pick(tried []*target) choice {
	first := int(s.turn.Add(1) % uint64(len(s.targets))) //nolint:gosec // smaller than the number of targets
	var best, last choice
	for i := range s.targets {
		t := s.targets[(first+i)%len(s.targets)]
		if slices.Contains(tried, t) || t.out.Load() {
			continue
		}
		// read before the readiness: an ejection in between is noticed later.
		c := choice{target: t, cuts: t.cuts.Load()}
		if !t.usable() {
			last = c
		} else if best.target == nil || t.inFlight.Load() < best.inFlight.Load() {
			best = c
		}
	}
	if best.target != nil {
		return best
	}
	return last
}

// ready returns how many targets can be used.
func (s *liveSide) ready() int {
	n := 0
	for _, t := range s.targets {
		if t.usable() {
			n++
		}
	}
	return n
}

// anyUsable reports whether one target at least can be used.
func (s *liveSide) anyUsable() bool {
	for _, t := range s.targets {
		if t.usable() {
			return true
		}
	}
	return false
}

// spare reports whether another target than t can be used.
func (s *liveSide) spare(t *target) bool {
	for _, other := range s.targets {
		if other != t && other.usable() {
			return true
		}
	}
	return false
}

func (s *liveSide) counters(tester bool) *counters {
	if tester {
		return &s.testers
	}
	return &s.count
}

// inFlight is how many requests of anybody have no complete answer, here, in a
// process before this one, and on the sides that this one replaced.
func (s *liveSide) inFlight() (n int64) {
	for ; s != nil; s = s.earlier {
		n += s.count.inFlight.Load() + s.testers.inFlight.Load()
		if before := s.before.Load(); before != nil {
			n += before.Count.InFlight + before.Testers.InFlight
		}
	}
	return n
}

// websockets is the same for upgraded connections.
func (s *liveSide) websockets() (n int64) {
	for ; s != nil; s = s.earlier {
		n += s.count.websockets.Load() + s.testers.websockets.Load()
		if before := s.before.Load(); before != nil {
			n += before.Count.WebSockets + before.Testers.WebSockets
		}
	}
	return n
}

// lastUsed returns this side or the newest one before it on which anything is
// still in use; nil where nothing is.
func (s *liveSide) lastUsed() *liveSide {
	all := s.inFlight() + s.websockets()
	for all > 0 && s.earlier.inFlight()+s.earlier.websockets() == all {
		s = s.earlier
	}
	if all == 0 {
		return nil
	}
	return s
}

func (s *liveSide) addTunnel(t *tunnel) {
	s.mu.Lock()
	s.tunnels[t] = struct{}{}
	s.mu.Unlock()
}

func (s *liveSide) removeTunnel(t *tunnel) {
	s.mu.Lock()
	delete(s.tunnels, t)
	s.mu.Unlock()
}

// closeTunnels closes all upgraded connections and returns their number.
func (s *liveSide) closeTunnels() int {
	earlier := 0
	if s.earlier != nil {
		earlier = s.earlier.closeTunnels()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.tunnels {
		t.close()
	}
	return earlier + len(s.tunnels)
}

// close stops the probes and drops idle connections. Requests in flight go on.
func (s *liveSide) close() {
	s.stop()
	for _, t := range s.targets {
		t.pool.close()
	}
}
