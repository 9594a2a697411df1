package nginx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// Member takes servers out of rotation, or puts them back, so that somebody can
// work on their instances while the others of the upstream answer. They keep their
// places in our file, marked `down`; the file is all that is changed, as by a
// shift.
type Member struct{ of *Step }

// leaves reports whether the step takes its servers out.
func (m *Member) leaves() bool { return m.of.settings.State == stateDrain }

// open reports whether the servers are not known yet, as at plan time.
func (m *Member) open() bool { return unresolved(m.of.settings.Members) }

// members are the step's addresses that get requests, or would when they were in
// rotation.
func (m *Member) members(of model) []string {
	wanted, found := split(m.of.settings.Members), []string{}
	for _, side := range of.Sides {
		for _, server := range side.Servers {
			if side.Share > 0 && server.Weight > 0 && slices.Contains(wanted, server.Address) {
				found = append(found, server.Address)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// toward is what the step makes of what there is.
func (m *Member) toward(was model) model {
	members, goal := m.members(was), was
	goal.Sides = slices.Clone(was.Sides)
	for n := range goal.Sides {
		goal.Sides[n].Servers = slices.Clone(goal.Sides[n].Servers)
		for i := range goal.Sides[n].Servers {
			if server := &goal.Sides[n].Servers[i]; slices.Contains(members, server.Address) {
				server.Out = m.leaves()
			}
		}
	}
	return goal
}

// goal is what Apply makes of the before-image: just that where the servers are
// not in it, or are as they should be.
func (m *Member) goal(before image) (was, goal model, want image, err error) {
	goal, want, err = m.of.goalOf(before, m.toward)
	if err != nil {
		return was, goal, want, err
	}
	was, err = m.of.settings.understand(before.Text)
	if err == nil && was.equal(goal) {
		want = before
	}
	return was, goal, want, err
}

// Check implements ripcord.Step.
func (m *Member) Check(ctx context.Context) (ripcord.Observation, error) {
	return m.of.observe(ctx, m.presence)
}

// presence says how much of the change is there: it is when nginx serves it, and
// no old worker does what it forbids.
func (m *Member) presence(now found) (ripcord.Presence, string, error) {
	s := m.of
	is, err := s.settings.understand(now.Text)
	if err != nil {
		return ripcord.Absent, s.settings.Include + " is none that Ripcord wrote: " + err.Error(), nil //nolint:nilerr // Apply refuses it
	}
	detail := "requests to upstream " + s.settings.Upstream + " go to " + is.routed()
	if m.open() {
		return ripcord.Absent, detail, nil
	}
	members := m.members(is)
	if len(members) == 0 {
		return ripcord.Present, "no traffic of upstream " + s.settings.Upstream + " goes to these instances yet", nil
	}
	if !is.equal(m.toward(is)) {
		if m.anyDone(is, members) {
			return ripcord.Partial, detail, nil
		}
		return ripcord.Absent, detail, nil
	}
	r, err := s.find()
	switch {
	case errors.Is(err, errNotRunning):
		return ripcord.Partial, detail + " in the file, but nginx does not run", nil
	case err != nil:
		return ripcord.Unknown, "", err
	case !r.serves(now.placed):
		return ripcord.Partial, detail + " in the file, but nginx has not reloaded it", nil
	case m.leaves() && len(r.leaving) > 0:
		return ripcord.Partial, detail + fmt.Sprintf("; %d old workers still answer", len(r.leaving)), nil
	}
	return ripcord.Present, detail, nil
}

// anyDone reports whether one of the servers is as it should be.
func (m *Member) anyDone(is model, members []string) bool {
	for _, side := range is.Sides {
		for _, server := range side.Servers {
			if slices.Contains(members, server.Address) && server.Out == m.leaves() {
				return true
			}
		}
	}
	return false
}

// Apply implements ripcord.Step.
func (m *Member) Apply(ctx context.Context, a ripcord.Attempt) error {
	s := m.of
	if m.open() {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: "the addresses of the instances are not known"}
	}
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	was, goal, want, err := m.goal(before)
	if err != nil {
		return err
	}
	members := m.members(was)
	if len(members) == 0 {
		return nil
	}
	if _, err := s.await(ctx); err != nil {
		return s.plain(err)
	}
	if err := s.feasible(before, want); err != nil {
		return err
	}
	if !m.leaves() {
		if err := s.ready(ctx, a, members); err != nil {
			return err
		}
	} else if begun, _, _ := recorded(a); !begun && want != before {
		if err := m.room(ctx, goal, members); err != nil {
			return err
		}
	}
	if err := s.put(ctx, a, before, want); err != nil {
		return err
	}
	if !m.leaves() {
		say(a, "%s: ready, and in rotation in upstream %s", list(members), s.settings.Upstream)
		return nil
	}
	say(a, "%s: out of rotation in upstream %s", list(members), s.settings.Upstream)
	return s.drained(ctx, a)
}

// Undo implements ripcord.Step: the file is what it was before.
func (m *Member) Undo(ctx context.Context, a ripcord.Attempt) error {
	s := m.of
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	if begun, _, _ := recorded(a); !begun { // the file was not touched
		return s.unstage()
	}
	from, members := []image{before}, []string(nil)
	if was, _, want, err := m.goal(before); err == nil && !m.open() {
		from, members = append(from, want), m.members(was)
	}
	again := list(members) + ": in rotation again in upstream " + s.settings.Upstream
	if !m.leaves() {
		again = list(members) + ": out of rotation again in upstream " + s.settings.Upstream
	}
	return s.takeBack(ctx, a, before, from, way{
		again: again,
		ready: func(now image) error { return m.again(ctx, a, before, now, members) },
		last:  !m.leaves(),
	})
}

// again waits until those answer that are put back into rotation by the way back.
// It does not fail where they do not: they were in rotation before.
func (m *Member) again(ctx context.Context, a ripcord.Attempt, before, now image, members []string) error {
	if !m.leaves() || now == before || len(members) == 0 {
		return nil
	}
	err := m.of.ready(ctx, a, members)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		say(a, "%v; they are put back all the same, because they were in rotation before", err)
	}
	return nil
}

// room waits until so many others answer that these may leave.
func (m *Member) room(ctx context.Context, goal model, members []string) error {
	s, most := m.of, m.of.settings.MaxUnavailable
	if most == 0 {
		return nil
	}
	others, out := goal.carriers(), []string(nil)
	for _, side := range goal.Sides {
		for _, address := range side.out() {
			if side.Share > 0 && !slices.Contains(members, address) {
				out = append(out, address+" is out of rotation")
			}
		}
	}
	limited, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
	defer cancel()
	for {
		// The end of the wait is no answer of theirs: they have the time that a probe has.
		away := slices.Concat(s.silent(ctx, others), out)
		if len(away) == 0 || len(away)+len(members) <= most {
			return ctx.Err()
		}
		if pause(limited, s.settings.Health.Interval.Std()) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &ripcord.Failure{
			Class: ripcord.FailedHealth, Lines: away,
			Summary: fmt.Sprintf("%s, so that with the %d that would leave the rotation %d were unavailable, and at most %d may be: heal it, raise max_unavailable, or use strategy recreate",
				away[0], len(members), len(away)+len(members), most),
		}
	}
}

// Traits implements ripcord.Describer. It is not one of those whose traffic goes
// back first: each batch goes back as a whole, in the opposite order.
func (m *Member) Traits() ripcord.Traits {
	s := m.of
	traits := ripcord.DefaultTraits()
	traits.Reversal.How = "remove the word down from the servers of upstream " + s.settings.Upstream + " in " + s.settings.Include +
		", and its first two lines   then test and reload:  " + s.settings.Program + " -t -c " + s.settings.Config + " && " + s.settings.Program + " -s reload -c " + s.settings.Config
	return traits
}

// Explain implements ripcord.Explainer.
func (m *Member) Explain(ctx context.Context) (string, error) {
	s := m.of
	if _, err := s.usable(ctx); err != nil {
		return "", err
	}
	if m.leaves() {
		return fmt.Sprintf("takes the servers of these instances in upstream %s out of rotation, lets nginx reload, and waits until its old workers have answered, at most %s", s.settings.Upstream, s.settings.Drain), nil
	}
	return fmt.Sprintf("waits until these instances answer, at most %s, puts their servers in upstream %s back into rotation, and lets nginx reload", s.settings.Ready, s.settings.Upstream), nil
}

// Evidence implements ripcord.Evidencer: it is the upstream's.
func (m *Member) Evidence(ctx context.Context) ([]ripcord.Evidence, error) { return m.of.Evidence(ctx) }

// Stamp implements ripcord.Stamper: it is the upstream's.
func (m *Member) Stamp(ctx context.Context) (*ripcord.Stamp, error) { return m.of.Stamp(ctx) }

// SetStamp implements ripcord.Stamper.
func (m *Member) SetStamp(ctx context.Context, stamp ripcord.Stamp) error {
	return m.of.SetStamp(ctx, stamp)
}
