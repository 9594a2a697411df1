package systemd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// set is the units of one service that one run started. The image of a service is
// the list of its sets: what is installed, not how it fares.
type set struct {
	Colour  string `json:"colour"`
	Run     string `json:"run"`
	Version string `json:"version"`
	// Units are the digests of the unit files, by number.
	Units []string `json:"units"`
	// Enabled is how many of them start at boot.
	Enabled int `json:"enabled"`
}

// Check lists the service's units. The effect is present when all units of this
// very run are there and healthy; those of other runs are the image that going
// back must find unchanged.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	h, all, err := s.service(ctx)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	if s.settings.Replace != nil {
		return s.checkPlaces(ctx, h, s.covered(all))
	}
	sets, own := setsOf(all), s.own(all)
	state := service.State{
		Sets: sets, Detail: s.described(sets), Own: len(own), Wanted: s.settings.Instances, Noun: "unit",
		Sick: func(ctx context.Context) string { return s.sick(ctx, h, own) },
	}
	return state.Observe(ctx)
}

// sick says which of the units is not healthy right now; "" is none.
func (s *Step) sick(ctx context.Context, h host, own []unit) string {
	addresses := make([]string, len(own))
	for i := range own {
		if !own[i].running() {
			return fmt.Sprintf("%s does not run (%s, %s)", own[i].Name, own[i].Active, own[i].Sub)
		}
		addresses[i] = own[i].Address
	}
	for i, err := range s.settings.Health.ProbeAll(ctx, h.dial(), addresses) {
		if err != nil {
			return fmt.Sprintf("%s is not healthy: %v", own[i].Name, err)
		}
	}
	return ""
}

// setsOf groups units, which are sorted by colour and number.
func setsOf(units []unit) []set {
	sets := []set{}
	for i := range units {
		u := &units[i]
		at := slices.IndexFunc(sets, func(have set) bool {
			return have.Colour == u.Colour && have.Run == u.Run && have.Version == u.Version
		})
		if at < 0 {
			sets, at = append(sets, set{Colour: u.Colour, Run: u.Run, Version: u.Version}), len(sets)
		}
		sets[at].Units = append(sets[at].Units, fmt.Sprintf("%d:%s", u.Number, u.Digest))
		if u.Enabled {
			sets[at].Enabled++
		}
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

// described is one line about what is installed.
func (s *Step) described(sets []set) string {
	if len(sets) == 0 {
		return "no unit of " + s.settings.Service + " is installed"
	}
	words := make([]string, len(sets))
	for i, have := range sets {
		words[i] = fmt.Sprintf("%s %s in %s", service.Plural(len(have.Units), "unit"), have.Version, have.Colour)
	}
	return s.settings.Service + ": " + strings.Join(words, ", ")
}
