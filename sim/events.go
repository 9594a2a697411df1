package sim

import (
	"context"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// events are what comes from outside: people, other people's changes, machines
// that sleep.
func (s *simulation) events() {
	s.person.act(s)
	if s.calm() {
		return
	}
	sc := s.scenario
	if sc.noiseRate > 0 && sc.noiseLeft > 0 && s.dice.in(1, sc.noiseRate) {
		sc.noiseLeft--
		s.noise()
	}
	if sc.stallRate > 0 && s.dice.in(1, sc.stallRate) && !s.process.dead && s.process.stalled.IsZero() {
		s.process.stalled = s.clock.Add(s.dice.between(time.Second, 20*time.Second))
		s.coverage.count("stalled")
		s.tracef("executor %d stalls until %s", s.process.lease.Fence, s.process.stalled.Format("05.000"))
	}
	if s.process.stalled.After(s.clock) && !s.summary().State.Ended() && s.dice.in(1, 3) {
		s.attach(0) // refused while the lease lives
	}
	if sc.changeRate > 0 && s.dice.in(1, sc.changeRate) {
		s.change()
	}
	if s.dice.in(1, 40) {
		s.judge.lock()
	}
}

// change is somebody else who changes a target.
func (s *simulation) change() {
	step := &s.plan.Steps[s.dice.below(len(s.plan.Steps))]
	set := s.scenario.settings[step.ID]
	if set.Way == ripcord.WayNothing {
		return
	}
	s.coverage.count("changed by others")
	s.tracef("somebody else changes %s", set.Target)
	s.world.Set(set.Target, "theirs")
	s.judge.touched(step.ID)
}

// noise is a request that comes at any moment and may make no sense.
func (s *simulation) noise() {
	verb := pick(s.dice, ripcord.VerbAbort, ripcord.VerbRollback, ripcord.VerbPause, ripcord.VerbPause, ripcord.VerbResume,
		ripcord.VerbRetry, ripcord.VerbSkip, ripcord.VerbApprove, ripcord.VerbReject, ripcord.VerbHold, ripcord.VerbClose)
	var step ripcord.StepID
	if s.dice.in(1, 2) {
		step = s.plan.Steps[s.dice.below(len(s.plan.Steps))].ID
	}
	s.coverage.count("asked " + string(verb))
	s.ask(verb, step)
}

func (s *simulation) ask(verb ripcord.Verb, step ripcord.StepID) {
	if s.summary().State.Ended() {
		return
	}
	r, err := s.store.Ask(context.Background(), ripcord.Request{Run: s.run, Verb: verb, Step: step, Who: "ann", Reason: "so be it"})
	if err != nil {
		s.judge.violate("journal", "a request cannot be stored: %v", err)
	}
	s.tracef("request %d: %s %s", r.ID, verb, step)
}
