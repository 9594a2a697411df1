package canary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// BakeKind is the name of the bake steps' adapter in a StepSpec.
const BakeKind = "bake"

// Baker opens bake steps.
type Baker struct{ latest *latest }

// Kind implements ripcord.Adapter.
func (*Baker) Kind() string { return BakeKind }

// BakeSettings are those of a bake step.
type BakeSettings struct {
	For ripcord.Duration `json:"for"`
	// Analysis is the step that judges; empty only lets time pass.
	Analysis ripcord.StepID `json:"analysis,omitempty"`
	// Old is the older version's colour. Where it is given and empty there is no
	// older version, all users have the new one already, and no stage lasts.
	Old *string `json:"old,omitempty"`
}

// longestBake bounds a stage.
const longestBake = 30 * 24 * time.Hour

// Open implements ripcord.Adapter.
func (b *Baker) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	var set BakeSettings
	if err := decode("bake", spec, &set); err != nil {
		return nil, err
	}
	if set.For <= 0 || set.For.Std() > longestBake {
		return nil, ripcord.Errorf(ripcord.CodePlan, "step %q: a stage of %s", spec.ID, set.For).WithFix("write for: 2m")
	}
	return &Bake{set: set, scope: scope, latest: b.latest}, nil
}

// Bake lets a stage last.
type Bake struct {
	set    BakeSettings
	scope  ripcord.Scope
	latest *latest
}

// Traits implements ripcord.Describer.
func (*Bake) Traits() ripcord.Traits {
	return ripcord.Traits{Idempotent: true, UndoIdempotent: true, Reversal: ripcord.Reversal{Way: ripcord.WayNothing}}
}

// Check implements ripcord.Step.
func (*Bake) Check(ctx context.Context) (ripcord.Observation, error) {
	return ripcord.Observation{Presence: ripcord.Absent}, ctx.Err()
}

// Undo implements ripcord.Step.
func (*Bake) Undo(ctx context.Context, _ ripcord.Attempt) error { return ctx.Err() }

// Explain implements ripcord.Explainer.
func (b *Bake) Explain(context.Context) (string, error) {
	text := fmt.Sprintf("lets the stage last %s", b.set.For)
	if b.set.Analysis != "" {
		text += ", and until every metric was judged from for as long"
	}
	return text, nil
}

// baked is what a bake step records: how much of its time has passed.
type baked struct {
	Passed ripcord.Duration `json:"passed"`
	// Before is for how long each metric had been judged from when the stage began,
	// in seconds.
	Before map[string]float64 `json:"before,omitempty"`
}

// enoughWatched is the part of its time for which a stage must have been judged by
// each metric: silence, and what warms up, prolongs it. The rest is for looks that do
// not fall on its ends.
const (
	enoughWatched = 0.75
	mostWatched   = 5 * 60 // seconds: a longer stage may have holes
)

const bakePiece = 5 * time.Second

// Apply lets the time pass, also what a dead executor left of it, and waits for
// the analysis to have something to say. The step's time-out ends that.
func (b *Bake) Apply(ctx context.Context, a ripcord.Attempt) error {
	if b.set.Old != nil && *b.set.Old == "" {
		_, _ = fmt.Fprintln(a.Output, "there is no older version, so this stage does not last")
		return ctx.Err()
	}
	var p baked
	if n := len(a.Progress); n > 0 {
		if err := json.Unmarshal(a.Progress[n-1], &p); err != nil {
			return ripcord.Errorf(ripcord.CodeInternal, "bake: recorded progress is damaged: %w", err)
		}
	}
	if d, ok := b.latest.ask(place{b.scope.Run, b.set.Analysis}); ok && p.Passed == 0 {
		p.Before = watched(d)
	}
	for p.Passed < b.set.For {
		piece := min(ripcord.Duration(bakePiece), b.set.For-p.Passed)
		if err := sleep(ctx, piece.Std()); err != nil {
			return err
		}
		p.Passed += piece
		if err := a.Record(ctx, p); err != nil {
			return err
		}
	}
	for {
		d, judged := b.said(p.Before)
		if judged {
			return nil
		}
		if err := sleep(ctx, time.Second); err != nil {
			return b.silence(err, d)
		}
	}
}

// watched is for how long each metric was judged from.
func watched(d analysis.Decision) map[string]float64 {
	all := map[string]float64{}
	for i := range d.Evidence {
		all[d.Evidence[i].Metric] = d.Evidence[i].Watched
	}
	return all
}

// said reports whether the analysis lets the stage end: nothing is proved against the
// new version, and each metric was judged from for as long as the stage lasts.
func (b *Bake) said(before map[string]float64) (analysis.Decision, bool) {
	if b.set.Analysis == "" {
		return analysis.Decision{}, true
	}
	d, ok := b.latest.ask(place{b.scope.Run, b.set.Analysis})
	if !ok || !d.MayAdvance {
		return d, false
	}
	enough := min(enoughWatched*b.set.For.Std().Seconds(), mostWatched)
	for i := range d.Evidence {
		e := &d.Evidence[i]
		if e.Gate && e.Watched-before[e.Metric] < enough {
			return d, false
		}
	}
	return d, true
}

// silence says why the stage could not end in time.
func (b *Bake) silence(err error, d analysis.Decision) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	silent := "the analysis still had nothing to say"
	switch {
	case len(d.Silent) > 0:
		silent = strings.Join(d.Silent, ", ") + " still had nothing to say"
	case len(d.Evidence) > 0:
		silent = "there was still too little to judge from"
	}
	return &ripcord.Failure{
		Class: ripcord.FailedAnalysis, Final: true, Lines: lines(d),
		Summary: fmt.Sprintf("the stage lasted %s, and then %s: no evidence is no success", b.set.For, silent),
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
