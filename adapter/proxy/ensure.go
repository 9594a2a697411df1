package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

const (
	// startPatience is how long a started proxy may take to answer.
	startPatience = 30 * time.Second
	pollInterval  = 25 * time.Millisecond
	logLines      = 20
)

// instance is the proxy as the supervisor gets it. The labels repeat what an
// older instance may differ in. Its grace lets an old process that has handed
// over keep what is in use; any other ends by itself long before.
func (s *Step) instance(listen string) ripcord.Instance {
	return ripcord.Instance{
		ID: s.instanceID(), Dir: s.scope.StateDir,
		Args:   []string{s.scope.Self, "__proxy", "--directory", s.dir, "--listen", listen, "--inherit"},
		Labels: map[string]string{"part": "proxy", "balancer": s.settings.Balancer, "listen": listen, "binary": s.scope.Self, "takes_over": "yes"},
		Grace:  ripcord.Duration(dataplane.OldProcessLimit + startPatience + 2*time.Second),
	}
}

// ensure makes the proxy run, supervised, on an address, and returns its status.
// A proxy that does both already is not touched, even if another binary runs it:
// that is for upgrade.
func (s *Step) ensure(ctx context.Context, listen string) (dataplane.Status, error) {
	wanted, err := s.supervised(ctx)
	if err != nil {
		return dataplane.Status{}, err
	}
	if status, err := s.client.Status(ctx); err == nil && status.State.Listen == listen && len(wanted) > 0 {
		s.only(ctx, wanted, status.PID)
		return status, s.stampPending(ctx)
	}
	if err := s.unclaimed(ctx, listen); err != nil {
		return dataplane.Status{}, err
	}
	instance := s.instance(listen)
	for _, i := range wanted {
		if i.ID == instance.ID && maps.Equal(i.Labels, instance.Labels) {
			continue
		}
		if err := s.scope.Supervisor.Stop(ctx, i.ID); err != nil {
			return dataplane.Status{}, err
		}
	}
	status, err := s.started(ctx, instance, startPatience, func(status dataplane.Status) bool { return status.State.Listen == listen })
	if err != nil {
		return status, err
	}
	return status, s.stampPending(ctx)
}

// only makes the other processes of the proxy unwanted when one of them has the
// folder: a run that died while it replaced the proxy may have left two, of
// which the second starts again and again in vain.
func (s *Step) only(ctx context.Context, wanted []ripcord.InstanceStatus, pid int) {
	if !slices.ContainsFunc(wanted, func(i ripcord.InstanceStatus) bool { return i.PID == pid }) {
		return
	}
	for _, i := range wanted {
		if i.PID != pid {
			s.dismiss(ctx, i.ID)
		}
	}
}

// dismiss makes an instance unwanted without waiting for its end: a process that
// has handed over stays for what is in use.
func (s *Step) dismiss(ctx context.Context, id string) {
	const patience = 250 * time.Millisecond
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = s.scope.Supervisor.Stop(limited, id) // the next shift tries again
}

// supervised returns the proxy's instances: one, or two while a process takes
// over from another.
func (s *Step) supervised(ctx context.Context) ([]ripcord.InstanceStatus, error) {
	instances, err := s.scope.Supervisor.List(ctx, s.instanceID())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(instances, func(i ripcord.InstanceStatus) bool {
		return i.ID != s.instanceID() && !strings.HasPrefix(i.ID, s.instanceID()+successorMark)
	}), nil
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

// started starts a process and waits until it answers as it should. One that died
// a moment ago is started again as soon as its shim has gone; one that ends by
// itself after that has failed.
func (s *Step) started(ctx context.Context, instance ripcord.Instance, patience time.Duration, as func(dataplane.Status) bool) (dataplane.Status, error) {
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := s.scope.Now()
	for {
		if !s.runs(limit, instance.ID) {
			if err := s.scope.Supervisor.Start(limit, instance); err != nil && limit.Err() == nil {
				return dataplane.Status{}, err
			}
		}
		status, err := s.client.Status(limit)
		if err == nil && as(status) {
			return status, nil
		}
		if wait(limit) && !s.failedSince(limit, instance.ID, began) {
			continue
		}
		if ctx.Err() != nil {
			return status, ctx.Err()
		}
		return status, s.notStarted(ctx, instance.ID)
	}
}

func (s *Step) runs(ctx context.Context, id string) bool {
	i := s.process(ctx, id)
	return i != nil && i.Running
}

// failedSince reports whether a process of the proxy that was started since then
// has ended by itself.
func (s *Step) failedSince(ctx context.Context, id string, began time.Time) bool {
	i := s.process(ctx, id)
	return i != nil && !i.Running && i.LastExit != nil && i.LastExit.Code != 0 && !i.LastExit.StartedAt.Before(began)
}

// process returns one of the proxy's instances, nil where there is none.
func (s *Step) process(ctx context.Context, id string) *ripcord.InstanceStatus {
	wanted, err := s.supervised(ctx)
	if err != nil {
		return nil
	}
	for _, i := range wanted {
		if i.ID == id {
			return &i
		}
	}
	return nil
}

// notStarted is the failure of a proxy that does not answer, with its words.
func (s *Step) notStarted(ctx context.Context, id string) error {
	failure := &ripcord.Failure{
		Class:   ripcord.FailedTarget,
		Summary: fmt.Sprintf("the proxy on %s did not start", s.settings.Listen),
	}
	lines, err := s.scope.Supervisor.Tail(ctx, id, logLines)
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

// wait pauses for a moment; false means that the context ended.
func wait(ctx context.Context) bool {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
