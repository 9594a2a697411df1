package process

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Step deploys one service.
type Step struct {
	settings Settings
	scope    ripcord.Scope
	environ  func() []string
}

// Apply starts this run's instances in the free colour and waits until all are
// healthy. Instances of other runs are left alone.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	if err := s.layOut(a.Output); err != nil {
		return err
	}
	if s.settings.Replace != nil {
		return s.replace(ctx, a)
	}
	all, err := s.list(ctx)
	if err != nil {
		return err
	}
	p, err := s.settle(ctx, a, all)
	if err != nil {
		return err
	}
	w := &service.Watch{Runtime: runner{s}, Chooser: s.chooser(), Health: &s.settings.Health, Dial: dial(), Attempt: a, Place: p}
	if err := s.start(ctx, w, all, (&service.Replace{}).New(s.settings.Instances)); err != nil {
		return err
	}
	service.Note(a.Output, "%s of %s started in %s on %s", service.Plural(s.settings.Instances, "instance"), s.settings.Service, p.Colour, p.Addresses())
	if err := w.Wait(ctx); err != nil {
		return err
	}
	service.Note(a.Output, "all are healthy")
	return nil
}

// Undo stops exactly the instances of this run that the step has started, and
// starts those again that it has stopped.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	if s.settings.Replace == nil {
		return s.stop(ctx, a, s.mine)
	}
	if s.settings.Replace.Look {
		return nil
	}
	if err := s.stop(ctx, a, func(i *ripcord.InstanceStatus) bool { return s.mine(i) && s.covers(i) }); err != nil {
		return err
	}
	return s.restore(ctx, a)
}

// Finish stops the service's instances of all other runs: the release is
// committed, and no way back needs them any more.
func (s *Step) Finish(ctx context.Context, a ripcord.Attempt) error {
	if s.settings.Replace != nil {
		return s.forget(ctx, a)
	}
	return s.stop(ctx, a, func(i *ripcord.InstanceStatus) bool { return !s.mine(i) })
}

// stop stops the chosen instances, all at once, each within its grace.
func (s *Step) stop(ctx context.Context, a ripcord.Attempt, chosen func(i *ripcord.InstanceStatus) bool) error {
	all, err := s.list(ctx)
	if err != nil {
		return err
	}
	results := make([]error, len(all))
	var wait sync.WaitGroup
	for i := range all {
		if !chosen(&all[i]) {
			continue
		}
		service.Note(a.Output, "stopping instance %d of %s %s in %s", number(all[i].ID), s.settings.Service, all[i].Labels[labelVersion], all[i].Labels[labelColour])
		wait.Go(func() {
			if err := s.scope.Supervisor.Stop(ctx, all[i].ID); err != nil {
				results[i] = fmt.Errorf("stop %s: %w", all[i].ID, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(results...)
}

// status returns the status of an instance, nil when it is not wanted.
func status(all []ripcord.InstanceStatus, id string) *ripcord.InstanceStatus {
	for i := range all {
		if all[i].ID == id {
			return &all[i]
		}
	}
	return nil
}
