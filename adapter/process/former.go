package process

import (
	"context"
	"fmt"
	"slices"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// stay is the image of an instance in its place.
type stay struct {
	Number  int    `json:"number"`
	Address string `json:"address"`
	Colour  string `json:"colour"`
	Run     string `json:"run"`
	Version string `json:"version"`
	Command string `json:"command"`
}

// checkPlaces observes the instances that the step is about: which one is wanted
// in which place. The effect is present when the run's own are in all of them.
func (s *Step) checkPlaces(ctx context.Context, all []ripcord.InstanceStatus) (ripcord.Observation, error) {
	own, stays := s.own(all), []stay{}
	if !s.settings.Replace.Look {
		for i := range all {
			l := all[i].Labels
			stays = append(stays, stay{number(all[i].ID), l[labelAddress], l[labelColour], l[labelRun], l[labelVersion], l[labelCommand]})
		}
	} else {
		own = nil
	}
	state := service.State{
		Sets: stays, Detail: s.described(setsOf(all)), Own: len(own), Wanted: len(s.settings.Replace.New(s.settings.Instances)), Noun: "instance",
		Sick: func(ctx context.Context) string {
			if old := s.olds(all); len(old) > 0 {
				return fmt.Sprintf("instance %d of %s is still there", number(old[0].ID), old[0].Labels[labelVersion])
			}
			return s.sick(ctx, own)
		},
	}
	return state.Observe(ctx)
}

// former is the supervisor as whoever follows old instances on their way back
// sees it.
type former struct {
	step *Step
	of   *service.Replaced
}

// old returns the instance of a number.
func (f former) old(number int) *service.Old {
	at := slices.IndexFunc(f.of.Old, func(old service.Old) bool { return old.Number == number })
	return &f.of.Old[at]
}

// Order starts one again.
func (f former) Order(ctx context.Context, _ service.Place, number int) error {
	return f.step.revive(ctx, f.old(number))
}

// Halt stops one.
func (f former) Halt(ctx context.Context, _ service.Place, number int) error {
	return f.step.halt(ctx, f.old(number).ID)
}

// Look tells how the old instances fare.
func (f former) Look(ctx context.Context) (map[int]service.Status, error) {
	all, err := f.step.list(ctx)
	if err != nil {
		return nil, err
	}
	now := map[int]service.Status{}
	for i := range f.of.Old {
		if found := status(all, f.of.Old[i].ID); found != nil {
			now[f.of.Old[i].Number] = service.Status{Running: found.Running, Ended: !found.Running && found.LastExit != nil, Restarts: found.Restarts}
		}
	}
	return now, nil
}

// Name is how people call one.
func (f former) Name(_ service.Place, number int) string {
	return fmt.Sprintf("%s instance %d of %s", f.step.settings.Service, number, f.old(number).Version)
}

// Tail returns the end of its log.
func (f former) Tail(ctx context.Context, _ service.Place, number, lines int) []string {
	text, err := f.step.scope.Supervisor.Tail(ctx, f.old(number).ID, lines)
	if err != nil {
		return nil // a failure without its log is still the failure
	}
	return text
}

// Dead tells that one did not come back.
func (f former) Dead(_ context.Context, p service.Place, number int) *ripcord.Failure {
	return &ripcord.Failure{Class: ripcord.FailedCommand, Summary: f.Name(p, number) + ", started again, ended before it was healthy"}
}
