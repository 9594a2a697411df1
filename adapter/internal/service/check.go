package service

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// State is what a Check has found of a service.
type State struct {
	// Sets is the image: what is wanted, not how it fares.
	Sets any
	// Detail is one line about it.
	Detail string
	// Own is how many instances of this run are there, Wanted how many there
	// should be, and Noun what they are called.
	Own, Wanted int
	Noun        string
	// Sick says which of them is not healthy right now; "" is none.
	Sick func(ctx context.Context) string
}

// Observe makes the observation: the effect is present when all instances of the
// run are there and healthy; those of other runs are the image that going back
// must find unchanged.
func (s *State) Observe(ctx context.Context) (ripcord.Observation, error) {
	unknown := ripcord.Observation{Presence: ripcord.Unknown}
	image, err := json.Marshal(s.Sets)
	if err != nil {
		return unknown, err
	}
	seen := ripcord.Observation{Presence: ripcord.Absent, Image: image, Exact: true, Detail: s.Detail}
	if s.Own == 0 {
		return seen, nil
	}
	seen.Presence = ripcord.Partial
	if s.Own != s.Wanted {
		seen.Detail += fmt.Sprintf("; %d of %d %ss are there", s.Own, s.Wanted, s.Noun)
		return seen, nil
	}
	sick := s.Sick(ctx)
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

// ParseImage reads the image of a service into sets.
func ParseImage(image []byte, sets any) error {
	if err := json.Unmarshal(image, sets); err != nil {
		return fmt.Errorf("the before-image of the service: %w", err)
	}
	return nil
}

// Beside ends a sentence about what would start: in which colour, and beside
// what, which described tells after the service's name.
func Beside(colour, service, described string, alone bool) string {
	if alone {
		return " in " + colour
	}
	return " in " + colour + ", beside " + strings.TrimPrefix(described, service+": ")
}
