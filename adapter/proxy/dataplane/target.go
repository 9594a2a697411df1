package dataplane

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// readiness is what the probes say of a target.
type readiness int32

const (
	unknown readiness = iota // not probed often enough yet: gets nothing
	assumed                  // ready before a restart, until the probes say otherwise
	ready
	failed
)

func (r readiness) String() string {
	switch r {
	case unknown:
		return "unknown"
	case assumed:
		return "assumed"
	case ready:
		return "ready"
	case failed:
		return "failed"
	default:
		return "invalid"
	}
}

// target is one address of a side.
type target struct {
	addr  string
	pool  *pool
	state atomic.Int32 // a readiness
	// inFlight counts requests sent here whose answer is not complete.
	inFlight atomic.Int64
	requests atomic.Uint64
	errors   atomic.Uint64
	// cuts counts ejections.
	cuts atomic.Uint64
	// answers counts the headers of answers that came from here.
	answers atomic.Uint64
	// doubted: it gives no sign of life at the moment. It gets nothing while
	// another target is well, although it has not failed its probes yet.
	doubted atomic.Bool
	// out of rotation: it gets nothing, whatever its readiness.
	out atomic.Bool

	mu      sync.Mutex
	waiting map[*exchange]struct{}
	probe   ProbeResult
	// streak counts equal probe results in a row: positive good, negative bad.
	streak int
	// late counts probes in a row that got no answer in time while nothing
	// else was answered either.
	late int
	// usual is how long a good probe takes, smoothed.
	usual time.Duration
}

// ProbeResult is what the newest probe of a target saw.
type ProbeResult struct {
	At time.Time `json:"at,omitzero"`
	OK bool      `json:"ok"`
	// Status is the HTTP status, 0 where there was no answer.
	Status int `json:"status,omitempty"`
	// Error says why the probe failed.
	Error string `json:"error,omitempty"`
	// Body is the beginning of a bad answer's body.
	Body string `json:"body,omitempty"`
	// took is how long it took; late says that it ran out of time.
	took time.Duration
	late bool
}

func newTarget(addr string, limits Limits, now func() time.Time) *target {
	return &target{
		addr: addr, waiting: make(map[*exchange]struct{}),
		pool: &pool{addr: addr, limits: limits, now: now},
	}
}

func (t *target) readiness() readiness { return readiness(t.state.Load()) }

func (t *target) usable() bool {
	r := t.readiness()
	return (r == ready || r == assumed) && !t.doubted.Load() && !t.out.Load()
}

// doubt says that the target gives no sign of life; sign is one.
func (t *target) doubt() { t.doubted.Store(true) }

func (t *target) sign() {
	t.answers.Add(1)
	if t.doubted.Load() {
		t.doubted.Store(false)
	}
}

// connect returns a connection for the exchange: an idle one, or a new one.
func (t *target) connect(ctx context.Context) (*upstreamConn, error) {
	if u := t.pool.take(); u != nil {
		return u, nil
	}
	return t.pool.dial(ctx)
}

// wait registers the exchange as one that waits for the header of its answer. It
// reports whether the target was ejected since it was picked.
func (t *target) wait(x *exchange) (ejected bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cuts.Load() != x.cuts {
		return true
	}
	t.waiting[x] = struct{}{}
	return false
}

// answered ends wait.
func (t *target) answered(x *exchange) {
	t.mu.Lock()
	delete(t.waiting, x)
	t.mu.Unlock()
}

// cut makes exchanges that wait for an answer fail at once: those that may be
// sent again, so that another target can have them, or all. The others go on
// waiting as long as there is a chance that they are answered after all. It
// returns how many were cut.
func (t *target) cut(all bool) int {
	t.pool.flush()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cuts.Add(1)
	n := 0
	for x := range t.waiting {
		if all || x.repeatable {
			x.abort(stoppedByCut)
			n++
		}
	}
	return n
}
