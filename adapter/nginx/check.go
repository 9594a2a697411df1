package nginx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Check implements ripcord.Step.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	return s.observe(ctx, s.presence)
}

// observe shows what is there, and how much of a change that is.
func (s *Step) observe(ctx context.Context, presence func(found) (ripcord.Presence, string, error)) (ripcord.Observation, error) {
	unknown := ripcord.Observation{Presence: ripcord.Unknown}
	now, err := s.look()
	if err != nil {
		return unknown, err
	}
	data, err := json.Marshal(now.image)
	if err != nil {
		return unknown, err
	}
	much, detail, err := presence(now)
	if err != nil {
		return unknown, err
	}
	return ripcord.Observation{Presence: much, Image: data, Exact: true, Detail: detail}, ctx.Err()
}

// presence says how much of the shift is there.
func (s *Step) presence(now found) (ripcord.Presence, string, error) {
	m, err := s.settings.understand(now.Text)
	if err != nil {
		return ripcord.Absent, s.settings.Include + " is none that Ripcord wrote: " + err.Error(), nil //nolint:nilerr // Apply refuses it
	}
	detail := "requests to upstream " + s.settings.Upstream + " go to " + m.routed()
	if s.settings.open() || now.Absent {
		return ripcord.Absent, detail, nil
	}
	goal := s.settings.toward(m)
	if !m.knows(goal.Sides[0].addresses()) {
		return ripcord.Absent, detail, nil
	}
	text, err := goal.text()
	if err != nil || text != now.Text {
		return ripcord.Partial, detail, err
	}
	r, err := s.find()
	switch {
	case errors.Is(err, errNotRunning):
		return ripcord.Partial, detail + " in the file, but nginx does not run", nil
	case err != nil:
		return ripcord.Unknown, "", err
	case !r.serves(now.placed):
		return ripcord.Partial, detail + " in the file, but nginx has not reloaded it", nil
	}
	return ripcord.Present, detail, nil
}

// Explain implements ripcord.Explainer.
func (s *Step) Explain(ctx context.Context) (string, error) {
	t, err := s.usable(ctx)
	if err != nil {
		return "", err
	}
	now, err := s.look()
	if err != nil {
		return "", err
	}
	m, err := s.settings.understand(now.Text)
	if err != nil {
		return "", s.notOurs(err)
	}
	text := s.change(now, m)
	return strings.Join(append([]string{text}, s.warnings(ctx, t)...), "; note: "), nil
}

// change says what the shift would do.
func (s *Step) change(now found, m model) string {
	share := percent(s.settings.share())
	if s.settings.open() {
		return fmt.Sprintf("%s of the requests to upstream %s go to the new instances; now they go to %s", share, s.settings.Upstream, m.routed())
	}
	if presence, _, err := s.presence(now); err == nil && presence == ripcord.Present {
		return fmt.Sprintf("nothing: requests to upstream %s go to %s already", s.settings.Upstream, m.routed())
	}
	return fmt.Sprintf("requests to upstream %s go to %s; now they go to %s", s.settings.Upstream, s.settings.toward(m).routed(), m.routed())
}

// routes reports whether a version of our file sends requests to the new side.
func (s *Step) routes(i image) bool {
	m, err := s.settings.understand(i.Text)
	if err != nil || s.settings.open() {
		return false
	}
	goal := s.settings.toward(m)
	return slices.ContainsFunc(m.Sides, func(is side) bool {
		return is.Share > 0 && slices.Equal(is.addresses(), goal.Sides[0].addresses())
	})
}
