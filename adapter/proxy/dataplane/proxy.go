package dataplane

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxAttempts is how often one request is sent at most.
const maxAttempts = 4

// Proxy is the data path and what leads it.
type Proxy struct {
	now     func() time.Time
	log     *slog.Logger
	started time.Time
	dir     string
	buffers *buffers

	// table is what requests read. It is replaced, never changed.
	table atomic.Pointer[table]
	// inFlight counts all requests, whatever their side.
	inFlight atomic.Int64
	// stray counts requests that no side was responsible for.
	stray counters

	// life is the probes' context.
	life context.Context //nolint:containedctx // the probes live as long as the process, not as a command

	mu    sync.Mutex // guards state and live, held for each command
	state *State
	live  map[string]*liveSide
}

// table is the routing decision that requests see.
type table struct{ side *liveSide }

// New returns a proxy that serves state and keeps it in dir. The routed side's
// targets are assumed to be ready until the first probes say otherwise: they
// had the route when the process before this one ended. Probes run until ctx
// ends.
func New(ctx context.Context, dir string, state *State, now func() time.Time, log *slog.Logger) *Proxy {
	p := &Proxy{
		now: now, log: log, dir: dir, state: state, started: now(), life: ctx,
		buffers: newBuffers(), live: make(map[string]*liveSide),
	}
	for _, side := range state.Sides {
		initial := unknown
		if side.Name == state.Route {
			initial = assumed
		}
		p.start(side, initial) //nolint:contextcheck // it is kept in p
	}
	p.table.Store(&table{side: p.live[state.Route]})
	return p
}

// start brings a side to life.
func (p *Proxy) start(spec Side, initial readiness) {
	s := newLiveSide(spec, initial, p.now)
	ctx, cancel := context.WithCancel(p.life)
	s.stop = cancel
	prober := &prober{side: s, now: p.now, log: p.log}
	for _, t := range s.targets {
		go prober.run(ctx, t)
	}
	p.live[spec.Name] = s
}

// enter counts a request in on the side that has the route. The route is read
// again after counting: whoever changes it and then sees zero in flight knows
// that nobody is on the way.
func (p *Proxy) enter() *liveSide {
	for {
		t := p.table.Load()
		if t.side == nil {
			return nil
		}
		t.side.count.inFlight.Add(1)
		if p.table.Load() == t {
			return t.side
		}
		t.side.count.inFlight.Add(-1)
	}
}

func (s *liveSide) leave() { s.count.inFlight.Add(-1) }

// bytesRead counts what clients sent, on the side that has the route now.
func (p *Proxy) bytesRead(n int) {
	if n > 0 {
		p.current().bytesIn.Add(uint64(n))
	}
}

func (p *Proxy) current() *counters {
	if s := p.table.Load().side; s != nil {
		return &s.count
	}
	return &p.stray
}

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limits := p.limits()
	if p.inFlight.Add(1) > int64(limits.MaxInFlight) {
		p.inFlight.Add(-1)
		p.refuse(w, http.StatusServiceUnavailable, "too many requests at once")
		return
	}
	in := &inbound{proxy: p, w: w, r: r, start: p.now()}
	defer in.leave()
	if !sendable(r) {
		w.Header().Set("Connection", "close")
		p.refuse(w, unsendable(r), "the request cannot be passed on")
		return
	}
	body, err := p.readBody(w, r, limits.ReplayBody)
	defer p.freeBody(body)
	if err != nil {
		w.Header().Set("Connection", "close")
		p.refuse(w, http.StatusBadRequest, "the request's body broke off")
		return
	}
	in.body = body
	if body.stream == nil && body.kept == nil && r.ProtoMajor == 1 {
		in.upgrade = upgradeOf(r.Header)
	}
	in.forward() //nolint:contextcheck // it is the request's
}

func unsendable(r *http.Request) int {
	if r.Method == http.MethodConnect {
		return http.StatusMethodNotAllowed
	}
	return http.StatusBadRequest
}

func (p *Proxy) limits() Limits {
	if s := p.table.Load().side; s != nil {
		return s.spec.Limits
	}
	return Limits{MaxInFlight: defaultInFlight, ReplayBody: defaultReplay}
}

// refuse answers in the proxy's own name before any side was entered.
func (p *Proxy) refuse(w http.ResponseWriter, status int, text string) {
	c := p.current()
	c.requests.Add(1)
	c.status(status)
	if status >= http.StatusInternalServerError {
		c.own.Add(1)
	}
	writePage(w, status, text)
}

// writePage writes a short plain answer of our own.
func writePage(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(http.StatusText(status) + ": " + text + "\n"))
}
