package ssh

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// connection is one that is logged in.
type connection struct {
	host   *host
	client *ssh.Client
	// used and limit count its sessions now, opened all that there were; host.mu
	// guards them.
	used, limit, opened int
	// dead is closed when nothing comes or goes any more, at diedAt.
	dead   chan struct{}
	diedAt time.Time
	ending sync.Once
}

// add makes a connection that everybody can use.
func (h *host) add(client *ssh.Client) *connection {
	c := &connection{host: h, client: client, limit: h.options.Sessions, dead: make(chan struct{})}
	h.mu.Lock()
	h.connections = append(h.connections, c)
	h.wake()
	h.mu.Unlock()
	go func() {
		_ = client.Wait() // why it ended is told to those who use it
		h.mu.Lock()
		h.connections = slices.DeleteFunc(h.connections, func(other *connection) bool { return other == c })
		c.diedAt = h.options.Now()
		close(c.dead)
		h.wake()
		h.mu.Unlock()
	}()
	go c.keepAlive()
	return c
}

// session opens a session. Room for it was taken before.
func (c *connection) session(ctx context.Context) (*ssh.Session, error) {
	type result struct {
		session *ssh.Session
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		session, err := c.client.NewSession()
		opened <- result{session, err}
	}()
	select {
	case r := <-opened:
		if r.err == nil {
			c.host.mu.Lock()
			c.opened++
			c.host.mu.Unlock()
		}
		return r.session, r.err
	case <-ctx.Done():
		go func() { // nothing was started in it
			if r := <-opened; r.session != nil {
				_ = r.session.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// retire keeps new sessions off the connection; host.mu is held, and nobody uses it.
func (c *connection) retire() {
	c.host.connections = slices.DeleteFunc(c.host.connections, func(other *connection) bool { return other == c })
	c.close()
}

// close ends the connection at once.
func (c *connection) close() {
	c.ending.Do(func() { _ = c.client.Close() }) // it is given up in any case
}

// keepAlive asks the other side for a sign of life, and ends a connection on which
// none comes in time.
func (c *connection) keepAlive() {
	tick := time.NewTicker(c.host.options.Beat)
	defer tick.Stop()
	for {
		select {
		case <-c.dead:
			return
		case <-tick.C:
		}
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_, _, _ = c.client.SendRequest("keepalive@openssh.com", true, nil) // any answer is one
		}()
		// What is left of the time that the other side gives us, too.
		limit := time.NewTimer(c.host.options.Silence - c.host.options.Beat)
		select {
		case <-answered:
		case <-c.dead:
		case <-limit.C:
			c.close()
		}
		limit.Stop()
	}
}
