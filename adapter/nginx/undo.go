package nginx

import (
	"context"
	"errors"

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
	if _, err := s.find(); errors.Is(err, errNotRunning) {
		say(a, "nginx does not run: it will serve the old file when it starts")
		return s.replace(ctx, before, from...)
	}
	s.keepEvidence(a)
	if err := s.replace(ctx, before, from...); err != nil {
		return err
	}
	r, err := s.find()
	if err != nil {
		return s.plain(err)
	}
	if !s.servesBefore(a, r) {
		if err := s.served(ctx, a); err != nil {
			return err
		}
	}
	if was, err := s.settings.understand(before.Text); err == nil {
		say(a, "requests to upstream %s go to %s again", s.settings.Upstream, was.routed())
	}
	if s.routes(before) { // the way back goes on: the steps before are undone next
		return nil
	}
	return s.drained(ctx, a)
}

// servesBefore reports whether nginx was never made to read another file: then
// those that served at the beginning still do.
func (s *Step) servesBefore(a ripcord.Attempt, r running) bool {
	_, asked, workers := recorded(a)
	if !r.only(workers) {
		return false
	}
	idle, known := r.master.idle()
	return !asked || known && idle
}

// Finish implements ripcord.Finisher: nothing of the old side is left in the file
// after a full shift; its instances may go when no old worker needs them.
func (s *Step) Finish(ctx context.Context, a ripcord.Attempt) error {
	if s.settings.share() < full {
		return s.unstage()
	}
	return errors.Join(s.drained(ctx, a), s.unstage())
}
