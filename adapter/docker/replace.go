package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Containers that are replaced stay with the engine, stopped and without a restart
// policy, until the release is committed: going back only has to start them again.

// stopped reports whether a container does not run, and its engine is not about to
// start it.
func (c *container) stopped() bool { return c.State.Status == "exited" || c.State.Status == "created" }

// covers reports whether the step is about a container: with Replace it is about
// those with its numbers only.
func (s *Step) covers(c *container) bool {
	r := s.settings.Replace
	return r == nil || !r.Look && r.Has(c.Number, s.settings.Instances)
}

// covered returns the containers that the step is about.
func (s *Step) covered(all []container) []container {
	return slices.DeleteFunc(slices.Clone(all), func(c container) bool { return !s.covers(&c) })
}

// olds returns those of other runs.
func (s *Step) olds(all []container) []container {
	return slices.DeleteFunc(slices.Clone(all), func(c container) bool { return s.mine(&c) })
}

// replace stops the old containers and starts the new ones in their places. The
// image is there before the first one stops.
func (s *Step) replace(ctx context.Context, a ripcord.Attempt, e *engine, all []container) error {
	if s.settings.Replace.Look {
		return nil
	}
	r, ok, err := service.RecordedReplaced(a.Progress)
	if err == nil && !ok {
		r.Image, err = s.sameImage(ctx, e, all)
	}
	if err != nil {
		return err
	}
	if err := s.bring(ctx, e, r.Image, a); err != nil {
		return err
	}
	if !ok {
		if _, all, err = s.service(ctx); err != nil { // bringing it may have taken long
			return err
		}
		if r, err = s.note(ctx, a, e, all, r.Image); err != nil {
			return err
		}
	}
	if err := s.park(ctx, a, e, s.olds(s.covered(all))); err != nil {
		return err
	}
	numbers, run := s.settings.Replace.New(s.settings.Instances), runner{s, e, r.Image}
	w := &service.Watch{Runtime: run, Chooser: s.fixed(e), Health: &s.settings.Health.Health, Dial: s.dial(e), Attempt: a, Place: r.Place}
	if err := run.start(ctx, w, all, numbers); err != nil {
		return err
	}
	service.Note(a.Output, "%s of %s started in %s on %s", service.Plural(len(numbers), "container"), s.settings.Service, r.Colour, r.Addresses())
	if err := w.Wait(ctx); err != nil {
		return err
	}
	service.Note(a.Output, "all are healthy")
	return nil
}

// sameImage is what this run's other containers are made of, so that all batches
// have the same image, also where an earlier step told its name.
func (s *Step) sameImage(ctx context.Context, e *engine, all []container) (string, error) {
	if own := s.own(all); len(own) > 0 {
		return own[0].Called, nil
	}
	return s.pinned(ctx, e)
}

// fixed is a chooser whose containers stay where they are: users find them there.
func (s *Step) fixed(e *engine) *service.Chooser {
	c := s.chooser(e)
	c.Free = func(context.Context, int) bool { return true }
	return c
}

// note writes down what is there, after there is room to take it away.
func (s *Step) note(ctx context.Context, a ripcord.Attempt, e *engine, all []container, image string) (service.Replaced, error) {
	var r service.Replaced
	old := s.olds(s.covered(all))
	own := 0
	for i := range old {
		c := &old[i]
		if c.Number <= s.settings.Instances {
			own++
		}
		r.Old = append(r.Old, service.Old{ID: c.ID, Number: c.Number, Address: c.Address, Colour: c.Colour, Version: c.Version})
	}
	health := &s.settings.Health.Health
	if err := s.settings.Replace.Room(ctx, own, health, s.missing); err != nil {
		return r, err
	}
	var err error
	if r.Place, err = s.chooser(e).Within(ctx, s.settings.Replace.New(s.settings.Instances), known(all)); err != nil {
		return r, err
	}
	r.Image = image
	r.Ask(ctx, health, s.dial(e))
	for i := range old {
		// Its engine knows more, and listens for each that runs.
		r.Old[i].Healthy = r.Old[i].Healthy && s.says(&old[i]) == ""
		r.Old[i].Listens = r.Old[i].Listens && old[i].running() && old[i].Restarts == 0
	}
	return r, a.Record(ctx, r)
}

// missing counts the containers that the step is not about and that are ill. Those
// that this release has replaced do not count.
func (s *Step) missing(ctx context.Context) (ill int, which string, err error) {
	e, all, err := s.service(ctx)
	if err != nil {
		return 0, "", err
	}
	own := s.own(all)
	for i := range all {
		c := &all[i]
		if s.covers(c) || !s.mine(c) && slices.ContainsFunc(own, func(of container) bool { return of.Number == c.Number }) {
			continue
		}
		if sick := s.sick(ctx, e, all[i:i+1]); sick != "" {
			ill, which = ill+1, sick
		}
	}
	return ill, which, ctx.Err()
}

// rest stops a container for good.
func (e *engine) rest(ctx context.Context, c *container) error {
	if !c.never() {
		if err := e.policy(ctx, c.ID, restartPolicy{Name: restartNo}); err != nil {
			return err
		}
	}
	return e.stop(ctx, c.ID)
}

// park stops containers and lets them be. Their engine does not start them again.
func (s *Step) park(ctx context.Context, a ripcord.Attempt, e *engine, old []container) error {
	return each(old, func(c *container) error {
		if c.stopped() && c.never() {
			return nil
		}
		service.Note(a.Output, "stopping %s of %s %s", c.Name, s.settings.Service, c.Version)
		err := e.rest(ctx, c)
		if answered(err, http.StatusNotFound) {
			return nil // somebody has removed it: the before-image shows that
		}
		if err != nil {
			return fmt.Errorf("stop %s: %w", c.Name, err)
		}
		return nil
	})
}

// never reports whether the engine never starts a container by itself.
func (c *container) never() bool { return c.Policy == "" || c.Policy == restartNo }

// each does something with some containers at a time.
func each(all []container, do func(c *container) error) error {
	results, room := make([]error, len(all)), make(chan struct{}, together)
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() {
			room <- struct{}{}
			results[i] = do(&all[i])
			<-room
		})
	}
	wait.Wait()
	return errors.Join(results...)
}

// released is how long the engine may take to give back the port of a container
// that it says has stopped.
const released = 5 * time.Second

// launch starts a container that has been made. One whose place is fixed waits for
// its port.
func (s *Step) launch(ctx context.Context, e *engine, id string) error {
	if s.settings.Replace == nil {
		return e.start(ctx, id)
	}
	limited, done := context.WithTimeout(ctx, released)
	defer done()
	var err error
	_ = until(limited, func() (bool, error) { // what the engine said last is the reason
		err = e.start(ctx, id)
		return err == nil || !clash(err.Error()), nil
	})
	return err
}

// replaceTraits says that going back is exact.
func (s *Step) replaceTraits(traits ripcord.Traits) ripcord.Traits {
	if s.settings.Replace.Look {
		traits.Finishes = false
		traits.Reversal = ripcord.Reversal{Way: ripcord.WayNothing}
		return traits
	}
	traits.Reversal.How = fmt.Sprintf("remove the containers that this release started of %s (docker rm -f), and start the old ones again (docker update --restart=%s, docker start): they stay until the commit",
		s.settings.Replace.Words(s.settings.Service, s.settings.Instances), s.settings.Restart)
	return traits
}

// explainReplace says what would be stopped and started.
func (s *Step) explainReplace(ctx context.Context, e *engine, all []container) string {
	old := ""
	if sets := setsOf(s.covered(all)); len(sets) > 0 {
		old = strings.TrimPrefix(s.described(sets), s.settings.Service+": ")
	}
	set := &s.settings
	of := service.Settings{Service: set.Service, Instances: set.Instances, Health: set.Health.Health, Grace: set.Grace, Replace: set.Replace}
	text := of.ReplaceText(s.scope.Version, old)
	if s.settings.Replace.Look {
		return text
	}
	text += "; from " + s.called() + s.whence(ctx, e)
	if s.settings.Machine != "" {
		text += ", on machine " + s.settings.Machine
	}
	return text
}
