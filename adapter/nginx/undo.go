package nginx

import (
	"context"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// Undo implements ripcord.Step.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	begun, _, _ := recorded(a)
	if !begun { // the file was not touched
		return s.unstage()
	}
	from := []image{before}
	if !s.settings.open() {
		if _, want, err := s.goal(before); err == nil {
			from = append(from, want)
		}
	}
	again := ""
	if was, err := s.settings.understand(before.Text); err == nil {
		again = fmt.Sprintf("requests to upstream %s go to %s again", s.settings.Upstream, was.routed())
	}
	return s.takeBack(ctx, a, before, from, way{
		again: again,
		ready: func(now image) error { return s.backServes(ctx, a, before, now) },
		last:  !s.routes(before), // else the way back goes on: the steps before are undone next
	})
}

// way is how a step goes back.
type way struct {
	// again says what is as it was, for people; empty is nothing that they could
	// read.
	again string
	// ready waits until what is to have traffic again can have it.
	ready func(now image) error
	// last waits for old workers, because what they use may stop next.
	last bool
}

// takeBack makes nginx serve the before-image; from are the versions of our file
// that the step knows.
func (s *Step) takeBack(ctx context.Context, a ripcord.Attempt, before image, from []image, w way) error {
	now, err := s.look()
	if err != nil {
		return err
	}
	foreign := s.known(now.image, from...) != nil
	s.keepEvidence(a, now, foreign)
	if foreign { // users come first, and nothing is lost
		say(a, "somebody else changed %s since this step began: it is put back, and what they wrote is in the evidence", s.settings.Include)
	}
	if err := w.ready(now.image); err != nil {
		return err
	}
	if err := s.replace(ctx, before, append(from, now.image)...); err != nil {
		return err
	}
	r, err := s.await(ctx)
	if errors.Is(err, errNotRunning) {
		say(a, "nginx does not run: it will serve the old file when it starts")
		return ctx.Err()
	}
	if err != nil {
		return s.plain(err)
	}
	if !s.servesBefore(ctx, a, r) {
		if err := s.served(ctx, a); err != nil {
			return err
		}
	}
	if w.again != "" {
		say(a, "%s", w.again)
	}
	if !w.last {
		return nil
	}
	return s.drained(ctx, a)
}

// patienceUnknown is how many looks in a row may not tell what the master does: of
// one that is just being executed the kernel says nothing.
const patienceUnknown = 20

// servesBefore reports whether nginx was never made to serve another file: then
// those that served at the beginning still do, and no reload is under way.
func (s *Step) servesBefore(ctx context.Context, a ripcord.Attempt, r running) bool {
	_, asked, workers := recorded(a)
	if !asked {
		return r.only(workers)
	}
	limited, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
	defer cancel()
	for unknown := 0; r.only(workers); {
		idle, known := r.master.idle()
		if unknown++; known {
			unknown = 0
		}
		if idle {
			now, err := s.find() // it may have become so just now
			return err == nil && now.only(workers)
		}
		if unknown > patienceUnknown || !pause(limited, pollInterval) {
			return false
		}
		now, err := s.find()
		if err != nil {
			return false
		}
		r = now
	}
	return false
}

// Finish implements ripcord.Finisher: nothing of the old side is left in the file
// after a full shift; its instances may go when no old worker needs them.
func (s *Step) Finish(ctx context.Context, a ripcord.Attempt) error {
	if s.settings.share() < full {
		return s.unstage()
	}
	return errors.Join(s.drained(ctx, a), s.unstage())
}
