package process

import (
	"context"
	"net"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// dial connects from here, where the instances run.
func dial() service.Dialer { return (&net.Dialer{}).DialContext }

// chooser finds places for this run's instances.
func (s *Step) chooser() *service.Chooser {
	return &service.Chooser{
		Service: s.settings.Service, Run: s.scope.Run, Instances: s.settings.Instances, Ports: s.settings.ports,
		ID: s.id, Free: service.Listens, Any: service.AnyPort,
	}
}

// before tells which colours were in use when the step began.
func before(image ripcord.Observation, all []ripcord.InstanceStatus) ([]service.Instance, error) {
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

// known is what all runtimes know of instances.
func known(all []ripcord.InstanceStatus) []service.Instance {
	instances := make([]service.Instance, len(all))
	for i := range all {
		labels := all[i].Labels
		instances[i] = service.Instance{
			Colour: labels[labelColour], Run: labels[labelRun], Version: labels[labelVersion], Address: labels[labelAddress],
			Number: number(all[i].ID),
		}
	}
	return instances
}

// settle returns the place of this run.
func (s *Step) settle(ctx context.Context, a ripcord.Attempt, all []ripcord.InstanceStatus) (service.Place, error) {
	used, err := before(a.Before, all)
	if err != nil {
		return service.Place{}, err
	}
	return s.chooser().Settle(ctx, a, used, known(all))
}
