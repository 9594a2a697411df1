package sim

import (
	"github.com/ripcord-dev/ripcord"
)

// backEntry judges the entries of the way back.
func (j *judge) backEntry(p *process, b *book, e *ripcord.Entry) {
	switch e.Kind {
	case ripcord.StepUndoIntent:
		j.undoIntent(p, b, e)
	case ripcord.StepUndone:
		b.undone, b.open, b.lost = true, false, false
		if e.Verified {
			j.verified(p, b, e)
		}
	case ripcord.StepUndoFailed:
		if e.Failure.Class == ripcord.FailedCancelled {
			j.sim.coverage.count("undo stopped")
			if !b.stop {
				j.violate("undo stopped", "the undo of %s was stopped, and nobody asked for it", e.Step)
			}
		}
		b.open, b.lost = false, false
	case ripcord.StepLeft:
		b.left, b.open, b.lost, b.asked = true, false, false, false
	default:
	}
}

func (j *judge) undoIntent(p *process, b *book, e *ripcord.Entry) {
	id := e.Step
	if !j.back || j.held || j.paused {
		j.violate("nothing starts", "undo of %s while back=%v held=%v paused=%v", id, j.back, j.held, j.paused)
	}
	if b.intents == 0 || b.found && b.intents == 0 {
		j.violate("only executed", "undo of %s, which was never begun", id)
	}
	if b.undone || b.left {
		j.violate("only executed", "undo of %s, which is back already", id)
	}
	ordered := j.said > b.said || b.stop // whoever has it stopped and tried again knows that it was begun
	if b.open && (!b.lost || !ordered) {
		j.violate("order", "an undo intent of %s while an effect has no result", id)
	}
	if b.lost && b.undos+b.intents > 0 && !b.set.Checkable && !b.set.UndoIdempotent && !ordered {
		j.violate("a person's order", "undo of %s although nothing can prove how far its interrupted effect came", id)
	}
	if b.undos == 0 {
		j.settledFirst(id)
		j.undoOrder(id, b)
	}
	b.undos++
	b.by, b.attempt, b.open, b.asked, b.lost, b.stop, b.look = p, e.Attempt, true, false, false, false, ""
}

// settledFirst: before the first undo nothing is in progress, and it is known
// what everything that ended badly has left.
func (j *judge) settledFirst(id ripcord.StepID) {
	for other, b := range j.books {
		for p, op := range b.active {
			if !p.dead && !p.stale() {
				j.violate("settled first", "undo of %s while %s of %s is in progress", id, op, other)
			}
		}
		if b.intents == 0 || b.undos > 0 || b.undone || b.left || j.said > b.said {
			continue
		}
		if b.open || b.bad && b.set.Checkable {
			j.violate("settled first", "undo of %s before %s was looked at", id, other)
		}
	}
}

// undoOrder: traffic first, then the newest.
func (j *judge) undoOrder(id ripcord.StepID, b *book) {
	for other, o := range j.books {
		if other == id || o.intents == 0 || o.undone || o.left {
			continue
		}
		before := o.order > b.order
		if o.set.Traffic != b.set.Traffic {
			before = o.set.Traffic
		}
		if before {
			j.violate("undo order", "undo of %s before that of %s", id, other)
		}
	}
}

// verified: what is said to be proved is so.
func (j *judge) verified(p *process, b *book, e *ripcord.Entry) {
	look := b.look
	if look == "" {
		look = j.newest(p, e.Step)
	}
	switch {
	case b.set.Way == ripcord.WayNothing:
	case !b.set.Checkable:
		j.violate("verified", "%s cannot be checked, and yet its undo is verified", e.Step)
	case b.set.Exact && look != b.before:
		j.violate("verified", "%s is said to be back, but it is %q and was %q", e.Step, look, b.before)
	}
}

// allOld: a run that went back and says so has the world as it was.
func (j *judge) allOld(e *ripcord.Entry) {
	for id, b := range j.books {
		now := j.sim.world.Image(b.set.Target)
		want := b.initial
		if b.first != nil {
			want = b.before
		}
		switch {
		case b.intents > 0 && !b.undone && !b.left:
			j.violate("all old", "the run went back without %s", id)
		case e.Verified && b.left && b.intents > 0:
			j.violate("all old", "the way back is said to be verified, but %s was left", id)
		case j.shares(id, true): // the first of them tells
		case !e.Verified || b.touched || b.found || b.intents == 0 && b.first == nil:
		case j.exact(b.set.Target) && now != want:
			j.violate("all old", "%s is %q and was %q", id, now, want)
		}
	}
	if e.Verified {
		j.sim.coverage.count("verified")
	}
}

// exact reports whether all that was done to a target can be told exactly.
func (j *judge) exact(target string) bool {
	for _, b := range j.books {
		if b.set.Target == target && (!b.set.Checkable || !b.set.Exact) {
			return false
		}
	}
	return true
}

// allNew: a committed release is there.
func (j *judge) allNew() {
	for id, b := range j.books {
		if !b.passed {
			j.violate("all new", "committed without %s", id)
		}
		if b.touched || b.skipped || b.again || j.shares(id, false) || b.set.Way == ripcord.WayNothing {
			continue
		}
		if now := j.sim.world.Image(b.set.Target); now != "="+b.set.Value {
			j.violate("all new", "%s is %q after the commit", id, now)
		}
	}
}

// leftovers: what only the way back needed is gone, or said to be there still.
func (j *judge) leftovers(e *ripcord.Entry) {
	left := j.sim.world.Leftovers()
	if len(left) == 0 || len(e.Cleanup) > 0 || j.unwinds {
		return
	}
	for _, b := range j.books {
		if b.skipped || b.discardFailed || b.touched {
			return
		}
	}
	j.violate("leftovers", "%v", left)
}
