package proxy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

const (
	// startPatience is how long a started proxy may take to answer.
	startPatience = 10 * time.Second
	pollInterval  = 25 * time.Millisecond
	logLines      = 20
)

// ensure makes the proxy run, supervised, on an address, and returns its status.
// A proxy that does both already is not touched.
func (s *Step) ensure(ctx context.Context, listen string) (dataplane.Status, error) {
	if status, err := s.client.Status(ctx); err == nil && status.State.Listen == listen {
		wanted, err := s.scope.Supervisor.List(ctx, s.instanceID())
		if err != nil {
			return status, err
		}
		for _, instance := range wanted {
			if instance.ID == s.instanceID() {
				return status, s.stampPending(ctx)
			}
		}
	}
	if err := s.unclaimed(ctx, listen); err != nil {
		return dataplane.Status{}, err
	}
	err := s.scope.Supervisor.Start(ctx, ripcord.Instance{
		ID: s.instanceID(), Dir: s.scope.StateDir,
		Args:   []string{s.scope.Self, "__proxy", "--directory", s.dir, "--listen", listen},
		Labels: map[string]string{"part": "proxy", "balancer": s.settings.Balancer, "listen": listen},
		Grace:  ripcord.Duration(startPatience) + ripcord.Duration(2*time.Second),
	})
	if err != nil {
		return dataplane.Status{}, err
	}
	status, err := s.answering(ctx, listen)
	if err != nil {
		return status, err
	}
	return status, s.stampPending(ctx)
}

// unclaimed fails when the proxy of another folder has the address.
func (s *Step) unclaimed(ctx context.Context, listen string) error {
	claim := dataplane.ReadClaim(ctx, listen)
	if claim == nil || claim.Directory == s.dir {
		return nil
	}
	return &ripcord.Failure{
		Class: ripcord.FailedTarget, Final: true,
		Summary: fmt.Sprintf("%s is taken by the ripcord proxy that works in %s (pid %d): use its state directory, stop it, or listen on another address",
			listen, claim.Directory, claim.PID),
	}
}

// answering waits until the started proxy answers on the address.
func (s *Step) answering(ctx context.Context, listen string) (dataplane.Status, error) {
	limit, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		status, err := s.client.Status(limit)
		if err == nil && status.State.Listen == listen {
			return status, nil
		}
		if !s.failedToStart(limit) && wait(limit, pollInterval) {
			continue
		}
		if ctx.Err() != nil {
			return status, ctx.Err()
		}
		return status, s.notStarted(ctx, listen)
	}
}

// failedToStart reports whether the proxy's process has ended by itself.
func (s *Step) failedToStart(ctx context.Context) bool {
	instances, err := s.scope.Supervisor.List(ctx, s.instanceID())
	if err != nil {
		return false
	}
	for _, i := range instances {
		if i.ID == s.instanceID() && !i.Running && i.LastExit != nil && i.LastExit.Code != 0 {
			return true
		}
	}
	return false
}

// notStarted is the failure of a proxy that does not answer, with its words.
func (s *Step) notStarted(ctx context.Context, listen string) error {
	failure := &ripcord.Failure{
		Class:   ripcord.FailedTarget,
		Summary: fmt.Sprintf("the proxy on %s did not start", listen),
	}
	lines, err := s.scope.Supervisor.Tail(ctx, s.instanceID(), logLines)
	if err != nil {
		return failure
	}
	failure.Lines = lines
	for _, line := range lines {
		if _, reason, found := strings.Cut(line, `msg="the proxy cannot work" error=`); found {
			failure.Summary += ": " + unquote(reason)
			break
		}
	}
	return failure
}

// wait pauses; false means that the context ended.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
