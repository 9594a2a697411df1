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
const maxAttempts = 6

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

	// pair is the certificate; nil before there was one.
	pair atomic.Pointer[keyPair]

	// build tells this binary from others.
	build string
	// sockets are what a successor gets; handed gets the link to it then. Both
	// are nil where there can be none.
	sockets *sockets
	handed  chan *link
	// leaving: a successor serves, and clients are told to come back.
	leaving atomic.Bool
	// inherited is what the predecessor said last; nil where there was none.
	inherited atomic.Pointer[predecessor]
	// link leads to it.
	link *link

	// life is the probes' context.
	life context.Context //nolint:containedctx // the probes live as long as the process, not as a command

	mu sync.Mutex // guards state, live and handing, held for each command
	// handing: a successor may serve already, so the state must not change.
	handing bool
	state   *State
	live    map[string]*liveSide
}

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
		if state.routed(side.Name) {
			initial = assumed
		}
		p.start(side, initial) //nolint:contextcheck // it is kept in p
	}
	p.table.Store(p.newTable(state))
	if err := p.prepareTLS(state.Front.TLS, true); err == nil && state.Front.TLS != nil && p.pair.Load().problem != "" {
		log.ErrorContext(ctx, "HTTPS does not work", slog.String("error", p.pair.Load().problem))
	}
	go p.watchTLS(ctx)
	return p
}

// start brings a side to life, in the place of the one of its name.
func (p *Proxy) start(spec Side, initial readiness) {
	s := newLiveSide(spec, initial, p.now)
	if earlier := p.live[spec.Name]; earlier != nil {
		earlier.close()
		s.earlier = earlier.lastUsed()
	}
	s.rotate(p.state.Out)
	ctx, cancel := context.WithCancel(p.life)
	s.stop = cancel
	prober := &prober{side: s, now: p.now, log: p.log, elsewhere: func() bool { return p.elsewhere(s) }}
	for _, t := range s.targets {
		go prober.run(ctx, t)
	}
	p.live[spec.Name] = s
}

// newTable is the state as requests see it; mu is held, or p is not yet shared.
func (p *Proxy) newTable(state *State) *table {
	t := &table{side: p.live[state.Route], testers: newTesterRule(state.Front.Testers), affinity: state.Front.Affinity, tls: state.Front.TLS}
	if state.Split != nil {
		t.split, t.part = p.live[state.Split.Side], state.Split.Weight/100
		t.salt = saltOf(t.split.spec)
	}
	return t
}

// elsewhere reports whether requests of a side can be sent to another one.
func (p *Proxy) elsewhere(s *liveSide) bool {
	t := p.table.Load()
	for _, other := range []*liveSide{t.side, t.split} {
		if other != nil && other != s && other.anyUsable() {
			return true
		}
	}
	return false
}

// enter counts a request in on the side that it is to go to. The table is read
// again after counting: whoever changes it and then sees zero in flight knows
// that nobody is on the way.
func (p *Proxy) enter(in *inbound) (*liveSide, *counters) {
	for {
		t := p.table.Load()
		v := t.meet(in.r, in.luck, in.start)
		in.give = ""
		if t.affinity != nil && v.give != "" {
			in.give = t.affinity.setCookie(v.give, in.r.TLS != nil)
		}
		side := t.choose(v)
		if side == nil {
			return nil, nil
		}
		count := side.counters(v.tester)
		count.inFlight.Add(1)
		if p.table.Load() == t {
			return side, count
		}
		count.inFlight.Add(-1)
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
	if p.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	if p.inFlight.Add(1) > int64(limits.MaxInFlight) {
		p.inFlight.Add(-1)
		p.refuse(w, http.StatusServiceUnavailable, "too many requests at once")
		return
	}
	in := &inbound{proxy: p, w: w, r: r, start: p.now(), luck: luck()}
	defer in.leave()
	if !sendable(r) {
		w.Header().Set("Connection", "close")
		p.refuse(w, unsendable(r), "the request cannot be passed on")
		return
	}
	body, err := p.readBody(in, limits.ReplayBody)
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
