package cli

import (
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
	"github.com/ripcord-dev/ripcord/engine"
)

// moved is what a run has done to the traffic.
type moved struct {
	// traffic says that some step moves any; tried that one was in the middle.
	traffic, done, tried bool
	// share is the largest part in percent that the new version has had, now what
	// it has at this moment.
	share, now   float64
	since, until time.Time
	// stage is when the newest stage that still stands was reached.
	stage time.Time
}

// trafficOf looks at the steps that move traffic.
func trafficOf(s *engine.State) moved {
	var m moved
	for i := range s.Plan.Steps {
		t := s.Steps[s.Plan.Steps[i].ID]
		if !t.Spec.Traits.Traffic {
			continue
		}
		m.traffic = true
		switch {
		case t.State == ripcord.StepIsFound && m.done: // a stage of a first version, which has all users at once
			m.share = max(m.share, app.ShareOf(t.Spec))
			if m.now > 0 {
				m.now = max(m.now, app.ShareOf(t.Spec))
			}
		case !t.Started:
		case len(s.Plan.Reverts) > 0, !t.EndedAt.IsZero() && t.Failure == nil:
			share := app.ShareOf(t.Spec)
			m.done, m.share = true, max(m.share, share)
			if t.UndoEndedAt.IsZero() {
				m.now, m.stage = share, t.EndedAt
			}
			m.between(t.EndedAt, t.UndoEndedAt)
		case t.Seen == nil || t.Seen.Presence != ripcord.Absent:
			m.tried = true
			m.between(t.StartedAt, t.UndoEndedAt)
		}
	}
	m.batches(s)
	if m.now > 0 { // one of the stages still stands
		m.until = time.Time{}
	}
	return m
}

// batches counts the instances that were put into rotation again with the new
// version, where it takes the old one's places.
func (m *moved) batches(s *engine.State) {
	all, went, stand := 0, 0, 0
	for i := range s.Plan.Steps {
		t := s.Steps[s.Plan.Steps[i].ID]
		if t.Spec.Kind != "ready" {
			continue
		}
		if all++; !t.Started || t.EndedAt.IsZero() || t.Failure != nil {
			continue
		}
		went++
		if t.UndoEndedAt.IsZero() {
			stand++
			m.stage = t.EndedAt
		}
		m.between(t.EndedAt, t.UndoEndedAt)
	}
	if went == 0 {
		return
	}
	const everything = 100
	m.traffic, m.done = true, true
	m.share = max(m.share, float64(everything*went/all))
	m.now = max(m.now, float64(everything*stand/all))
}

// between widens the time by that of one step.
func (m *moved) between(since, until time.Time) {
	if m.since.IsZero() || since.Before(m.since) {
		m.since = since
	}
	if until.After(m.until) {
		m.until = until
	}
}

// affected says whose requests met the new version.
func affected(s *engine.State) string {
	m := trafficOf(s)
	switch {
	case s.Plan.Purpose == ripcord.PurposeAdopt:
		return "nobody: nothing was changed"
	case !m.traffic:
		return "unknown to Ripcord: this plan moves no traffic"
	case len(s.Plan.Reverts) > 0:
		return affectedByRevert(s, m.until)
	case m.done && m.until.IsZero() && m.now < 100:
		return fmt.Sprintf("%s%% of the users: they are on %s since %s%s", percentOf(m.now), s.Plan.Version, clock(m.since), harmedBy(s))
	case m.done && m.until.IsZero():
		return fmt.Sprintf("all users: they are on %s since %s", s.Plan.Version, clock(m.stage))
	case m.done && m.share < 100:
		return fmt.Sprintf("at most %s%% of the users between %s and %s (%s), who were sent to %s%s",
			percentOf(m.share), clock(m.since), clock(m.until), spell(m.until.Sub(m.since)), s.Plan.Version, harmedBy(s))
	case m.done:
		return fmt.Sprintf("users between %s and %s (%s), who were sent to %s%s", clock(m.since), clock(m.until), spell(m.until.Sub(m.since)), s.Plan.Version, harmedBy(s))
	case m.tried && m.until.IsZero():
		return fmt.Sprintf("perhaps some users: the traffic was about to be moved to %s since %s", s.Plan.Version, clock(m.since))
	case m.tried:
		return fmt.Sprintf("perhaps some users between %s and %s, when the traffic was about to be moved to %s", clock(m.since), clock(m.until), s.Plan.Version)
	}
	return "nobody: no traffic was moved to " + s.Plan.Version
}

// harmedBy says how many requests a canary has failed.
func harmedBy(s *engine.State) string {
	for _, v := range app.Canaries(s) {
		if v.Harmed != nil {
			return fmt.Sprintf("; %s of theirs failed", countOf(uint64(*v.Harmed), "request"))
		}
	}
	return ""
}

// affectedByRevert tells of a run that takes a committed release back.
func affectedByRevert(s *engine.State, until time.Time) string {
	switch {
	case until.IsZero():
		return "all users: they are still on the release that is taken back"
	case s.Plan.Returns == "":
		return "all users: the traffic was taken from the release at " + clock(until) + ", and nothing was there before it"
	}
	return fmt.Sprintf("all users: they are on %s again since %s", s.Plan.Version, clock(until))
}
