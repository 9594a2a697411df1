package ssh

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/ripcord-dev/ripcord"
)

// host is one machine and the connections to it.
type host struct {
	pool          *Pool
	options       Options
	name          string
	user, address string
	spec          ripcord.MachineSpec
	jump          *host
	secrets       ripcord.Secrets

	// opening holds one value while a connection is being made.
	opening chan struct{}

	mu          sync.Mutex
	connections []*connection
	// idle are the lanes without a script.
	idle []*lane
	// changed is closed, and replaced, when waiting may have become pointless.
	changed chan struct{}
}

// close ends all connections.
func (h *host) close() {
	h.mu.Lock()
	all := slices.Clone(h.connections)
	h.mu.Unlock()
	for _, c := range all {
		c.close()
		<-c.dead
	}
}

// wake lets everybody who waits look again; h.mu is held.
func (h *host) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// session opens a session on a connection that has room for it, which it makes
// where there is none. Leave gives the room back.
func (h *host) session(ctx context.Context) (*ssh.Session, *connection, error) {
	for {
		c, wait, full := h.take()
		switch {
		case c != nil:
			session, err := c.session(ctx)
			if err == nil {
				return session, c, nil
			}
			if ctx.Err() != nil {
				h.leave(c)
				return nil, nil, ctx.Err()
			}
			if err := h.refused(c, err); err != nil {
				return nil, nil, err
			}
		case full:
			select {
			case <-wait:
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			}
		default:
			if err := h.open(ctx, wait); err != nil {
				return nil, nil, err
			}
		}
	}
}

// take finds room on a connection. Without any, full says that no other
// connection may be made, and wait is closed when something has changed.
func (h *host) take() (c *connection, wait <-chan struct{}, full bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.connections {
		if c.used < c.limit {
			c.used++
			return c, nil, false
		}
	}
	if n := len(h.idle); n > 0 { // a lane makes room where it is not needed
		h.idle[n-1].close()
		h.idle = h.idle[:n-1]
		return nil, h.changed, true
	}
	return nil, h.changed, len(h.connections) >= h.options.Connections
}

// leave gives room on a connection back.
func (h *host) leave(c *connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.used--
	h.wake()
}

// refused decides what a session that could not be opened means: nil tries again.
// Nothing of the command has happened yet.
func (h *host) refused(c *connection, cause error) error {
	h.leave(c)
	refusal, ok := errors.AsType[*ssh.OpenChannelError](cause)
	if !ok {
		c.close() // it is broken: the next try makes a new one
		<-c.dead
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case c.used > 0:
		c.limit = min(c.limit, c.used) // its MaxSessions is lower than sshd's own
	case c.opened > 0:
		c.retire() // it has not got over those that ended yet
	default:
		return trouble(ErrRefused, h.name, "allow sessions for "+h.user+" in sshd_config (MaxSessions, ForceCommand)", "it opens no session: %s", refusal.Message)
	}
	return nil
}

// open makes one more connection, unless somebody else just did.
func (h *host) open(ctx context.Context, wait <-chan struct{}) error {
	select {
	case h.opening <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.opening }()
	select {
	case <-wait:
		return nil
	default:
	}
	_, err := h.connect(ctx)
	return err
}

// any returns a connection, whether it has room for sessions or not.
func (h *host) any(ctx context.Context) (*connection, error) {
	for {
		h.mu.Lock()
		wait := h.changed
		if len(h.connections) > 0 {
			defer h.mu.Unlock()
			return h.connections[0], nil
		}
		h.mu.Unlock()
		if err := h.open(ctx, wait); err != nil {
			return nil, err
		}
	}
}
