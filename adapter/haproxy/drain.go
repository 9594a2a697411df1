package haproxy

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

const (
	deleteTimeout = 30 * time.Second
	// quiet is how many looks in a row must see no session.
	quiet = 2
)

// send changes where a server goes.
func (s *Step) send(ctx context.Context, name, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	return refusal(s.client.do(ctx, command{
		text: "set server " + s.settings.Backend + "/" + name + " addr " + host + " port " + port,
		fine: []string{"changed from", "no need to change"},
	}))
}

// patience ends after drain_timeout: once for all servers that drain together.
func (s *Step) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.settings.Drain.Std())
}

// drained waits until a server without weight has no sessions left, at most until
// limited ends. It returns how many are left.
func (s *Step) drained(ctx, limited context.Context, a ripcord.Attempt, name string) (int, error) {
	left, seen := 0, 0
	for {
		v, err := s.servers(ctx)
		if err != nil {
			return left, err
		}
		left = v.health[name].sessions
		if left == 0 {
			seen++
		} else {
			seen = 0
		}
		if seen == quiet {
			return 0, nil
		}
		if !pause(limited, pollInterval) {
			if ctx.Err() != nil {
				return left, ctx.Err()
			}
			if left > 0 {
				say(a, "server %s: %d sessions are left after %s", name, left, s.settings.Drain)
			}
			return left, nil
		}
	}
}

// remove drains a server and removes it; what is left then is cut, because
// HAProxy removes no server that is in use.
func (s *Step) remove(ctx, limited context.Context, a ripcord.Attempt, is server) error {
	at := s.settings.Backend + "/" + is.Name
	if is.Weight != 0 {
		if err := s.client.together(ctx, []string{"set server " + at + " weight 0"}); err != nil {
			return refusal(err)
		}
	}
	left, err := s.drained(ctx, limited, a, is.Name)
	if err != nil {
		return err
	}
	if err := s.client.together(ctx, []string{"set server " + at + " state maint"}); err != nil {
		return refusal(err)
	}
	if left > 0 {
		if err := s.client.together(ctx, []string{"shutdown sessions server " + at}); err != nil {
			return refusal(err)
		}
		say(a, "server %s: %d sessions were cut", is.Name, left)
	}
	soon, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	for {
		err := s.client.do(ctx, command{text: "del server " + at, fine: []string{"Server deleted", "No such server"}})
		refused, ok := errors.AsType[*refusedError](err)
		if !ok || !strings.Contains(refused.answer, "connection") || !pause(soon, pollInterval) {
			return refusal(err)
		}
	}
}

// pause waits; it returns false when the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
