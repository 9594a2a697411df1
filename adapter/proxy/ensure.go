package proxy

import (
	"context"
	"fmt"
	"maps"
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

// instance is the proxy as the supervisor gets it. The labels repeat what an
// older instance may differ in.
func (s *Step) instance(listen string) ripcord.Instance {
	return ripcord.Instance{
		ID: s.instanceID(), Dir: s.scope.StateDir,
		Args:   []string{s.scope.Self, "__proxy", "--directory", s.dir, "--listen", listen},
		Labels: map[string]string{"part": "proxy", "balancer": s.settings.Balancer, "listen": listen, "binary": s.scope.Self},
		Grace:  ripcord.Duration(startPatience + 2*time.Second),
	}
}

// ensure makes the proxy run, supervised, on an address, and returns its status.
// A proxy that does both already is not touched, even if another binary runs it:
// replacing it would cost its listeners a moment.
func (s *Step) ensure(ctx context.Context, listen string) (dataplane.Status, error) {
	wanted, err := s.supervised(ctx)
	if err != nil {
		return dataplane.Status{}, err
	}
	if status, err := s.client.Status(ctx); err == nil && status.State.Listen == listen && wanted != nil {
		return status, s.stampPending(ctx)
	}
	if err := s.unclaimed(ctx, listen); err != nil {
		return dataplane.Status{}, err
	}
	instance := s.instance(listen)
	if wanted != nil && !maps.Equal(wanted.Labels, instance.Labels) {
		if err := s.scope.Supervisor.Stop(ctx, instance.ID); err != nil {
			return dataplane.Status{}, err
		}
	}
	if err := s.scope.Supervisor.Start(ctx, instance); err != nil {
		return dataplane.Status{}, err
	}
	status, err := s.answering(ctx, listen)
	if err != nil {
		return status, err
	}
	return status, s.stampPending(ctx)
}

// supervised returns the proxy's instance, or nil.
func (s *Step) supervised(ctx context.Context) (*ripcord.InstanceStatus, error) {
	instances, err := s.scope.Supervisor.List(ctx, s.instanceID())
	if err != nil {
		return nil, err
	}
	for _, i := range instances {
		if i.ID == s.instanceID() {
			return &i, nil
		}
	}
	return nil, nil //nolint:nilnil // no instance is not an error, and there is no value to return
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
	i, err := s.supervised(ctx)
	return err == nil && i != nil && !i.Running && i.LastExit != nil && i.LastExit.Code != 0
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
