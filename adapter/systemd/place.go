package systemd

import (
	"context"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// chooser finds places for this run's units.
func (s *Step) chooser(h host) *service.Chooser {
	return &service.Chooser{
		Service: s.settings.Service, Run: s.scope.Run, Instances: s.settings.Instances, Ports: s.settings.ports,
		Host: s.settings.Address, ID: s.unitName, Free: service.UnansweredAt(h.machine, s.settings.Address),
	}
}

func (s *Step) unitName(colour string, number int) string {
	return (&labels{Application: s.scope.Application, Environment: s.scope.Environment, Service: s.settings.Service, Colour: colour, Number: number}).name()
}

// before tells which colours were in use when the step began.
func before(image ripcord.Observation, all []unit) ([]service.Instance, error) {
	if !image.Exact {
		return known(all), nil
	}
	sets, err := parseImage(image.Image)
	if err != nil {
		return nil, err
	}
	used := make([]service.Instance, len(sets))
	for i, have := range sets {
		used[i] = service.Instance{Colour: have.Colour, Run: have.Run}
	}
	return used, nil
}

// known is what all runtimes know of units.
func known(all []unit) []service.Instance {
	instances := make([]service.Instance, len(all))
	for i := range all {
		u := &all[i]
		instances[i] = service.Instance{Colour: u.Colour, Run: u.Run, Version: u.Version, Address: u.Address, Number: u.Number}
	}
	return instances
}

// settle returns the place of this run.
func (s *Step) settle(ctx context.Context, a ripcord.Attempt, h host, all []unit) (service.Place, error) {
	used, err := before(a.Before, all)
	if err != nil {
		return service.Place{}, err
	}
	return s.chooser(h).Settle(ctx, a, used, known(all))
}
