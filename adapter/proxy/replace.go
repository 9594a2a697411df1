package proxy

import (
	"context"
	"strconv"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

const (
	// successorMark stands between the proxy's name and its successor's build.
	successorMark = "~"
	// successorPatience is how long a successor may take until it serves.
	successorPatience = 3 * startPatience
	// quietPatience is how long the process before may take until it takes no
	// request any more; it needs 3 s.
	quietPatience = 10 * time.Second
)

// replace puts this binary in the place of the proxy's, when that is another
// one: a new process takes over the sockets, so that nothing is lost. What goes
// wrong with it is told and changes nothing: the proxy there goes on.
func (s *Step) replace(ctx context.Context, a ripcord.Attempt, status dataplane.Status) dataplane.Status {
	build, err := dataplane.BuildOf(s.scope.Self)
	if err != nil || status.Build == "" || status.Build == build || status.HandOver != dataplane.HandOver {
		return status
	}
	instance := s.instance(status.State.Listen)
	instance.ID += successorMark + build
	instance.Args = append(instance.Args, "--take-over", strconv.Itoa(status.PID))
	say(a, "the proxy on %s is another build of ripcord; this one takes over from process %d", status.State.Listen, status.PID)
	next, err := s.succeed(ctx, instance, status.PID)
	if err != nil {
		s.dismiss(ctx, instance.ID)
		say(a, "it did not, and the proxy goes on as it is: %v", err)
		if now, err := s.ensure(ctx, status.State.Listen); err == nil { // whatever happened, somebody must serve
			return now
		}
		return status
	}
	if wanted, err := s.supervised(ctx); err == nil {
		s.only(ctx, wanted, next.PID)
	}
	s.settle(ctx)
	say(a, "process %d serves now", next.PID)
	return s.statusOr(ctx, next)
}

// succeed starts the successor and waits until it serves.
func (s *Step) succeed(ctx context.Context, instance ripcord.Instance, old int) (dataplane.Status, error) {
	return s.started(ctx, instance, successorPatience, func(status dataplane.Status) bool { return status.PID != old })
}

// settle waits until the process before takes no request any more: it would send
// it where the route was.
func (s *Step) settle(ctx context.Context) {
	limit, cancel := context.WithTimeout(ctx, quietPatience)
	defer cancel()
	for {
		status, err := s.client.Status(limit)
		if err == nil && (status.Predecessor == nil || !status.Predecessor.Accepting) || !wait(limit) {
			return
		}
	}
}

// statusOr returns what the proxy says now, or else what it said.
func (s *Step) statusOr(ctx context.Context, before dataplane.Status) dataplane.Status {
	if status, err := s.client.Status(ctx); err == nil {
		return status
	}
	return before
}
