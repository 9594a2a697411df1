package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// closedWithin is how soon the engine's own proxy closes a connection to a port of
// a container in which nobody listens.
const closedWithin = 150 * time.Millisecond

// dial connects to containers from their machine. The engine's proxy accepts
// connections to each published port, whoever listens behind it, so that a probe
// that only connects would always pass: one that is closed at once is none.
func (s *Step) dial(e *engine) service.Dialer {
	dial := service.DialerOf(e.machine)
	if !s.settings.Health.TCP {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if err := open(c); err != nil {
			return nil, errors.Join(fmt.Errorf("connect to %s: %w", address, err), c.Close())
		}
		return c, nil
	}
}

// open fails for a connection that is closed at once.
func open(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(closedWithin)); err != nil { //nolint:forbidigo // a deadline of the network
		return err
	}
	_, err := c.Read(make([]byte, 1))
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return errors.New("nobody listens in the container")
	}
	return err
}
