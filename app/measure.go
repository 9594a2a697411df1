package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis/canary"
	"github.com/ripcord-dev/ripcord/engine"
)

// Measured is what is known of the version that runs now, by one analysis of the plan.
type Measured struct {
	Step    ripcord.StepID    `json:"step"`
	Metrics []canary.Measured `json:"metrics"`
}

// Measure watches the version that runs now for so long and keeps for later releases
// how its failures cluster. It looks only. The first analysis of the plan is watched;
// the error is one of CodePlan where there is none.
func (a *App) Measure(ctx context.Context, plan *ripcord.Plan, lasts time.Duration, out io.Writer) (*Measured, error) {
	unfinished, err := a.store.Runs(ctx, ripcord.Filter{Application: plan.Application, Environment: plan.Environment, Unfinished: true, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(unfinished) > 0 && lasts > 0 {
		return nil, ripcord.Errorf(ripcord.CodeRefused, "run %s is in progress: users are on two versions", unfinished[0].Run).
			WithFix("measure when it has ended; a release measures the old version by itself")
	}
	for i := range plan.Steps {
		spec := plan.Steps[i]
		if spec.Kind != "analyze" {
			continue
		}
		if spec.Settings, err = a.runningNow(ctx, plan, spec.Settings); err != nil {
			return nil, err
		}
		opened, err := a.open(ctx, plan, spec)
		if err != nil {
			return nil, err
		}
		step, ok := opened.(*canary.Step)
		if !ok {
			return nil, ripcord.Errorf(ripcord.CodeInternal, "step %q is no analysis", spec.ID)
		}
		metrics, err := step.Measure(ctx, lasts, out)
		return &Measured{Step: spec.ID, Metrics: metrics}, err
	}
	return nil, ripcord.Errorf(ripcord.CodePlan, "no step of %s judges by metrics", plan.Name()).
		WithFix("add `strategy: canary` and `analyze: [errors]` to a shift")
}

// runningNow puts the version that the last good release has made in the place of the
// old one. Where there is none, the settings are as the plan has them, and the source
// finds out by itself what has the traffic, if it can.
func (a *App) runningNow(ctx context.Context, plan *ripcord.Plan, settings json.RawMessage) (json.RawMessage, error) {
	good, err := a.store.LastGood(ctx, plan.Application, plan.Environment)
	if ripcord.CodeOf(err) == ripcord.CodeNotFound {
		return settings, nil
	}
	if err != nil {
		return nil, err
	}
	state, err := a.State(ctx, good.Run)
	if err != nil {
		return nil, err
	}
	var set map[string]json.RawMessage
	var side ripcord.Side
	if err := errors.Join(json.Unmarshal(settings, &set), json.Unmarshal(set["new"], &side)); err != nil {
		return nil, ripcord.Errorf(ripcord.CodeInternal, "the settings of an analysis: %w", err)
	}
	side = ripcord.Side{Colour: fillIn(state, side.Colour), Addresses: fillIn(state, side.Addresses), Version: good.Version}
	if strings.Contains(side.Colour+side.Addresses, "${") {
		return settings, nil // of a plan with other steps
	}
	if set["old"], err = json.Marshal(side); err != nil {
		return nil, err
	}
	return json.Marshal(set)
}

// fillIn replaces references to outputs by what the run's steps have put out.
func fillIn(state *engine.State, text string) string {
	for id, t := range state.Steps {
		for name, output := range t.Outputs {
			text = strings.ReplaceAll(text, "${steps."+string(id)+".outputs."+name+"}", output.Value)
		}
	}
	return text
}
