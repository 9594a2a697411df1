package haproxy

import (
	"context"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// Undo implements ripcord.Step. Whatever became of the configuration file, the
// traffic goes back first.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	v, err := s.awaitServers(ctx)
	if err != nil {
		return err
	}
	if v.image.sameServers(before) {
		if now, err := s.look(ctx); err == nil && now.image.sameServers(before) && now.image.sameLines(before) {
			return nil
		}
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
	left, gone := retired(before, v.image, targets)
	if v.image.Lines != nil {
		lines := s.settings.render(*v.image.Lines, "", v.image, left, gone)
		if err := s.replaceLines(ctx, lines, *v.image.Lines); err != nil {
			return err
		}
	}
	m := &mover{step: s, attempt: a, want: image{Servers: left}, back: true}
	limited, cancel := s.patience(ctx)
	defer cancel()
	for n, is := range v.image.Servers {
		switch {
		case slices.Contains(gone, is.Name):
			err = s.remove(ctx, limited, a, is)
			say(a, "server %s goes", is.Name)
		case is != left[n]:
			err = m.rest(ctx, limited, is, left[n])
			say(a, "server %s goes into maintenance", is.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retired returns what is to be left of the servers when those that have lost
// their traffic since before retire, and the names of those that go.
func retired(before, now image, targets []string) (left []server, gone []string) {
	left = slices.Clone(now.Servers)
	for _, was := range before.carriers() {
		n := slices.IndexFunc(left, func(is server) bool { return is.Name == was.Name })
		switch {
		case n < 0 || left[n].carries() || left[n].Admin == drain || slices.Contains(targets, left[n].Address):
		case left[n].Made != 0:
			gone = append(gone, was.Name)
		default:
			left[n].Admin = maint
		}
	}
	return left, gone
}
