package docker

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// stay is the image of a container in its place.
type stay struct {
	Number  int    `json:"number"`
	Address string `json:"address"`
	Colour  string `json:"colour"`
	Run     string `json:"run"`
	Version string `json:"version"`
	// ID is the engine's: one that was made anew is another.
	ID      string `json:"id"`
	Policy  string `json:"restart,omitempty"`
	Retries int    `json:"retries,omitempty"`
	Stopped bool   `json:"stopped,omitempty"`
}

func parseStays(image []byte) (stays []stay, err error) {
	err = service.ParseImage(image, &stays)
	return stays, err
}

// checkPlaces observes the containers that the step is about. The effect is
// present when the run's own are in all places, and the old ones are stopped.
func (s *Step) checkPlaces(ctx context.Context, e *engine, all []container) (ripcord.Observation, error) {
	own, stays := s.own(all), []stay{}
	for i := range all {
		c := &all[i]
		stays = append(stays, stay{c.Number, c.Address, c.Colour, c.Run, c.Version, c.ID, c.Policy, c.Retries, c.stopped()})
	}
	state := service.State{
		Sets: stays, Detail: s.described(setsOf(all)), Own: len(own), Wanted: len(s.settings.Replace.New(s.settings.Instances)), Noun: "container",
		Sick: func(ctx context.Context) string {
			for _, old := range s.olds(all) {
				if !old.stopped() {
					return old.Name + " of " + old.Version + " is still there"
				}
			}
			return s.sick(ctx, e, own)
		},
	}
	return state.Observe(ctx)
}

// restore starts the old containers again as they were, and waits until those
// that were healthy are so again.
func (s *Step) restore(ctx context.Context, a ripcord.Attempt) error {
	r, ok, err := service.RecordedReplaced(a.Progress)
	if err != nil || !ok || len(r.Old) == 0 {
		return err
	}
	before, err := parseStays(a.Before.Image)
	if err != nil {
		return err
	}
	e, all, err := s.service(ctx)
	if err != nil {
		return err
	}
	old := s.olds(s.covered(all))
	err = each(old, func(c *container) error {
		at := slices.IndexFunc(before, func(was stay) bool { return was.ID == c.ID })
		if at < 0 {
			return nil
		}
		return s.revive(ctx, a, e, c, &before[at])
	})
	if err != nil {
		return err
	}
	for i := range before {
		if !slices.ContainsFunc(old, func(c container) bool { return c.ID == before[i].ID }) {
			return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: fmt.Sprintf(
				"container %d of %s %s was removed by somebody else while it was stopped, and cannot be started again", before[i].Number, s.settings.Service, before[i].Version)}
		}
	}
	w := service.Watch{Runtime: former{s, e, &r}, Chooser: s.fixed(e), Health: &s.settings.Health.Health, Dial: s.dial(e), Attempt: a}
	if err := r.Return(ctx, w); err != nil {
		return err
	}
	service.Note(a.Output, "what was healthy is so again")
	return nil
}

// revive makes a container what it was.
func (s *Step) revive(ctx context.Context, a ripcord.Attempt, e *engine, c *container, was *stay) error {
	if c.Policy != was.Policy || c.Retries != was.Retries {
		if err := e.policy(ctx, c.ID, restartPolicy{was.Policy, was.Retries}); err != nil {
			return fmt.Errorf("let %s be started again: %w", c.Name, err)
		}
	}
	if was.Stopped || !c.stopped() {
		return nil
	}
	service.Note(a.Output, "starting %s of %s %s again on %s", c.Name, s.settings.Service, c.Version, c.Address)
	if err := s.launch(ctx, e, c.ID); err != nil {
		if away(err) || ctx.Err() != nil {
			return err
		}
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: fmt.Sprintf("%s of %s could not be started again: %s", c.Name, c.Version, c.mask(plainStart(err.Error())))}
	}
	return nil
}

// former is the engine as whoever follows old containers on their way back sees
// it.
type former struct {
	step   *Step
	engine *engine
	of     *service.Replaced
}

func (f former) old(number int) *service.Old {
	at := slices.IndexFunc(f.of.Old, func(old service.Old) bool { return old.Number == number })
	return &f.of.Old[at]
}

// Order starts one again.
func (f former) Order(ctx context.Context, _ service.Place, number int) error {
	return f.step.launch(ctx, f.engine, f.old(number).ID)
}

// Halt stops one.
func (f former) Halt(ctx context.Context, _ service.Place, number int) error {
	return f.engine.stop(ctx, f.old(number).ID)
}

// Look tells how the old containers fare. While the engine is away nothing is known
// to have ended.
func (f former) Look(ctx context.Context) (map[int]service.Status, error) {
	now := map[int]service.Status{}
	_, all, err := f.step.service(ctx)
	if away(err) {
		for i := range f.of.Old {
			now[f.of.Old[i].Number] = service.Status{Sick: err.Error()}
		}
		return now, nil
	}
	if err != nil {
		return nil, err
	}
	for i := range f.of.Old {
		for n := range all {
			if c := &all[n]; c.ID == f.of.Old[i].ID {
				now[c.Number] = service.Status{Running: c.running(), Ended: c.ended(), Sick: f.step.says(c), Restarts: c.Restarts}
			}
		}
	}
	return now, nil
}

// Name is the container's, and its version.
func (f former) Name(_ service.Place, number int) string {
	old := f.old(number)
	return f.step.containerName(old.Colour, number) + " of " + old.Version
}

// Tail returns the end of its log.
func (f former) Tail(ctx context.Context, _ service.Place, number, lines int) []string {
	return f.engine.lastWords(ctx, f.old(number).ID, lines)
}

// Dead tells that one did not come back.
func (f former) Dead(ctx context.Context, p service.Place, number int) *ripcord.Failure {
	how := "ended"
	c, err := f.engine.inspect(ctx, f.old(number).ID)
	switch {
	case answered(err, http.StatusNotFound):
		how = "was removed by somebody else"
	case err == nil:
		how = c.exit(f.step.settings.Limits.Memory)
	}
	return &ripcord.Failure{Class: ripcord.FailedCommand, Summary: f.Name(p, number) + ", started again, " + how + " before it was healthy"}
}
