package process

import (
	"context"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Check lists the service's instances. The effect is present when all instances
// of this very run are there and healthy; those of other runs are the image that
// going back must find unchanged.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	all, err := s.list(ctx)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	if s.settings.Replace != nil {
		return s.checkPlaces(ctx, s.covered(all))
	}
	sets, own := setsOf(all), s.own(all)
	state := service.State{
		Sets: sets, Detail: s.described(sets), Own: len(own), Wanted: s.settings.Instances, Noun: "instance",
		Sick: func(ctx context.Context) string { return s.sick(ctx, own) },
	}
	return state.Observe(ctx)
}

// own returns the instances of this run.
func (s *Step) own(all []ripcord.InstanceStatus) []ripcord.InstanceStatus {
	var own []ripcord.InstanceStatus
	for i := range all {
		if s.mine(&all[i]) {
			own = append(own, all[i])
		}
	}
	return own
}

// sick says which of the instances is not healthy right now; "" is none.
func (s *Step) sick(ctx context.Context, own []ripcord.InstanceStatus) string {
	addresses := make([]string, len(own))
	for i := range own {
		if !own[i].Running {
			return fmt.Sprintf("instance %d does not run", number(own[i].ID))
		}
		addresses[i] = own[i].Labels[labelAddress]
	}
	for i, err := range s.settings.Health.ProbeAll(ctx, dial(), addresses) {
		if err != nil {
			return fmt.Sprintf("instance %d is not healthy: %v", number(own[i].ID), err)
		}
	}
	return ""
}

// described is one line about what runs.
func (s *Step) described(sets []set) string {
	if len(sets) == 0 {
		return "no instance of " + s.settings.Service + " is wanted"
	}
	words := make([]string, len(sets))
	for i, have := range sets {
		words[i] = fmt.Sprintf("%s %s in %s", service.Plural(have.Instances, "instance"), have.Version, have.Colour)
	}
	return s.settings.Service + ": " + strings.Join(words, ", ")
}
