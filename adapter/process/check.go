package process

import (
	"context"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Check lists the service's instances. The effect is present when all instances
// of this very run are there and healthy; those of other runs are the image that
// going back must find unchanged.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	unknown := ripcord.Observation{Presence: ripcord.Unknown}
	all, err := s.list(ctx)
	if err != nil {
		return unknown, err
	}
	sets := setsOf(all)
	image, err := imageOf(sets)
	if err != nil {
		return unknown, err
	}
	seen := ripcord.Observation{Presence: ripcord.Absent, Image: image, Exact: true, Detail: s.described(sets)}
	own := s.own(all)
	if len(own) == 0 {
		return seen, nil
	}
	seen.Presence = ripcord.Partial
	if len(own) != s.settings.Instances {
		seen.Detail += fmt.Sprintf("; %d of %d instances are there", len(own), s.settings.Instances)
		return seen, nil
	}
	sick := s.sick(ctx, own)
	if ctx.Err() != nil {
		return unknown, ctx.Err()
	}
	if sick != "" {
		seen.Detail += "; " + sick
		return seen, nil
	}
	seen.Presence = ripcord.Present
	return seen, nil
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
	for i, err := range s.probeAll(ctx, addresses) {
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
		words[i] = fmt.Sprintf("%s %s in %s", plural(have.Instances, "instance"), have.Version, have.Colour)
	}
	return s.settings.Service + ": " + strings.Join(words, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
