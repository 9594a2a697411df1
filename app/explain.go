package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// Preview is what `plan` says before anything happens.
type Preview struct {
	Plan  *ripcord.Plan `json:"-"`
	Steps []StepPreview `json:"steps"`
	// NoReturn is the first step after which not everything can go back.
	NoReturn ripcord.StepID `json:"point_of_no_return,omitempty"`
	// BackOrder lists the steps in the order in which they would be undone:
	// traffic first, then from bottom to top.
	BackOrder []ripcord.StepID `json:"back_order"`
	// TrafficFirst says that traffic goes back before steps that follow it.
	TrafficFirst bool `json:"-"`
	// Warnings are for people.
	Warnings []string `json:"warnings"`
	// LastGood is where a rollback of the whole release leads.
	LastGood string `json:"last_good,omitempty"`
	// OldSides are what there is of it, to go back to.
	OldSides []OldSide `json:"old_sides,omitempty"`
}

// StepPreview is what `plan` says of one step.
type StepPreview struct {
	ID   ripcord.StepID `json:"id"`
	Kind string         `json:"kind"`
	// Now is what is there; empty when it was not looked at.
	Now ripcord.Presence `json:"now,omitempty"`
	// Changes says what would change.
	Changes  string           `json:"changes,omitempty"`
	Reversal ripcord.Reversal `json:"way_back"`
	// Verified says that a check proves the way back.
	Verified bool     `json:"verified"`
	Duration Expected `json:"duration"`
	Undo     Expected `json:"undo_duration"`
	Skip     string   `json:"skip,omitempty"`
}

// Expected is a duration known from history, or a bound.
type Expected struct {
	Seconds float64 `json:"seconds"`
	// Samples is how many runs it was measured in; 0 means that Seconds is the
	// time-out, a bound.
	Samples int `json:"samples"`
}

// Explain previews a plan. Offline makes no check.
func (a *App) Explain(ctx context.Context, plan *ripcord.Plan, offline bool) (*Preview, error) {
	if err := errors.Join(present(plan), a.feasible(ctx, plan)); err != nil {
		return nil, err
	}
	if !offline {
		if err := a.answering(ctx, plan); err != nil {
			return nil, err
		}
	}
	if !offline {
		if err := a.pin(ctx, plan); err != nil {
			return nil, err
		}
	}
	history, err := a.durations(ctx, plan)
	if err != nil {
		return nil, err
	}
	p := &Preview{Plan: plan}
	for i := range plan.Steps {
		spec := &plan.Steps[i]
		s := StepPreview{
			ID: spec.ID, Kind: spec.Kind, Reversal: spec.Traits.Reversal, Skip: spec.Skip,
			Verified: spec.Traits.Checkable,
			Duration: expected(history[spec.ID].apply, spec.Timeout),
			Undo:     expected(history[spec.ID].undo, spec.Timeout),
		}
		if !offline && spec.Skip == "" {
			a.look(ctx, plan, spec, &s)
		}
		p.Steps = append(p.Steps, s)
	}
	if !offline {
		for _, target := range a.foreign(ctx, plan) {
			p.Warnings = append(p.Warnings, target.text+": a release from here would be refused"+before("; fix: ", target.fix))
		}
	}
	if a.keyless != nil {
		p.Warnings = append(p.Warnings, a.keyless.Error()+": a release would be refused")
	}
	p.Warnings = append(p.Warnings, a.uncaptured(ctx, plan)...)
	p.order()
	p.warn()
	p.warnOfShared()
	p.warnOfUndo()
	p.Warnings = append(p.Warnings, warnOfArguments(plan)...)
	if text := warnOfEnvironment(plan); text != "" {
		p.Warnings = append(p.Warnings, text)
	}
	good, err := a.store.LastGood(ctx, plan.Application, plan.Environment)
	switch {
	case err == nil:
		p.LastGood = good.Version
		if !offline {
			p.seeOldSides(a.oldSides(ctx, plan, a.lastGoodPlan(ctx, plan), nil))
		}
	case ripcord.CodeOf(err) == ripcord.CodeNotFound:
		p.Warnings = append(p.Warnings, "this is the first release here: going back removes what it made. `ripcord adopt` records what runs today as last good")
	default:
		return nil, err
	}
	return p, nil
}

// seeOldSides keeps what was seen, and warns of what could not serve now.
func (p *Preview) seeOldSides(sides []OldSide) {
	for _, side := range sides {
		if side.Instances == 0 && side.Version == "" {
			continue // a service that is new, or whose instances come with their command
		}
		if p.OldSides = append(p.OldSides, side); !side.Alive() {
			p.Warnings = append(p.Warnings, side.String()+": going back from this release would bring back something that does not serve now either")
		}
	}
}

// uncaptured warns of services of which nothing is kept: an older release's plan
// would start whatever lies on disk by then.
func (a *App) uncaptured(ctx context.Context, plan *ripcord.Plan) []string {
	var warnings []string
	for _, spec := range plan.Steps {
		step, err := a.open(ctx, plan, spec)
		if c, ok := step.(ripcord.Capturer); err != nil || spec.Kind != "deploy" || !ok || len(c.Files()) > 0 {
			continue
		}
		warnings = append(warnings, "step "+string(spec.ID)+" keeps no file of its version: a later rollback to it starts what lies on disk by then. "+
			"Name the version's files with `artifact`, and use them through ${release.directory}")
	}
	return warnings
}

// look asks the step itself: reading only.
func (a *App) look(ctx context.Context, plan *ripcord.Plan, spec *ripcord.StepSpec, s *StepPreview) {
	step, err := a.open(ctx, plan, *spec)
	if err != nil {
		s.Changes = err.Error()
		return
	}
	if e, ok := step.(ripcord.Explainer); ok {
		if s.Changes, err = e.Explain(ctx); err != nil {
			s.Changes = "cannot be told before the run: " + err.Error()
		}
	}
	if !spec.Traits.Checkable || spec.Traits.Reversal.Way == ripcord.WayNothing {
		return
	}
	o, err := step.Check(ctx)
	if err != nil {
		o.Presence = ripcord.Unknown
	}
	s.Now = o.Presence
}

// warn finds the point of no return and irreversible steps before risky ones.
func (p *Preview) warn() {
	for i, s := range p.Steps {
		if s.Skip != "" || s.Reversal.Way != ripcord.WayNone {
			continue
		}
		if p.NoReturn == "" {
			p.NoReturn = s.ID
		}
		for _, later := range p.Steps[i+1:] {
			if later.Skip == "" {
				p.Warnings = append(p.Warnings, "step "+string(s.ID)+" has no way back and stands before "+string(later.ID)+
					", which may still fail: move it to the end, or give it an undo")
				break
			}
		}
	}
}

// measured are the durations of one step in earlier runs, in seconds.
type measured struct{ apply, undo []float64 }

// historyRuns is how many earlier runs durations are taken from.
const historyRuns = 20

func (a *App) durations(ctx context.Context, plan *ripcord.Plan) (map[ripcord.StepID]measured, error) {
	runs, err := a.store.Runs(ctx, ripcord.Filter{Application: plan.Application, Environment: plan.Environment, Limit: historyRuns})
	if err != nil {
		return nil, err
	}
	durations := make(map[ripcord.StepID]measured)
	for _, r := range runs {
		if !r.State.Ended() || r.Purpose != ripcord.PurposeRelease {
			continue
		}
		state, err := a.State(ctx, r.Run)
		if err != nil {
			return nil, err
		}
		for id, t := range state.Steps {
			durations[id] = durations[id].with(t)
		}
	}
	return durations, nil
}

func (m measured) with(t *engine.Step) measured {
	if t.Started && t.Failure == nil && !t.EndedAt.IsZero() {
		m.apply = append(m.apply, t.EndedAt.Sub(t.StartedAt).Seconds())
	}
	if !t.UndoEndedAt.IsZero() && !t.UndoStartedAt.IsZero() && !t.Left {
		m.undo = append(m.undo, t.UndoEndedAt.Sub(t.UndoStartedAt).Seconds())
	}
	return m
}

// expected is the median of what was measured, else the time-out.
func expected(samples []float64, timeout ripcord.Duration) Expected {
	if len(samples) == 0 {
		return Expected{Seconds: time.Duration(timeout).Seconds()}
	}
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	return Expected{Seconds: sorted[len(sorted)/2], Samples: len(sorted)}
}
