package systemd

import (
	"context"
	"fmt"
	"slices"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/machine"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Step deploys one service.
type Step struct {
	settings Settings
	scope    ripcord.Scope
}

// host returns the machine that the service runs on.
func (s *Step) host(ctx context.Context) (host, error) {
	if s.scope.Machines == nil {
		return host{machine.Local{}}, nil
	}
	m, err := s.scope.Machines.Machine(ctx, s.settings.Machine)
	return host{m}, err
}

// service returns the host and the service's units.
func (s *Step) service(ctx context.Context) (host, []unit, error) {
	h, err := s.host(ctx)
	if err != nil {
		return h, nil, err
	}
	units, err := h.list(ctx, s.scope.Application, s.scope.Environment, s.settings.Service)
	if err != nil {
		if able := h.able(ctx, s.settings.User); able != nil {
			err = able
		}
		return h, nil, fmt.Errorf("list the units of %s: %w", s.settings.Service, err)
	}
	return h, units, nil
}

// Apply starts this run's units in the free colour and waits until all are
// healthy. Units of other runs are left alone.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	h, all, err := s.service(ctx)
	if err != nil {
		return err
	}
	if err := s.ready(ctx, h); err != nil {
		return err
	}
	if s.settings.Replace != nil {
		return s.replace(ctx, a, h, all)
	}
	p, err := s.settle(ctx, a, h, all)
	if err != nil {
		return err
	}
	w := &service.Watch{Runtime: runner{s, h}, Chooser: s.chooser(h), Health: &s.settings.Health, Dial: h.dial(), Attempt: a, Place: p}
	if err := s.start(ctx, h, w, all, (&service.Replace{}).New(s.settings.Instances)); err != nil {
		return err
	}
	service.Note(a.Output, "%s of %s started in %s on %s", service.Plural(s.settings.Instances, "unit"), s.settings.Service, p.Colour, p.Addresses())
	if err := w.Wait(ctx); err != nil {
		return err
	}
	service.Note(a.Output, "all are healthy")
	return s.settleAtBoot(ctx)
}

// settleAtBoot lets the run's units start at boot: they get traffic before the
// commit, and a reboot must not take it from them.
func (s *Step) settleAtBoot(ctx context.Context) error {
	h, all, err := s.service(ctx)
	if err != nil {
		return err
	}
	return h.enable(ctx, s.own(all))
}

// ready fails before the first effect where no unit could run.
func (s *Step) ready(ctx context.Context, h host) error {
	err := h.able(ctx, s.settings.User)
	if ripcord.CodeOf(err) == ripcord.CodeRefused && err != nil {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: err.Error()}
	}
	return err
}

// Undo stops and removes exactly the units of this run.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	h, all, err := s.service(ctx)
	if err != nil {
		return err
	}
	if s.settings.Replace != nil {
		return s.restore(ctx, a, h, all)
	}
	if err := s.remove(ctx, a, h, s.own(all)); err != nil {
		return err
	}
	// The files may be there before the first unit is.
	p, ok, err := service.Recorded(a.Progress)
	if err != nil || !ok || s.chooser(h).Vacant(p.Colour, known(all)) != nil {
		return err
	}
	l := s.labels(p, 0)
	return h.clear(ctx, &l)
}

// Finish makes sure that the release's units start at boot, and then stops and removes the
// service's units of all other runs: the release is committed, and no way back
// needs them any more.
func (s *Step) Finish(ctx context.Context, a ripcord.Attempt) error {
	h, all, err := s.service(ctx)
	if err != nil {
		return err
	}
	if s.settings.Replace != nil {
		return s.forget(ctx, a, h, all)
	}
	// After a reboot between the commit and now they do not run yet.
	if err := h.enable(ctx, s.own(all)); err != nil {
		return err
	}
	return s.remove(ctx, a, h, slices.DeleteFunc(all, func(u unit) bool { return s.mine(&u) }))
}

func (s *Step) remove(ctx context.Context, a ripcord.Attempt, h host, units []unit) error {
	for i := range units {
		u := &units[i]
		service.Note(a.Output, "stopping %s of %s %s", u.Name, s.settings.Service, u.Version)
	}
	return h.remove(ctx, units)
}

// mine reports whether this step's run started the unit.
func (s *Step) mine(u *unit) bool { return u.Run == string(s.scope.Run) }

// own returns the units of this run.
func (s *Step) own(all []unit) []unit {
	var own []unit
	for i := range all {
		if s.mine(&all[i]) {
			own = append(own, all[i])
		}
	}
	return own
}
