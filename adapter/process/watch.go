package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// runner is the supervisor as whoever follows instances sees it.
type runner struct{ step *Step }

// start orders instances. Those that an earlier attempt left are kept when
// they are healthy. Otherwise they start afresh, for how that attempt failed is
// no failure of this one.
func (s *Step) start(ctx context.Context, w *service.Watch, all []ripcord.InstanceStatus, numbers []int) error {
	for _, number := range numbers {
		restarts := 0
		if before := status(all, s.id(w.Place.Colour, number)); before != nil {
			restarts = before.Restarts
			if !before.Running || s.settings.Health.Probe(ctx, dial(), w.Place.Address(number)) != nil {
				if err := s.halt(ctx, before.ID); err != nil {
					return err
				}
				restarts = 0
			}
		}
		replaced, err := s.order(ctx, w.Place, number)
		if err != nil {
			return err
		}
		if replaced {
			restarts = 0
		}
		w.Follow(number, restarts)
	}
	return nil
}

func (s *Step) halt(ctx context.Context, id string) error {
	if err := s.scope.Supervisor.Stop(ctx, id); err != nil {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	return nil
}

// order starts one instance; replaced tells that one of an attempt with another
// environment gave way to it.
func (s *Step) order(ctx context.Context, p service.Place, number int) (replaced bool, err error) {
	instance, err := s.instance(ctx, p, number)
	if err != nil {
		return false, err
	}
	err = s.scope.Supervisor.Start(ctx, instance)
	if ripcord.CodeOf(err) == ripcord.CodeRefused {
		if err := s.halt(ctx, instance.ID); err != nil {
			return false, err
		}
		replaced = true
		err = s.scope.Supervisor.Start(ctx, instance)
	}
	if err == nil {
		return replaced, nil
	}
	if failure, ok := errors.AsType[*ripcord.Failure](err); ok {
		return replaced, failure
	}
	if ctx.Err() != nil {
		return replaced, ctx.Err()
	}
	return replaced, &ripcord.Failure{
		Class:   ripcord.FailedCommand,
		Summary: fmt.Sprintf("%s instance %d could not be started: %v", s.settings.Service, number, err),
	}
}

// Order starts an instance.
func (r runner) Order(ctx context.Context, p service.Place, number int) error {
	_, err := r.step.order(ctx, p, number)
	return err
}

// Halt stops one.
func (r runner) Halt(ctx context.Context, p service.Place, number int) error {
	return r.step.halt(ctx, r.step.id(p.Colour, number))
}

// Look tells how this run's instances fare.
func (r runner) Look(ctx context.Context) (map[int]service.Status, error) {
	all, err := r.step.list(ctx)
	if err != nil {
		return nil, err
	}
	now := map[int]service.Status{}
	for _, i := range r.step.own(all) {
		now[number(i.ID)] = service.Status{Running: i.Running, Ended: !i.Running && i.LastExit != nil, Restarts: i.Restarts}
	}
	return now, nil
}

// Name is how people call an instance.
func (r runner) Name(_ service.Place, number int) string {
	return fmt.Sprintf("%s instance %d", r.step.settings.Service, number)
}

// Tail returns the end of its log.
func (r runner) Tail(ctx context.Context, p service.Place, number, lines int) []string {
	text, err := r.step.scope.Supervisor.Tail(ctx, r.step.id(p.Colour, number), lines)
	if err != nil {
		return nil // a failure without its log is still the failure
	}
	return text
}

// Dead tells how an instance ended.
func (r runner) Dead(ctx context.Context, p service.Place, number int) *ripcord.Failure {
	failure := &ripcord.Failure{Class: ripcord.FailedCommand, Summary: r.Name(p, number) + " is gone before it was healthy"}
	all, err := r.step.list(ctx)
	now := status(all, r.step.id(p.Colour, number))
	if err != nil || now == nil || now.LastExit == nil {
		return failure
	}
	failure.Exit = now.LastExit
	how := fmt.Sprintf("exited with status %d", now.LastExit.Code)
	if now.LastExit.Signal != "" {
		how = fmt.Sprintf("was ended by signal %q", now.LastExit.Signal)
	}
	failure.Summary = fmt.Sprintf("%s %s before it was healthy", r.Name(p, number), how)
	return failure
}
