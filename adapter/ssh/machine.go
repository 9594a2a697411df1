package ssh

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Machine is a computer behind an SSH server. Its methods may be called
// concurrently.
type Machine struct{ host *host }

// Name is the machine's name in the plan.
func (m *Machine) Name() string { return m.host.name }

// Address is where the machine's services are reached: what the plan says, else
// the host that SSH connects to.
func (m *Machine) Address() string {
	if m.host.spec.Address != "" {
		return m.host.spec.Address
	}
	name, _, err := net.SplitHostPort(m.host.address)
	if err != nil {
		return m.host.address
	}
	return name
}

// Dial connects to an address as seen from the machine, "tcp" or "unix".
func (m *Machine) Dial(ctx context.Context, network, address string) (io.ReadWriteCloser, error) {
	c, err := m.host.any(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := c.client.DialContext(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return &channel{Conn: conn}, nil
}

// channel is a connection through the machine, with the deadlines that the SSH
// protocol does not have: when one passes, the connection is closed.
type channel struct {
	net.Conn
	mu     sync.Mutex
	timer  *time.Timer
	passed bool
}

// SetDeadline closes the connection at a time; zero is never.
func (c *channel) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if t.IsZero() || c.passed {
		return nil
	}
	c.timer = time.AfterFunc(time.Until(t), func() {
		c.mu.Lock()
		c.passed = true
		c.mu.Unlock()
		_ = c.Conn.Close()
	})
	return nil
}

// SetReadDeadline is SetDeadline.
func (c *channel) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline.
func (c *channel) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

// Read reads.
func (c *channel) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

// Write writes.
func (c *channel) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.explain(err)
}

// Close ends the connection.
func (c *channel) Close() error {
	_ = c.SetDeadline(time.Time{})
	return c.Conn.Close()
}

func (c *channel) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.passed {
		return os.ErrDeadlineExceeded
	}
	return err
}
