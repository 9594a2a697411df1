package app

import (
	"context"
	"fmt"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// WayBack says how a committed release is taken back.
type WayBack struct {
	// From is the release that is taken back, To the one that comes back; To is
	// empty when nothing was there before.
	From, To ripcord.Summary
	// Unwind undoes From's steps, in spite of Why if that is not empty; otherwise
	// To's plan is executed again from its bundle, because of Why.
	Unwind bool
	Why    string
	// OldSides are what there is of To now, where From is unwound.
	OldSides []OldSide
	// Stays is what the releases in between have made of databases, which stays where
	// To's plan is executed again.
	Stays []string
}

// Proof says of each service whether the version that comes back was seen alive.
func (w WayBack) Proof() []string {
	if !w.Unwind {
		proof := fmt.Sprintf("%s is started from its bundle beside %s and gets users only once it is healthy; if it does not start, %s keeps them", w.To.Version, w.From.Version, w.From.Version)
		return append([]string{proof}, w.Stays...)
	}
	var lines []string
	for _, side := range w.OldSides {
		lines = append(lines, side.String())
	}
	return lines
}

// String says it in a sentence.
func (w WayBack) String() string {
	to := "to what was there before"
	if w.To.Run != "" {
		to = fmt.Sprintf("to %s %s (%s)", w.To.Application, w.To.Version, w.To.Run)
	}
	if w.Unwind && w.Why != "" {
		return fmt.Sprintf("back from %s %s %s, by undoing its steps, although %s: going back holds where it cannot prove itself", w.From.Application, w.From.Version, to, w.Why)
	}
	if w.Unwind {
		return fmt.Sprintf("back from %s %s %s, by undoing its steps", w.From.Application, w.From.Version, to)
	}
	return fmt.Sprintf("back from %s %s %s, by executing that release's plan again from its bundle: %s", w.From.Application, w.From.Version, to, w.Why)
}

// committed returns the committed releases of an environment that count as
// released now, newest first: what a rollback took back is left out.
func (a *App) committed(ctx context.Context, application, environment string) ([]ripcord.Summary, error) {
	runs, err := a.store.Runs(ctx, ripcord.Filter{Application: application, Environment: environment})
	if err != nil {
		return nil, err
	}
	return standing(runs), nil
}

// standing leaves out of the runs, newest first, what was never committed and
// what later rollbacks took back: those that undid a release, with it, and all
// between a release and its plan's later execution.
func standing(runs []ripcord.Summary) []ripcord.Summary {
	reverted := make(map[ripcord.RunID]bool)
	var until ripcord.RunID
	var releases []ripcord.Summary
	for _, r := range runs {
		if !r.Committed {
			continue
		}
		for _, id := range r.Reverts {
			reverted[id] = true
		}
		switch {
		case until != "":
			if r.Run == until {
				until = r.Returns // of a rollback run: it stood for an even earlier one
			}
		case len(r.Reverts) > 0 || reverted[r.Run]:
		default:
			releases = append(releases, r)
			if r.Purpose == ripcord.PurposeRollback {
				until = r.Returns
			}
		}
	}
	return releases
}

// PlanRollback finds the way from the newest release back to the one named to,
// or to the one before it. It reads only.
func (a *App) PlanRollback(ctx context.Context, application, environment, to string) ([]WayBack, error) {
	releases, err := a.committed(ctx, application, environment)
	if err != nil {
		return nil, err
	}
	if len(releases) == 0 {
		return nil, ripcord.Errorf(ripcord.CodeNotFound, "no release of %s in %s has been committed, so there is nothing to take back", application, environment)
	}
	target, err := targetOf(releases, to)
	if err != nil {
		return nil, err
	}
	var ways []WayBack
	for i := range target {
		way := WayBack{From: releases[i]}
		if i+1 < len(releases) {
			way.To = releases[i+1]
		}
		b, err := a.blocked(ctx, releases[i], i+1 == len(releases), i == 0)
		if err != nil {
			return nil, err
		}
		// Where the target's plan cannot be executed again, drift and a check that
		// is down do not refuse the way back: undo proves itself, or holds.
		way.Why = b.why
		way.Unwind = b.why == "" || b.drift && !repeatable(releases, target)
		if !way.Unwind {
			return a.again(ctx, releases, target, way)
		}
		if i == 0 { // what lies beneath can be looked at only when that is gone
			way.OldSides = a.oldSidesOf(ctx, way)
		}
		ways = append(ways, way)
	}
	return ways, nil
}

// again gives the way back by the target's own plan, once unwinding is blocked.
func (a *App) again(ctx context.Context, releases []ripcord.Summary, target int, blocked WayBack) ([]WayBack, error) {
	if !repeatable(releases, target) {
		return nil, ripcord.Errorf(ripcord.CodeRefused, "%s cannot be taken back: %s, and there is no earlier release whose plan could be executed again",
			blocked.From.Version, blocked.Why).WithFix("release the wanted version with `ripcord release --version ...`")
	}
	stays, err := a.stays(ctx, releases[:target])
	return []WayBack{{From: releases[0], To: releases[target], Why: blocked.Why, Stays: stays}}, err
}

// repeatable reports whether the target's plan can be executed again.
func repeatable(releases []ripcord.Summary, target int) bool {
	return target < len(releases) && releases[target].Purpose != ripcord.PurposeAdopt
}

// targetOf returns how many releases are to be taken back.
func targetOf(releases []ripcord.Summary, to string) (int, error) {
	if to == "" {
		return 1, nil
	}
	for i, r := range releases {
		if i > 0 && (r.Version == to || string(r.Run) == to) {
			return i, nil
		}
	}
	if releases[0].Version == to || string(releases[0].Run) == to {
		return 0, ripcord.Errorf(ripcord.CodePlan, "%s is what is released now", to)
	}
	return 0, ripcord.Errorf(ripcord.CodeNotFound, "there is no earlier release %s", to).WithFix("`ripcord history` lists them")
}

// block says why a committed release should not be unwound step by step; the
// zero block is that it can be.
type block struct {
	why string
	// drift: its steps can be undone, but what they made is not as they left it,
	// or that cannot be seen.
	drift bool
}

// blocked says what stands against unwinding a committed release.
func (a *App) blocked(ctx context.Context, r ripcord.Summary, first, look bool) (block, error) {
	switch r.Purpose {
	case ripcord.PurposeAdopt:
		return block{why: "it was adopted, not released by Ripcord"}, nil
	case ripcord.PurposeRollback:
		return block{why: "it was itself a rollback, and undoing it would bring back what it took away"}, nil
	case ripcord.PurposeRelease:
	}
	state, err := a.State(ctx, r.Run)
	if err != nil {
		return block{}, err
	}
	for i := range state.Plan.Steps {
		t := state.Steps[state.Plan.Steps[i].ID]
		switch {
		case !t.Started:
		case dropped(t):
			why := fmt.Sprintf("what undo of step %s needs was dropped after its commit", t.Spec.ID)
			// Where nothing was there before the first release, nothing was dropped.
			nothing := first && t.Before != nil && t.Before.Presence == ripcord.Absent
			return block{why: why, drift: nothing}, nil
		case t.Spec.Traits.Reversal.Way == ripcord.WayNone:
			return block{why: fmt.Sprintf("step %s has no way back", t.Spec.ID)}, nil
		}
	}
	unpacked := sync.OnceValues(func() (string, error) { return a.unpack(ctx, state.Blobs) })
	for i := range state.Plan.Steps {
		t := state.Steps[state.Plan.Steps[i].ID]
		if !t.Started || !look {
			continue
		}
		if why := a.unchanged(ctx, state, t, unpacked); why != "" {
			return block{why: why, drift: true}, nil
		}
	}
	return block{}, nil
}

// dropped says that what the step's undo needs is not there any more: the old
// side of a service, or a safety copy.
func dropped(t *engine.Step) bool { return t.Finished || t.Made && t.Discarded }

// unchanged looks whether a step's effect is still what the release left.
func (a *App) unchanged(ctx context.Context, state *engine.State, t *engine.Step, unpacked func() (string, error)) string {
	if !t.Spec.Traits.Checkable || t.Spec.Traits.Reversal.Way == ripcord.WayNothing {
		return ""
	}
	step, err := a.openIn(ctx, state, t, unpacked)
	if err != nil {
		return fmt.Sprintf("step %s cannot be opened any more: %v", t.Spec.ID, err)
	}
	o, err := step.Check(ctx)
	if err != nil || o.Presence == ripcord.Unknown {
		return fmt.Sprintf("the check of step %s does not answer", t.Spec.ID)
	}
	if o.Presence != ripcord.Present {
		return fmt.Sprintf("somebody changed what step %s had made (%s)", t.Spec.ID, o.Presence)
	}
	return ""
}

// Rollback takes committed releases back, along the given ways. It stops at the
// first that does not reach its goal. After each it looks anew at what lay
// beneath, and tells say, which may be nil, how it goes on.
func (a *App) Rollback(ctx context.Context, ways []WayBack, b Begin, say func(WayBack), l Listener) (*engine.State, error) {
	goal := ways[len(ways)-1].To
	for {
		plan, err := a.rollbackPlan(ctx, ways[0])
		if err != nil {
			return nil, err
		}
		state, err := a.Release(ctx, plan, b, l)
		if err != nil || state.State != ripcord.StateSucceeded || len(ways) == 1 {
			return state, err
		}
		// What lay under the release that is gone can be looked at only now.
		if ways, err = a.PlanRollback(ctx, plan.Application, plan.Environment, string(goal.Run)); err != nil {
			return state, err
		}
		if say != nil {
			say(ways[0])
		}
	}
}

// rollbackPlan makes the plan of a rollback run: the steps of the release that is
// undone, or those of the release that is executed again.
func (a *App) rollbackPlan(ctx context.Context, way WayBack) (*ripcord.Plan, error) {
	source := way.To.Run
	if way.Unwind {
		source = way.From.Run
	}
	plan, err := a.plan(ctx, source)
	if err != nil {
		return nil, err
	}
	p := *plan
	p.Purpose, p.Version = ripcord.PurposeRollback, way.To.Version
	p.OnFailure = ripcord.FailurePolicy{Action: ripcord.FailRollback}
	if way.Unwind {
		p.Reverts, p.Returns = []ripcord.RunID{way.From.Run}, way.To.Run
		return &p, nil
	}
	p.From, p.Returns = way.To.Run, way.To.Run
	return &p, nil
}
