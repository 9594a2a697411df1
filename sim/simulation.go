package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
	"github.com/ripcord-dev/ripcord/store/memory"
)

// Options say what is simulated.
type Options struct {
	Seed uint64
	// Mutant breaks the engine on purpose; nil is the engine as it is.
	Mutant *Mutant
	// Trace receives a line for everything that happens; nil is nobody.
	Trace func(line string)
}

// Result is what one run has shown.
type Result struct {
	Seed       uint64
	Violations []Violation
	Coverage   Coverage
}

// turnsMost ends runs that do not end by themselves.
const turnsMost = 20_000

// calmAfter is when crashes, faults and noise have an end, so that the run can
// come to one.
const calmAfter = 3 * time.Minute

type timer struct {
	at   time.Time
	fire func()
}

type simulation struct {
	dice     *dice
	scenario *scenario
	mutant   *Mutant
	trace    func(line string)
	coverage Coverage
	judge    *judge
	person   person

	store *memory.Store
	world *fake.World
	blobs *blobs
	// opened are the steps; sealed says that the journal is chained by hashes,
	// which takes time, so that only some seeds do it.
	opened map[ripcord.StepID]*fake.Step
	sealed bool
	run    ripcord.RunID
	plan   *ripcord.Plan

	// stamp is what targets are stamped with; half of the seeds know no stamps, so
	// that steps without a Check begin in the append that ends the one before.
	stamp string

	clock, began time.Time
	timers       []*timer
	fibers       []*fiber
	current      *fiber
	// process is the executor that holds the newest lease.
	process   *process
	processes []*process
	// again is when a new executor attaches.
	again  time.Time
	healed bool
	turns  int
}

// Run simulates one seed.
func Run(o Options) Result {
	s := &simulation{
		dice: newDice(o.Seed), mutant: o.Mutant, trace: o.Trace, coverage: make(Coverage),
		world: fake.NewWorld(), blobs: newBlobs(), opened: make(map[ripcord.StepID]*fake.Step),
		began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	s.clock, s.sealed = s.began, s.dice.in(1, 4)
	s.store = memory.New(memory.Options{Now: func() time.Time { return s.clock }, Unsealed: !s.sealed})
	if o.Seed%2 == 0 { // no new throw of the dice, so that all seeds stay what they are
		s.stamp = s.store.StateID()
	}
	s.scenario = newScenario(s.dice)
	s.scenario.addBeside(newDice(o.Seed ^ besideSeed))
	s.judge = newJudge(s)
	for _, id := range sortedKeys(s.scenario.initial) {
		s.world.Set(id, s.scenario.initial[id])
	}
	s.world.Inject(s.scenario.faults...)
	s.world.OnMoment(s.moment)
	s.release()
	return Result{Seed: o.Seed, Violations: s.judge.violations, Coverage: s.coverage}
}

// release runs the release, and where the scenario says so and it succeeded, a
// second run that takes it back.
func (s *simulation) release() {
	defer s.drop()
	s.begin("r1", &s.scenario.plan)
	if !s.toEnd() {
		return
	}
	summary, err := s.store.Run(context.Background(), "r1")
	if err != nil || summary.State != ripcord.StateSucceeded || !s.scenario.reverts {
		return
	}
	back := s.scenario.plan
	back.Purpose, back.Reverts = ripcord.PurposeRollback, []ripcord.RunID{"r1"}
	s.coverage.count("rollback run")
	s.began, s.healed = s.clock, true
	s.begin("r2", &back)
	s.toEnd()
}

func (s *simulation) begin(id ripcord.RunID, plan *ripcord.Plan) {
	s.run, s.plan, s.person = id, plan, person{}
	s.tracef("run %s: %s", id, encodedPlan(plan))
	planned := ripcord.Entry{Kind: ripcord.RunPlanned, Run: id, At: s.clock, Plan: plan, Who: "sim", Version: ripcord.EntryVersion}
	lease, err := s.store.Begin(context.Background(), planned, executor(1), leaseLasts)
	if err != nil {
		s.judge.violate("lock", "run %s cannot begin: %v", id, err)
		return
	}
	s.judge.begin(plan)
	s.start(lease, &planned)
}

func executor(n int) ripcord.Executor {
	return ripcord.Executor{ID: fmt.Sprintf("x%d", n), Host: "sim", PID: n}
}

// drop ends all fibers that still stand.
func (s *simulation) drop() {
	for _, p := range s.processes {
		p.dead = true
	}
	s.bury()
}

// toEnd lets time pass until the run has ended and nobody runs any more. It
// reports false when it gave up.
func (s *simulation) toEnd() bool {
	for s.turns = 0; !s.over(); s.turns++ {
		if s.turns > turnsMost {
			s.judge.violate("ends", "the run is still %s after %d turns", s.summary().State, turnsMost)
			return false
		}
		if len(s.judge.violations) > 0 {
			return false
		}
		s.turn()
	}
	s.judge.end()
	return true
}

func (s *simulation) over() bool {
	return s.summary().State.Ended() && len(s.fibers) == 0
}

func (s *simulation) summary() ripcord.Summary {
	summary, err := s.store.Run(context.Background(), s.run)
	if err != nil {
		s.judge.violate("journal", "the store lost run %s: %v", s.run, err)
	}
	return summary
}

// calm reports whether all unrest is over.
func (s *simulation) calm() bool { return s.clock.Sub(s.began) > calmAfter }

// turn does one thing: somebody acts, time passes, or a fiber goes on.
func (s *simulation) turn() {
	s.events()
	if s.process.dead && !s.summary().State.Ended() {
		s.recover()
	}
	var runnable []*fiber
	for _, f := range s.fibers {
		if !f.owner.stalled.After(s.clock) && f.runnable() {
			runnable = append(runnable, f)
		}
	}
	if len(runnable) == 0 || s.dice.in(1, 12) {
		s.advance(pick(s.dice, 20*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond, time.Second, 2500*time.Millisecond))
		return
	}
	f := runnable[s.dice.below(len(runnable))]
	s.current = f
	f.resume()
	s.current = nil
	s.bury()
}

// bury removes the fibers that have ended and stops those of dead executors. An
// operation that outlives its loop has lost its executor too.
func (s *simulation) bury() {
	for _, f := range s.fibers {
		if f.owner.dead && !f.ended {
			f.stop()
			f.ended = true
		}
	}
	s.fibers = slices.DeleteFunc(s.fibers, func(f *fiber) bool { return f.ended })
}

func (s *simulation) spawn(p *process, name string, f func()) {
	s.fibers = append(s.fibers, newFiber(p, name, f))
}

// advance lets time pass.
func (s *simulation) advance(d time.Duration) {
	s.clock = s.clock.Add(d)
	s.timers = slices.DeleteFunc(s.timers, func(t *timer) bool {
		if t.fire == nil || t.at.After(s.clock) {
			return t.fire == nil
		}
		t.fire()
		return true
	})
	if s.calm() && !s.healed {
		s.tracef("all faults are over")
		s.world.Heal()
		s.healed = true
	}
}

// recover attaches a new executor when its time has come: at once when the old
// one is known to be gone, otherwise when its lease has expired.
func (s *simulation) recover() {
	if s.again.IsZero() {
		s.again = s.clock.Add(pick(s.dice, 0, 100*time.Millisecond, 2*time.Second, 8*time.Second))
		s.judge.died(s.process)
	}
	if s.clock.Before(s.again) {
		s.orphans()
		return
	}
	var gone uint64
	if s.process.dead && s.dice.in(2, 3) {
		gone = s.process.lease.Fence
	}
	s.attach(gone)
}

func (s *simulation) attach(gone uint64) {
	lease, err := s.store.Acquire(context.Background(), s.run, executor(len(s.processes)+1), leaseLasts, gone)
	if err != nil {
		if ripcord.CodeOf(err) != ripcord.CodeRefused {
			s.judge.violate("lease", "no executor can attach: %v", err)
		}
		return
	}
	s.again = time.Time{}
	s.coverage.count("attached again")
	s.tracef("executor %d attaches", lease.Fence)
	s.start(lease, nil)
}

// orphans go on while nobody looks.
func (s *simulation) orphans() {
	for _, key := range s.world.Orphans() {
		if s.dice.in(1, 4) {
			s.tracef("orphan %s ends", key)
			s.coverage.count("orphan ended alone")
			s.world.EndOrphan(key)
		}
	}
}

func (s *simulation) tracef(format string, args ...any) {
	if s.trace != nil {
		s.trace(fmt.Sprintf("%8.3f ", s.clock.Sub(s.began).Seconds()) + fmt.Sprintf(format, args...))
	}
}

// errStale is what a target answers to an executor that is fenced off.
var errStale = errors.New("the target has seen a newer executor")
