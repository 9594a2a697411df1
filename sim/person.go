package sim

import (
	"time"

	"github.com/ripcord-dev/ripcord"
)

// person resolves what only a person can, at first in any way that is possible,
// later in ways that come to an end.
type person struct {
	next  time.Time
	acted int
	// quiet is since when nothing was written.
	quiet   time.Time
	entries uint64
}

// act does the person's next deed when its time has come.
func (p *person) act(s *simulation) {
	summary := s.summary()
	if summary.Entries != p.entries {
		p.entries, p.quiet = summary.Entries, s.clock
	}
	if s.clock.Before(p.next) {
		return
	}
	p.next = s.clock.Add(s.dice.between(500*time.Millisecond, 5*time.Second))
	verb, step := p.decide(s, summary)
	if verb == "" {
		return
	}
	p.acted++
	s.ask(verb, step)
}

func (p *person) decide(s *simulation, summary ripcord.Summary) (ripcord.Verb, ripcord.StepID) {
	late, last := p.acted > 8, p.acted > 16
	if late && p.acted%3 == 0 && !s.judge.committed && !s.judge.held { // whatever hangs
		return ripcord.VerbAbort, ""
	}
	switch summary.State {
	case ripcord.StateHeld:
		switch {
		case last:
			return ripcord.VerbClose, ""
		case late && !s.judge.back:
			return ripcord.VerbRollback, ""
		case late:
			return pick(s.dice, ripcord.VerbSkip, ripcord.VerbRetry, ripcord.VerbClose), ""
		}
		return pick(s.dice, ripcord.VerbRetry, ripcord.VerbRetry, ripcord.VerbRetry, ripcord.VerbSkip, ripcord.VerbRollback, ripcord.VerbAbort, ripcord.VerbClose), ""
	case ripcord.StatePaused:
		return pick(s.dice, ripcord.VerbResume, ripcord.VerbResume, ripcord.VerbRollback), ""
	default:
	}
	if step, ok := s.judge.question(); ok {
		if !late && s.dice.in(1, 5) {
			return ripcord.VerbReject, step
		}
		return ripcord.VerbApprove, step
	}
	if s.clock.Sub(p.quiet) > 25*time.Second && !s.process.dead && !s.process.stalled.After(s.clock) {
		if step, ok := s.judge.undoing(); ok {
			return p.unhang(s, step)
		}
		s.coverage.count("hung until aborted")
		return ripcord.VerbAbort, ""
	}
	return "", ""
}

// unhang stops an undo that hangs, in one of the ways that there are. A nervous
// person aborts once more before, which must not stop it.
func (p *person) unhang(s *simulation, step ripcord.StepID) (ripcord.Verb, ripcord.StepID) {
	verb := pick(s.dice, ripcord.VerbRetry, ripcord.VerbRetry, ripcord.VerbSkip, ripcord.VerbAbort, ripcord.VerbClose)
	s.coverage.count("undo hung until " + string(verb))
	if verb == ripcord.VerbClose {
		step = ""
	}
	return verb, step
}
