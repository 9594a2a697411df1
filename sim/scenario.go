package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
)

// scenario is everything that a seed decides before the run begins: what is
// released, what goes wrong, and how restless the surroundings are.
type scenario struct {
	plan     ripcord.Plan
	settings map[ripcord.StepID]fake.Settings
	initial  map[string]string
	faults   []fake.Fault
	blocks   map[point]*block
	// The rates are "one in n"; 0 is never.
	crashes, crashRate int
	crashFrom          int // how many points pass before the first crash
	journalRate        int
	blobRate           int
	noiseRate          int
	stallRate          int
	changeRate         int
	slow               bool
	reverts            bool
	// leaves: executors leave a held run; unbundled: its bundle fails.
	leaves, unbundled bool
	noiseLeft         int
}

// point is a place in a step's operation.
type point struct {
	step  ripcord.StepID
	op    fake.Op
	phase fake.Phase
}

// block makes an operation wait at a point: for a time, or until it is cancelled.
type block struct{ lasts time.Duration }

// application and environment are where all simulated releases go.
const (
	application = "shop"
	environment = "test"
)

func newScenario(d *dice) *scenario {
	s := &scenario{
		settings: make(map[ripcord.StepID]fake.Settings), initial: make(map[string]string), blocks: make(map[point]*block),
		slow: d.in(1, 2), reverts: d.in(1, 4), leaves: d.in(1, 3), unbundled: d.in(1, 60),
	}
	s.plan = ripcord.Plan{
		PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease, Application: application, Environment: environment,
		Version: "v2", Directory: "/plan", Parallel: 1 + d.below(3), OnFailure: policy(d),
	}
	count := 1 + d.below(6)
	for i := range count {
		s.addStep(d, i)
	}
	if d.in(1, 4) {
		s.addWatch(d, count)
	}
	if d.in(2, 3) {
		s.addFaults(d)
	}
	if d.in(1, 4) { // long ways back
		last := s.plan.Steps[count-1].ID
		s.faults = append(s.faults, fake.Fault{Step: last, Op: fake.Apply, Count: -1, Mode: pick(d, fake.Fail, fake.FailFinal, fake.FailHalf)})
	}
	if d.in(1, 3) {
		s.addBlocks(d)
	}
	s.unrest(d)
	return s
}

func policy(d *dice) ripcord.FailurePolicy {
	p := ripcord.FailurePolicy{Action: ripcord.FailRollback}
	if d.in(1, 3) {
		p.Action = ripcord.FailHold
		if d.in(2, 3) {
			p.Hold, p.Then = ripcord.Duration(d.between(time.Second, 10*time.Second)), pick(d, ripcord.FailRollback, ripcord.FailHold)
		}
	}
	return p
}

// unrest sets the rates. A third of all seeds knows no crash, so that what the
// engine does undisturbed is simulated as well.
func (s *scenario) unrest(d *dice) {
	if d.in(2, 3) {
		s.crashes, s.crashRate, s.crashFrom = 1+d.below(6), pick(d, 4, 15, 30, 60), pick(d, 0, d.below(40), d.below(120))
	}
	if d.in(1, 6) {
		s.journalRate = pick(d, 10, 40)
	}
	if d.in(1, 10) {
		s.blobRate = 4
	}
	if d.in(1, 2) {
		s.noiseRate, s.noiseLeft = pick(d, 5, 20, 60), 1+d.below(5)
	}
	if d.in(1, 5) {
		s.stallRate = 20
	}
	if d.in(1, 6) {
		s.changeRate = 30
	}
}

func (s *scenario) addStep(d *dice, i int) {
	id := ripcord.StepID(fmt.Sprintf("s%d", i+1))
	set := fake.Settings{
		Target: fmt.Sprintf("t%d", i+1), Value: "new",
		Checkable: d.in(3, 4), Exact: d.in(3, 4), Idempotent: d.in(2, 3), UndoIdempotent: d.in(2, 3),
		Resumable: d.in(1, 3), Records: d.in(1, 4), Prepares: d.in(1, 5), Finishes: d.in(1, 5), Traffic: d.in(1, 6),
		Way: ripcord.WayExact,
	}
	switch {
	case d.in(1, 12):
		set.Way = ripcord.WayNone
	case d.in(1, 12):
		set.Way, set.Prepares, set.Finishes = ripcord.WayNothing, false, false
	case !set.Checkable:
		set.Way = ripcord.WayUnverified
	}
	if d.in(1, 4) {
		set.Outputs = map[string]string{"out": string(id) + "!"}
		if d.in(1, 2) {
			set.SensitiveOutputs = []string{"out"}
		}
	}
	spec := s.spec(d, id, set)
	if i > 0 {
		s.needs(d, &spec, i)
	}
	if i > 0 && set.Way != ripcord.WayNothing && d.in(1, 6) {
		s.share(&spec, &set)
	}
	if d.in(2, 3) {
		s.initial[set.Target] = pick(d, "old", "old", "old", "new")
		if !set.Checkable { // there already, and nothing could tell
			s.initial[set.Target] = "old"
		}
	}
	s.plan.Steps = append(s.plan.Steps, spec)
}

// share lets a step change the target of the step before it.
func (s *scenario) share(spec *ripcord.StepSpec, set *fake.Settings) {
	before := s.plan.Steps[len(s.plan.Steps)-1].ID
	if !slices.Contains(spec.Needs, before) {
		spec.Needs = append(spec.Needs, before)
	}
	// Traffic goes back first, so it never shares a target with anything else.
	set.Target, set.Value, set.Traffic = s.settings[before].Target, string(spec.ID), s.settings[before].Traffic
	spec.Traits = traits(*set)
	spec.Settings, s.settings[spec.ID] = encoded(*set), *set
}

// needs makes a chain, or a random graph.
func (s *scenario) needs(d *dice, spec *ripcord.StepSpec, i int) {
	for j := range s.plan.Steps {
		if d.in(1, 3) || j == i-1 && d.in(1, 3) {
			spec.Needs = append(spec.Needs, s.plan.Steps[j].ID)
		}
	}
}

func (s *scenario) spec(d *dice, id ripcord.StepID, set fake.Settings) ripcord.StepSpec {
	spec := ripcord.StepSpec{
		ID: id, Kind: "fake", Adapter: fake.Kind, Settings: encoded(set), Traits: traits(set),
		Retry: ripcord.Retry{Attempts: 1},
	}
	s.settings[id] = set
	if set.Idempotent && d.in(1, 2) {
		spec.Retry = ripcord.Retry{Attempts: 1 + d.below(3), Backoff: ripcord.Duration(d.between(0, 2*time.Second)), MaxBackoff: ripcord.Duration(3 * time.Second)}
	}
	if d.in(1, 4) {
		spec.Timeout = ripcord.Duration(d.between(time.Second, 8*time.Second))
	}
	switch {
	case d.in(1, 12):
		spec.Ask = &ripcord.Ask{Apply: "may I?"}
	case d.in(1, 20):
		spec.Ask = &ripcord.Ask{Apply: pick(d, "", "may I?"), Undo: "may I take it back?"}
	case d.in(1, 25):
		spec.Skip = "not today"
	}
	return spec
}

func (s *scenario) addWatch(d *dice, i int) {
	id := ripcord.StepID(fmt.Sprintf("s%d", i+1))
	set := fake.Settings{
		Target: "watch", Value: "seen", Checkable: true, Exact: true, Idempotent: true, UndoIdempotent: true,
		Watches: true, Way: ripcord.WayNothing, Resumable: d.in(1, 2),
	}
	spec := s.spec(d, id, set)
	if i > 0 {
		spec.Needs = []ripcord.StepID{s.plan.Steps[i-1].ID}
	}
	s.plan.Steps = append(s.plan.Steps, spec)
}

func traits(set fake.Settings) ripcord.Traits {
	return ripcord.Traits{
		Checkable: set.Checkable, Idempotent: set.Idempotent, UndoIdempotent: set.UndoIdempotent,
		Traffic: set.Traffic, Watches: set.Watches, Prepares: set.Prepares, Finishes: set.Finishes,
		Reversal: ripcord.Reversal{Way: set.Way},
	}
}

func encoded(set fake.Settings) json.RawMessage {
	data, err := json.Marshal(set)
	if err != nil {
		panic(err) // settings are plain data
	}
	return data
}

func (s *scenario) addFaults(d *dice) {
	for i := range s.plan.Steps {
		id := s.plan.Steps[i].ID
		if d.in(1, 4) {
			s.fault(d, id, fake.Apply, 3, fake.Fail, fake.FailFinal, fake.FailHalf, fake.FailDone)
		}
		if d.in(1, 4) {
			s.fault(d, id, fake.Undo, 5, fake.Fail, fake.FailHalf, fake.FailDone, fake.NoEffect)
		}
		if d.in(1, 5) {
			s.fault(d, id, fake.Check, 7, fake.SayUnknown, fake.Fail)
		}
		for _, op := range []fake.Op{fake.Prepare, fake.Discard, fake.Finish, fake.Outputs, fake.Resume} {
			if d.in(1, 8) {
				s.fault(d, id, op, 4, fake.Fail, fake.Lost)
			}
		}
	}
}

func (s *scenario) fault(d *dice, id ripcord.StepID, op fake.Op, most int, modes ...fake.Mode) {
	mode := pick(d, modes...)
	if mode == fake.Lost && op != fake.Resume {
		mode = fake.Fail
	}
	s.faults = append(s.faults, fake.Fault{Step: id, Op: op, Call: 1 + d.below(2), Count: 1 + d.below(most), Mode: mode})
}

func (s *scenario) addBlocks(d *dice) {
	for range 1 + d.below(2) {
		b := &block{}
		if d.in(1, 2) {
			b.lasts = d.between(time.Second, 12*time.Second)
		}
		at := point{
			step: s.plan.Steps[d.below(len(s.plan.Steps))].ID,
			op:   pick(d, fake.Apply, fake.Apply, fake.Apply, fake.Prepare, fake.Check, fake.Undo), phase: fake.Begin,
		}
		if (at.op == fake.Apply || at.op == fake.Undo) && d.in(2, 3) {
			at.phase = fake.Middle
		}
		if at.op == fake.Check || at.op == fake.Undo && b.lasts == 0 && d.in(1, 2) { // nothing cancels these, a person some undos
			b.lasts = d.between(time.Second, 12*time.Second)
		}
		s.blocks[at] = b
	}
}
