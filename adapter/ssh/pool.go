package ssh

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/machine"
)

// Pool holds the connections to machines, so that all steps and runs of a process
// share them. Its methods may be called concurrently.
type Pool struct {
	options Options
	// connecting limits how many connections are made at once.
	connecting chan struct{}

	mu     sync.Mutex
	closed bool
	hosts  map[string]*host
	// startups limits the connections being made to one server.
	startups map[string]chan struct{}
}

// NewPool returns a Pool without connections.
func NewPool(o Options) *Pool {
	o = o.filled()
	return &Pool{
		options: o, connecting: make(chan struct{}, o.Connecting),
		hosts: map[string]*host{}, startups: map[string]chan struct{}{},
	}
}

// Close ends all connections. Closing twice is safe.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	hosts := slices.Collect(maps.Values(p.hosts))
	p.mu.Unlock()
	for _, h := range hosts {
		h.close()
	}
	return nil
}

// Machines returns the machines of a plan, and the one that Ripcord runs on.
// Secrets opens key files; it may be nil.
func (p *Pool) Machines(specs map[string]ripcord.MachineSpec, secrets ripcord.Secrets) ripcord.Machines {
	return &machines{pool: p, specs: specs, secrets: secrets}
}

type machines struct {
	pool    *Pool
	specs   map[string]ripcord.MachineSpec
	secrets ripcord.Secrets
}

// Machine returns a machine by name. Nothing is connected yet. The error is one of
// CodePlan.
func (m *machines) Machine(_ context.Context, name string) (ripcord.Machine, error) {
	if name == "" {
		return machine.Local{}, nil
	}
	h, err := m.host(name, nil)
	if err != nil {
		return nil, err
	}
	return &Machine{host: h}, nil
}

// host finds or makes the host of a name; passed are the machines whose jump led
// here.
func (m *machines) host(name string, passed []string) (*host, error) {
	spec, ok := m.specs[name]
	if !ok {
		return nil, ripcord.Errorf(ripcord.CodePlan, "there is no machine %q", name).
			WithFix("machines are: %s", strings.Join(slices.Sorted(maps.Keys(m.specs)), ", "))
	}
	if slices.Contains(passed, name) {
		return nil, ripcord.Errorf(ripcord.CodePlan, "machine %s: its jump leads back to itself: %s", name, strings.Join(append(passed, name), " -> ")).
			WithFix("let one of them be reached without a jump")
	}
	user, address, err := Server(spec.SSH)
	if err != nil {
		return nil, err
	}
	var jump *host
	if spec.Jump != "" {
		if jump, err = m.host(spec.Jump, append(passed, name)); err != nil {
			return nil, err
		}
	}
	if user == "" {
		user = m.pool.options.User
	}
	return m.pool.host(&host{
		pool: m.pool, options: m.pool.options, name: name, user: user, address: address,
		spec: spec, jump: jump, secrets: m.secrets,
	})
}

// host returns the shared host that is reached in the same way as h.
func (p *Pool) host(h *host) (*host, error) {
	var key strings.Builder
	key.WriteString(h.name)
	for at := h; at != nil; at = at.jump {
		data, err := json.Marshal(at.spec)
		if err != nil {
			return nil, err
		}
		key.WriteString("\x00" + string(data))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if shared := p.hosts[key.String()]; shared != nil {
		return shared, nil
	}
	h.opening = make(chan struct{}, 1)
	h.changed = make(chan struct{})
	p.hosts[key.String()] = h
	return h, nil
}

// startup takes a place among those who connect to this server; leave gives it
// back.
func (p *Pool) startup(ctx context.Context, server string) (leave func(), err error) {
	p.mu.Lock()
	each := p.startups[server]
	if each == nil {
		each = make(chan struct{}, p.options.ConnectingEach)
		p.startups[server] = each
	}
	p.mu.Unlock()
	for _, places := range []chan struct{}{each, p.connecting} {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			if places == p.connecting {
				<-each
			}
			return nil, ctx.Err()
		}
	}
	return func() { <-p.connecting; <-each }, nil
}
