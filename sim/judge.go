package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
)

// Violation is a broken invariant.
type Violation struct {
	// Check is the invariant's name.
	Check string
	// What says how it was broken.
	What string
	// After is the time since the run began.
	After time.Duration
}

// String returns the violation in one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s: %s (after %s)", v.Check, v.What, v.After)
}

// judge keeps its own books of one run and compares.
type judge struct {
	sim        *simulation
	violations []Violation
	books      map[ripcord.StepID]*book
	// looks is what the world was when a process last checked a step.
	looks map[look]string

	back, held, paused, committed, ended, unwinds bool
	// failed are the steps that failed for good and stop the way forward.
	failed map[ripcord.StepID]bool
	// seq numbers the entries of this run.
	seq      uint64
	lastGood string
	// said counts the requests that were taken.
	said int
}

type look struct {
	p    *process
	step ripcord.StepID
}

// book is what the judge knows of one step.
type book struct {
	spec    *ripcord.StepSpec
	set     fake.Settings
	initial string
	// before is what the world was at the Check that gave the before-image.
	before                             string
	checked                            bool
	first                              *ripcord.Sighting
	preparing, prepared, discardFailed bool
	// intents and undos count; order is the first intent's.
	intents, undos int
	order          uint64
	// by wrote the newest intent or undo intent and has no result yet.
	by      *process
	attempt int
	// passed, found, skipped, undone, left as the entries say.
	passed, found, skipped, undone, left bool
	// open: an intent without any result; lost: it was interrupted and nothing
	// proved how it ended; bad: it ended badly and nobody has looked since.
	open, lost, bad bool
	// seen is the newest sighting of a settled step, look what the world was then.
	seen ripcord.Presence
	look string
	// said is judge.said at the interruption.
	said int
	// touched: somebody else changed the target.
	touched bool
	asked   bool
	// again: the step may have been applied twice by somebody's order.
	again bool
	// stop: a person has asked for the end of the undo in progress.
	stop bool
	// active is the effect in progress, by whom.
	active map[*process]fake.Op
}

func newJudge(s *simulation) *judge {
	j := &judge{sim: s, books: make(map[ripcord.StepID]*book), looks: make(map[look]string)}
	return j
}

// begin opens the books for a run; one that takes a release back goes on with
// the release's.
func (j *judge) begin(plan *ripcord.Plan) {
	old := j.books
	j.books = make(map[ripcord.StepID]*book)
	j.failed = make(map[ripcord.StepID]bool)
	j.back, j.held, j.paused, j.committed, j.ended, j.seq = false, false, false, false, false, 1
	j.unwinds = len(plan.Reverts) > 0
	for i := range plan.Steps {
		spec := &plan.Steps[i]
		b := old[spec.ID]
		if b == nil {
			b = &book{set: j.sim.scenario.settings[spec.ID]}
			b.initial = j.sim.world.Image(b.set.Target)
		}
		b.spec, b.active, b.undos = spec, make(map[*process]fake.Op), 0
		j.books[spec.ID] = b
	}
	j.lastGood = j.good()
}

func (j *judge) violate(check, format string, args ...any) {
	v := Violation{Check: check, What: fmt.Sprintf(format, args...), After: j.sim.clock.Sub(j.sim.began)}
	j.violations = append(j.violations, v)
	j.sim.tracef("VIOLATION %s", v)
}

func (j *judge) good() string {
	summary, err := j.sim.store.LastGood(context.Background(), application, environment)
	if err != nil {
		return ""
	}
	return string(summary.Run)
}

// lock asks the store for a second run, which it must not get.
func (j *judge) lock() {
	if j.ended {
		return
	}
	planned := ripcord.Entry{Kind: ripcord.RunPlanned, Run: "thief", At: j.sim.clock, Plan: j.sim.plan, Version: ripcord.EntryVersion}
	if _, err := j.sim.store.Begin(context.Background(), planned, executor(99), leaseLasts); err == nil {
		j.violate("lock", "another run could begin")
	}
}

// touched notes that somebody else changed a step's target.
func (j *judge) touched(id ripcord.StepID) {
	for _, b := range j.books {
		b.touched = b.touched || b.set.Target == j.books[id].set.Target
	}
}

// shares reports whether another step that comes before, or else after, the
// step has the same target.
func (j *judge) shares(id ripcord.StepID, before bool) bool {
	target, past := j.books[id].set.Target, false
	for i := range j.sim.plan.Steps {
		other := j.sim.plan.Steps[i].ID
		if other == id {
			past = true
			continue
		}
		if past != before && j.books[other].set.Target == target {
			return true
		}
	}
	return false
}

// question returns a step whose question is open.
func (j *judge) question() (ripcord.StepID, bool) {
	for i := range j.sim.plan.Steps {
		if id := j.sim.plan.Steps[i].ID; j.books[id].asked {
			return id, true
		}
	}
	return "", false
}

// undoing returns the step whose undo is in progress.
func (j *judge) undoing() (ripcord.StepID, bool) {
	for i := range j.sim.plan.Steps {
		if id := j.sim.plan.Steps[i].ID; j.books[id].open && j.books[id].undos > 0 {
			return id, true
		}
	}
	return "", false
}

// stops notes who may be stopped on a person's word: the named undo, or, when
// the run is closed, each.
func (j *judge) stops(r *ripcord.Request) {
	for id, b := range j.books {
		named := id == r.Step && (r.Verb == ripcord.VerbRetry || r.Verb == ripcord.VerbSkip)
		b.stop = b.stop || named || r.Verb == ripcord.VerbClose
	}
}

// died notes that an executor is gone, with all that it had in progress.
func (j *judge) died(p *process) {
	for _, b := range j.books {
		delete(b.active, p)
	}
}

// looked notes what the world was at the end of a Check.
func (j *judge) looked(p *process, m fake.Moment) {
	if m.Op == fake.Check {
		j.looks[look{p, m.Step}] = j.sim.world.Image(j.books[m.Step].set.Target)
	}
}

// newest is what the world was when p last checked the step.
func (j *judge) newest(p *process, id ripcord.StepID) string { return j.looks[look{p, id}] }

// moment is the beginning or the middle of an operation.
func (j *judge) moment(ctx context.Context, p *process, m fake.Moment) {
	if j.ended && effect(m.Op) && !p.stale() {
		j.violate("ends", "%s of %s after the run's end", m.Op, m.Step)
	}
	if p.learned && effect(m.Op) && m.Phase == fake.Begin && ctx.Err() == nil {
		j.violate("fence", "executor %d begins %s of %s after it learned that it is fenced off", p.lease.Fence, m.Op, m.Step)
	}
}

// begins judges the beginning of an effect.
func (j *judge) begins(p *process, id ripcord.StepID, op fake.Op, a ripcord.Attempt) {
	b := j.books[id]
	if p.stale() {
		return // its entry is refused, and so is its effect
	}
	for other, running := range b.active {
		if !other.dead && (other == p || !other.stale()) {
			j.violate("one effect", "%s of %s begins while %s is in progress", op, id, running)
		}
	}
	b.active[p] = op
	if b.first != nil && string(a.Before.Image) != "" && string(a.Before.Image) != b.before {
		j.violate("first before-image", "%s of %s was given %q, but at first it was %q", op, id, a.Before.Image, b.before)
	}
	switch op {
	case fake.Apply:
		j.applies(p, id, b, a)
	case fake.Undo:
		j.undoes(p, id, b, a)
	case fake.Prepare:
		if !b.preparing || !b.checked {
			j.violate("order", "prepare of %s without its entry, or before its check", id)
		}
	default:
	}
}

func (j *judge) ends(p *process, id ripcord.StepID, _ fake.Op) { delete(j.books[id].active, p) }

// applies judges the beginning of an Apply.
func (j *judge) applies(p *process, id ripcord.StepID, b *book, a ripcord.Attempt) {
	switch {
	case !b.checked:
		j.violate("order", "apply of %s without a check", id)
	case b.by != p || b.attempt != a.Number || !b.open:
		j.violate("order", "apply %d of %s without a durable intent", a.Number, id)
	case b.set.Prepares && !b.prepared:
		j.violate("order", "apply of %s before it was prepared", id)
	case b.set.Checkable && b.set.Exact && j.image(b) == nil:
		j.violate("order", "apply of %s without a durable before-image", id)
	}
	for _, need := range b.spec.Needs {
		if !j.books[need].passed {
			j.violate("order", "apply of %s, which needs %s, whose result is not durable", id, need)
		}
	}
}

// image returns the durable before-image.
func (j *judge) image(b *book) []byte {
	if b.first == nil || b.first.Image == nil {
		return nil
	}
	return j.sim.blobs.data[b.first.Image.Path]
}

func (j *judge) undoes(p *process, id ripcord.StepID, b *book, a ripcord.Attempt) {
	if b.intents == 0 {
		j.violate("only executed", "undo of %s, which was never begun", id)
	}
	if b.by != p || b.attempt != a.Number || !b.open {
		j.violate("order", "undo %d of %s without a durable intent", a.Number, id)
	}
}

func encodedPlan(plan *ripcord.Plan) string {
	data, err := json.Marshal(plan)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
