// Package wait is the step that lets time pass. An interrupted wait goes on with
// what is left of it, and no change of the clock shortens it.
package wait

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Kind is the adapter's name in a StepSpec.
const Kind = "wait"

const (
	// recordEvery is how much waited time a crash may lose.
	recordEvery = 5 * time.Second
	longest     = 30 * 24 * time.Hour
)

// Adapter opens waits.
type Adapter struct{}

// New returns the adapter.
func New() *Adapter { return &Adapter{} }

// Kind implements ripcord.Adapter.
func (*Adapter) Kind() string { return Kind }

// settings are the step's own.
type settings struct {
	For ripcord.Duration `json:"for"`
}

// Open implements ripcord.Adapter.
func (*Adapter) Open(_ context.Context, spec ripcord.StepSpec, _ ripcord.Scope) (ripcord.Step, error) {
	var set settings
	if err := health.Decode("wait", spec.Settings, &set); err != nil {
		return nil, err
	}
	if set.For <= 0 || set.For.Std() > longest {
		return nil, ripcord.Errorf(ripcord.CodePlan, "wait: for must lie above 0 and below 30 days").WithFix("write for: 30s")
	}
	return &Step{length: set.For.Std()}, nil
}

// Step is one wait.
type Step struct{ length time.Duration }

// Traits implements ripcord.Describer.
func (*Step) Traits() ripcord.Traits {
	return ripcord.Traits{Idempotent: true, UndoIdempotent: true, Reversal: ripcord.Reversal{Way: ripcord.WayNothing}}
}

// Check implements ripcord.Step.
func (*Step) Check(ctx context.Context) (ripcord.Observation, error) {
	return ripcord.Observation{Presence: ripcord.Absent}, ctx.Err()
}

// Undo implements ripcord.Step.
func (*Step) Undo(ctx context.Context, _ ripcord.Attempt) error { return ctx.Err() }

// Explain implements ripcord.Explainer.
func (s *Step) Explain(context.Context) (string, error) {
	return fmt.Sprintf("waits %s; it changes nothing", s.length), nil
}

// progress is what a wait records.
type progress struct {
	Waited ripcord.Duration `json:"waited"`
}

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	var p progress
	if n := len(a.Progress); n > 0 {
		if err := json.Unmarshal(a.Progress[n-1], &p); err != nil {
			return ripcord.Errorf(ripcord.CodeInternal, "wait: recorded progress is damaged: %w", err)
		}
	}
	for p.Waited.Std() < s.length {
		piece := min(recordEvery, s.length-p.Waited.Std())
		if !health.Pause(ctx, piece) {
			return s.stopped(ctx, p)
		}
		p.Waited += ripcord.Duration(piece)
		if err := a.Record(ctx, p); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *Step) stopped(ctx context.Context, p progress) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &ripcord.Failure{
			Class: ripcord.FailedTimeout, Final: true,
			Summary: fmt.Sprintf("the step's time-out came before %s were waited; raise timeout above for", s.length),
		}
	}
	return fmt.Errorf("wait: stopped after %s: %w", p.Waited, ctx.Err())
}
