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
		text += ", and until every metric has said something"
	}
	return text, nil
}

// baked is what a bake step records: how much of its time has passed.
type baked struct {
	Passed ripcord.Duration `json:"passed"`
}

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
		d, judged := b.said()
		if judged {
			return nil
		}
		if err := sleep(ctx, time.Second); err != nil {
			return b.silence(err, d)
		}
	}
}

// said reports whether the analysis lets the stage end.
func (b *Bake) said() (analysis.Decision, bool) {
	if b.set.Analysis == "" {
		return analysis.Decision{}, true
	}
	d, ok := b.latest.ask(place{b.scope.Run, b.set.Analysis})
	return d, ok && d.MayAdvance
}

// silence says why the stage could not end in time.
func (b *Bake) silence(err error, d analysis.Decision) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	silent := "the analysis"
	if len(d.Silent) > 0 {
		silent = strings.Join(d.Silent, ", ")
	}
	return &ripcord.Failure{
		Class: ripcord.FailedAnalysis, Final: true, Lines: lines(d),
		Summary: fmt.Sprintf("the stage lasted %s, and then %s still had nothing to say: no evidence is no success", b.set.For, silent),
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
