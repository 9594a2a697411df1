package haproxy

import (
	"context"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// Undo implements ripcord.Step.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	v, err := s.await(ctx)
	if err != nil {
		return err
	}
	if v.image.sameServers(before) && v.image.sameLines(before) {
		return nil
	}
	s.keepEvidence(ctx, a)
	m := &mover{step: s, attempt: a, before: before, want: before, back: true}
	if !s.open() && s.settings.Config != "" {
		if g, err := s.goal(ctx, before); err == nil {
			m.ours = []string{*g.image.Lines}
		}
	}
	if err := m.reach(ctx, v); err != nil {
		return err
	}
	say(a, "the traffic of backend %s is back on %s", s.settings.Backend, before.routed())
	return nil
}

// Finish implements ripcord.Finisher: servers that had traffic before this step
// and have none now are drained; those that Ripcord made are removed, others put
// into maintenance, because their instances may go.
func (s *Step) Finish(ctx context.Context, a ripcord.Attempt) error {
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	v, err := s.await(ctx)
	if err != nil {
		return err
	}
	targets, err := s.targets(ctx)
	if err != nil {
		return err
	}
	left := slices.Clone(v.image.Servers)
	var gone []string
	for _, was := range before.carriers() {
		n := slices.IndexFunc(left, func(is server) bool { return is.Name == was.Name })
		if n < 0 || left[n].carries() || left[n].Admin == drain || slices.Contains(targets, left[n].Address) {
			continue
		}
		if left[n].Made != 0 {
			gone = append(gone, was.Name)
			continue
		}
		left[n].Admin = maint
	}
	if v.image.Lines != nil {
		lines := s.settings.render(*v.image.Lines, "", v.image, left, gone)
		if err := s.replaceLines(ctx, lines, *v.image.Lines); err != nil {
			return err
		}
	}
	for _, is := range v.image.Servers {
		if slices.Contains(gone, is.Name) {
			if err := s.remove(ctx, a, is); err != nil {
				return err
			}
			say(a, "server %s is removed", is.Name)
		}
	}
	m := &mover{step: s, attempt: a, want: image{Servers: left}, back: true}
	for n, to := range left {
		if is := v.image.Servers[n]; is != to && !slices.Contains(gone, is.Name) {
			if err := m.rest(ctx, is, to); err != nil {
				return err
			}
			say(a, "server %s is in maintenance", is.Name)
		}
	}
	return nil
}
