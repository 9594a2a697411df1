package systemd

import (
	"context"
	"slices"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// stay is the image of a unit in its place.
type stay struct {
	Number  int    `json:"number"`
	Address string `json:"address"`
	Colour  string `json:"colour"`
	Run     string `json:"run"`
	Version string `json:"version"`
	Digest  string `json:"digest"`
	Enabled bool   `json:"enabled,omitempty"`
	Stopped bool   `json:"stopped,omitempty"`
}

func parseStays(image []byte) (stays []stay, err error) {
	err = service.ParseImage(image, &stays)
	return stays, err
}

// checkPlaces observes the units that the step is about. The effect is present when
// the run's own are in all places, and the old ones are stopped.
func (s *Step) checkPlaces(ctx context.Context, h host, all []unit) (ripcord.Observation, error) {
	own, stays := s.own(all), []stay{}
	for i := range all {
		u := &all[i]
		stays = append(stays, stay{u.Number, u.Address, u.Colour, u.Run, u.Version, u.Digest, u.Enabled, u.stopped()})
	}
	if s.settings.Replace.Look {
		own, stays = nil, []stay{}
	}
	state := service.State{
		Sets: stays, Detail: s.described(setsOf(all)), Own: len(own), Wanted: len(s.settings.Replace.New(s.settings.Instances)), Noun: "unit",
		Sick: func(ctx context.Context) string {
			for _, old := range s.olds(all) {
				if !old.stopped() {
					return old.Name + " of " + old.Version + " is still there"
				}
			}
			return s.sick(ctx, h, own)
		},
	}
	return state.Observe(ctx)
}

// former is systemd as whoever follows old units on their way back sees it.
type former struct {
	step *Step
	host host
	of   *service.Replaced
}

func (f former) old(number int) *service.Old {
	at := slices.IndexFunc(f.of.Old, func(old service.Old) bool { return old.Number == number })
	return &f.of.Old[at]
}

// Order starts one again.
func (f former) Order(ctx context.Context, _ service.Place, number int) error {
	return f.host.start(ctx, f.old(number).ID)
}

// Halt stops one.
func (f former) Halt(ctx context.Context, _ service.Place, number int) error {
	return f.host.halt(ctx, []unit{{Name: f.old(number).ID}})
}

// Look tells how the old units fare.
func (f former) Look(ctx context.Context) (map[int]service.Status, error) {
	_, all, err := f.step.service(ctx)
	if err != nil {
		return nil, err
	}
	now := map[int]service.Status{}
	for i := range f.of.Old {
		for n := range all {
			if u := &all[n]; u.Name == f.of.Old[i].ID {
				now[u.Number] = service.Status{Running: u.running(), Ended: u.ended(), Restarts: u.Restarts}
			}
		}
	}
	return now, nil
}

// Name is the unit's.
func (f former) Name(_ service.Place, number int) string { return f.old(number).ID }

// Tail returns the end of its log.
func (f former) Tail(ctx context.Context, _ service.Place, number, lines int) []string {
	_, all, err := f.step.service(ctx)
	if err != nil {
		return nil
	}
	for i := range all {
		if all[i].Name == f.old(number).ID {
			text, err := f.host.tail(ctx, &all[i], lines)
			if err != nil {
				return nil // a failure without its log is still the failure
			}
			return text
		}
	}
	return nil
}

// Dead tells that one did not come back.
func (f former) Dead(_ context.Context, p service.Place, number int) *ripcord.Failure {
	return &ripcord.Failure{Class: ripcord.FailedCommand, Summary: f.Name(p, number) + ", started again, ended before it was healthy"}
}
