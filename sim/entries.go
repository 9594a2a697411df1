package sim

import (
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// entry judges an entry that has just become durable.
func (j *judge) entry(p *process, e *ripcord.Entry) {
	j.seq++
	if j.ended {
		j.violate("ends", "%s after the run's end", e.Kind)
	}
	if p.stale() {
		j.violate("fence", "executor %d wrote %s after executor %d attached", p.lease.Fence, e.Kind, j.sim.process.lease.Fence)
	}
	if b := j.books[e.Step]; b != nil {
		j.stepEntry(p, b, e)
	}
	j.runEntry(e)
	j.sim.coverage.count(string(e.Kind))
}

// appended judges what one append has changed beside the entries themselves.
func (j *judge) appended(entries []ripcord.Entry) {
	good := j.good()
	if good == j.lastGood {
		return
	}
	if !slices.ContainsFunc(entries, func(e ripcord.Entry) bool { return e.Kind == ripcord.RunCommitted }) {
		j.violate("last good", "%s changed last good from %q to %q", entries[0].Kind, j.lastGood, good)
	}
	j.lastGood = good
}

func (j *judge) stepEntry(p *process, b *book, e *ripcord.Entry) {
	id := e.Step
	switch e.Kind {
	case ripcord.StepChecked:
		j.checkedFirst(p, b, e)
	case ripcord.StepFound:
		if b.intents > 0 {
			j.violate("found", "%s is said to be found after its first intent", id)
		}
		b.found, b.passed, b.checked = true, true, true
	case ripcord.StepAsked:
		b.asked = true
	case ripcord.StepPreparing:
		j.starts(b, e)
		b.preparing, b.asked = true, false
	case ripcord.StepPrepared:
		b.prepared = true
	case ripcord.StepDiscarded:
		b.discardFailed = e.Failure != nil
	case ripcord.StepIntent:
		j.intent(p, b, e)
	case ripcord.StepApplied:
		b.passed, b.open, b.lost, b.bad = true, false, false, false
		j.after(e.Step)
		delete(j.failed, id)
	case ripcord.StepSkipped:
		b.passed, b.skipped, b.asked, b.open, b.lost = true, true, false, false, false
		delete(j.failed, id)
	case ripcord.StepFailed:
		b.open, b.bad, b.lost, b.asked = false, true, false, false
		if e.Until == nil && !j.back {
			j.failed[id] = true
		}
	case ripcord.StepSettled:
		j.settled(p, b, e)
	default:
		j.backEntry(p, b, e)
	}
}

func (j *judge) checkedFirst(p *process, b *book, e *ripcord.Entry) {
	b.checked = true
	if b.first == nil {
		b.first, b.before = e.Seen, j.looks[look{p, e.Step}]
	}
	if b.intents > 0 {
		j.violate("first before-image", "a before-image of %s after its first intent", e.Step)
	}
}

// starts judges an effect of the way forward that begins.
func (j *judge) starts(b *book, e *ripcord.Entry) {
	switch {
	case len(j.failed) > 0 && !j.back:
		j.violate("nothing starts", "%s of %s although a step has failed", e.Kind, e.Step)
	case j.back || j.held || j.paused || j.committed:
		j.violate("nothing starts", "%s of %s while back=%v held=%v paused=%v committed=%v", e.Kind, e.Step, j.back, j.held, j.paused, j.committed)
	case b.found:
		j.violate("found", "%s of %s, which was found", e.Kind, e.Step)
	}
	running := 0
	for id, other := range j.books {
		if other.open && other != b && !j.beside(id) {
			running++
		}
	}
	if running >= max(j.sim.plan.Parallel, 1) && !j.beside(e.Step) {
		j.violate("parallel", "%s of %s while %d others are in progress", e.Kind, e.Step, running)
	}
}

func (j *judge) intent(p *process, b *book, e *ripcord.Entry) {
	j.starts(b, e)
	ordered := j.said > b.said
	if b.lost && !b.set.Idempotent && !ordered && (!b.set.Checkable || b.seen != ripcord.Absent) {
		j.violate("a person's order", "%s is applied again although nothing can prove how far its interrupted effect came", e.Step)
	}
	if b.lost && !b.set.Idempotent || b.intents > 0 && !b.set.Idempotent {
		b.again = true
	}
	if b.open && (!b.lost || j.said <= b.said) {
		j.violate("order", "an intent of %s while an effect has no result", e.Step)
	}
	if b.intents == 0 {
		b.order = j.seq
	}
	b.intents++
	b.by, b.attempt, b.open, b.asked, b.bad, b.lost, b.passed = p, e.Attempt, true, false, false, false, false
}

func (j *judge) settled(p *process, b *book, e *ripcord.Entry) {
	b.seen, b.look = e.Seen.Presence, j.looks[look{p, e.Step}]
	if e.Seen.Presence == ripcord.Unknown && b.set.Checkable {
		return
	}
	b.open, b.bad = false, false
}

// runEntry follows the run's own entries.
func (j *judge) runEntry(e *ripcord.Entry) {
	switch e.Kind {
	case ripcord.RunAttached:
		j.attached()
	case ripcord.RunControl:
		j.control(e)
	case ripcord.RunHeld:
		j.held, j.paused = true, false
	case ripcord.RunPaused:
		j.paused = true
	case ripcord.RunResumed:
		j.paused = false
	case ripcord.RunReleased:
		j.held, j.paused = false, e.State == ripcord.StatePaused
		clear(j.failed)
	case ripcord.RunRollingBack:
		j.back, j.held, j.paused = true, false, false
		for _, b := range j.books {
			b.asked = false
		}
	case ripcord.RunCommitted:
		j.committed = true
		if j.unwinds {
			j.allOld(e)
		} else {
			j.allNew()
		}
	case ripcord.RunRolledBack:
		j.allOld(e)
		j.ended = true
	case ripcord.RunSucceeded:
		j.ended = true
		j.leftovers(e)
	case ripcord.RunClosed:
		j.ended = true
		if e.Who == "" {
			j.violate("closed", "nobody is named who closed the run")
		}
	default:
	}
}

// attached: what had no result is interrupted.
func (j *judge) attached() {
	for _, b := range j.books {
		if b.open && !b.lost {
			b.lost, b.said = true, j.said
		}
	}
}

func (j *judge) control(e *ripcord.Entry) {
	if e.Request.Refused != "" {
		j.sim.coverage.count("request refused")
		return
	}
	j.sim.coverage.count("did " + string(e.Request.Verb))
	j.stops(e.Request)
	switch e.Request.Verb {
	case ripcord.VerbRetry, ripcord.VerbAbort, ripcord.VerbRollback:
		j.said++
	case ripcord.VerbApprove, ripcord.VerbReject:
		if b := j.books[e.Request.Step]; b != nil {
			b.asked = false
		}
	default:
	}
}
