package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	if s.settings.open() {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: "the addresses of the new side are not known"}
	}
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	goal, want, err := s.goal(before)
	if err != nil {
		return err
	}
	if _, err := s.await(ctx); err != nil {
		return s.plain(err)
	}
	if err := s.feasible(before, want); err != nil {
		return err
	}
	if err := s.ready(ctx, a, goal.Sides[0].addresses()); err != nil {
		return err
	}
	if err := s.put(ctx, a, before, want); err != nil {
		return err
	}
	say(a, "requests to upstream %s go to %s", s.settings.Upstream, goal.routed())
	if goal.split() {
		return nil
	}
	return s.drained(ctx, a)
}

// put gives our file another text, and makes nginx serve it.
func (s *Step) put(ctx context.Context, a ripcord.Attempt, before, want image) error {
	if begun, _, _ := recorded(a); !begun {
		// One that is just starting has not all of its workers yet.
		limited, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
		r, err := s.quiet(limited)
		cancel()
		if err != nil {
			return s.plain(err)
		}
		if err := a.Record(ctx, progress{Workers: ids(r.serving)}); err != nil {
			return err
		}
	}
	if err := s.replace(ctx, want, before); err != nil {
		return err
	}
	if err := s.served(ctx, a); err != nil {
		return errors.Join(err, s.putBack(ctx, before, want))
	}
	return nil
}

// goal is what Apply makes of the before-image.
func (s *Step) goal(before image) (model, image, error) { return s.goalOf(before, s.settings.toward) }

func (s *Step) goalOf(before image, toward func(was model) model) (model, image, error) {
	was, err := s.settings.understand(before.Text)
	if err != nil {
		return was, before, &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: s.notOurs(err).Error()}
	}
	goal := toward(was)
	want := before
	if want.Text, err = goal.text(); err != nil {
		return goal, want, err
	}
	if before.Absent {
		want.Absent, want.Mode, want.UID, want.GID = false, 0o644, os.Geteuid(), os.Getegid()
	}
	return goal, want, nil
}

// feasible looks whether somebody else changed our file, before anything else.
func (s *Step) feasible(from ...image) error {
	now, err := s.look()
	if err != nil {
		return err
	}
	return s.known(now.image, from...)
}

// served makes sure that nginx serves the file as it is.
func (s *Step) served(ctx context.Context, a ripcord.Attempt) error {
	now, err := s.look()
	if err != nil {
		return err
	}
	r, err := s.await(ctx)
	if err != nil {
		return s.plain(err)
	}
	if r.serves(now.placed) {
		return nil
	}
	return s.reload(ctx, a)
}

// putBack gives the old file its place again when nginx did not take the new one,
// so that a restart serves what is served now.
func (s *Step) putBack(ctx context.Context, before, want image) error {
	now, err := s.look()
	if ctx.Err() != nil || err != nil || now.image != want {
		return err // Undo does the rest
	}
	if !before.Absent {
		if err := before.write(s.candidate()); err != nil {
			return err
		}
	}
	return s.place(before)
}

// ready probes addresses until each has answered well often enough in a row.
func (s *Step) ready(ctx context.Context, a ripcord.Attempt, addresses []string) error {
	set := s.settings.Health
	asker := health.Asker{Scope: s.scope, Step: s.id}
	questions, err := asker.Questions(health.Settings{Targets: strings.Join(addresses, ","), Path: set.HTTP, AttemptTimeout: set.Timeout})
	if err != nil {
		return err
	}
	say(a, "waiting until %s are ready", strings.Join(addresses, ", "))
	limited, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
	defer cancel()
	good := make([]int, len(questions))
	var known []string
	for {
		var problems []string
		for n, question := range questions {
			if good[n] >= set.Successes {
				continue
			}
			good[n]++
			if err := question.Ask(limited); err != nil {
				good[n] = 0
				problems = append(problems, question.Name+": "+err.Error())
			}
		}
		if slices.Min(good) >= set.Successes {
			return nil
		}
		if pause(limited, set.Interval.Std()) {
			known = problems
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(known) > 0 { // the end of the wait is no answer of theirs
			problems = known
		}
		if len(problems) == 0 {
			problems = []string{"the probes did not end"}
		}
		return &ripcord.Failure{
			Class:   ripcord.FailedHealth,
			Summary: fmt.Sprintf("%s did not become ready within %s: %s", s.newcomers(), s.settings.Ready, problems[0]),
			Lines:   problems,
		}
	}
}

// newcomers are what is to get requests, for people.
func (s *Step) newcomers() string {
	if s.settings.State != "" {
		return "instances that are to come back into upstream " + s.settings.Upstream
	}
	return "the new side of upstream " + s.settings.Upstream
}
