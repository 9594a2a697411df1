package docker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// set is the containers of one service that one run started. The image of a
// service is the list of its sets: what is there, not how it fares.
type set struct {
	Colour  string `json:"colour"`
	Run     string `json:"run"`
	Version string `json:"version"`
	// Containers are their numbers and ids: one that was made anew is another.
	Containers []string `json:"containers"`
}

// Check lists the service's containers. The effect is present when all containers
// of this very run are there and healthy; those of other runs are the image that
// going back must find unchanged.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	e, all, err := s.service(ctx)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	if s.settings.Replace != nil {
		return s.checkPlaces(ctx, e, s.covered(all))
	}
	sets, own := setsOf(all), s.own(all)
	state := service.State{
		Sets: sets, Detail: s.described(sets), Own: len(own), Wanted: s.settings.Instances, Noun: "container",
		Sick: func(ctx context.Context) string { return s.sick(ctx, e, own) },
	}
	return state.Observe(ctx)
}

// sick says which of the containers is not healthy right now; "" is none.
func (s *Step) sick(ctx context.Context, e *engine, own []container) string {
	addresses := make([]string, len(own))
	for i := range own {
		if text := s.says(&own[i]); text != "" {
			return own[i].Name + ": " + text
		}
		addresses[i] = own[i].Address
	}
	for i, err := range s.settings.Health.ProbeAll(ctx, s.dial(e), addresses) {
		if err != nil {
			return fmt.Sprintf("%s is not healthy: %v", own[i].Name, err)
		}
	}
	return ""
}

// setsOf groups containers, which are sorted by colour and number.
func setsOf(all []container) []set {
	const short = 12
	sets := []set{}
	for i := range all {
		c := &all[i]
		at := slices.IndexFunc(sets, func(have set) bool {
			return have.Colour == c.Colour && have.Run == c.Run && have.Version == c.Version
		})
		if at < 0 {
			sets, at = append(sets, set{Colour: c.Colour, Run: c.Run, Version: c.Version}), len(sets)
		}
		sets[at].Containers = append(sets[at].Containers, fmt.Sprintf("%d:%s", c.Number, c.ID[:min(short, len(c.ID))]))
	}
	slices.SortFunc(sets, func(a, b set) int {
		return cmp.Or(cmp.Compare(a.Colour, b.Colour), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Version, b.Version))
	})
	return sets
}

// parseImage reads the image of a service.
func parseImage(image []byte) (sets []set, err error) {
	err = service.ParseImage(image, &sets)
	return sets, err
}

// described is one line about what is there.
func (s *Step) described(sets []set) string {
	if len(sets) == 0 {
		return "there is no container of " + s.settings.Service
	}
	words := make([]string, len(sets))
	for i, have := range sets {
		words[i] = fmt.Sprintf("%s %s in %s", service.Plural(len(have.Containers), "container"), have.Version, have.Colour)
	}
	return s.settings.Service + ": " + strings.Join(words, ", ")
}
