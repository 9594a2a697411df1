// Package nothing is the step without an effect. It carries a question to a
// person, which the engine asks.
package nothing

import (
	"context"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Kind is the adapter's name in a StepSpec.
const Kind = "nothing"

// Adapter opens steps that do nothing.
type Adapter struct{}

// New returns the adapter.
func New() *Adapter { return &Adapter{} }

// Kind implements ripcord.Adapter.
func (*Adapter) Kind() string { return Kind }

// Open implements ripcord.Adapter. There are no settings.
func (*Adapter) Open(_ context.Context, spec ripcord.StepSpec, _ ripcord.Scope) (ripcord.Step, error) {
	if len(spec.Settings) > 0 {
		var none struct{}
		if err := health.Decode("approve", spec.Settings, &none); err != nil {
			return nil, err
		}
	}
	return Step{}, nil
}

// Step does nothing.
type Step struct{}

// Traits implements ripcord.Describer.
func (Step) Traits() ripcord.Traits {
	return ripcord.Traits{Idempotent: true, UndoIdempotent: true, Reversal: ripcord.Reversal{Way: ripcord.WayNothing}}
}

// Check implements ripcord.Step.
func (Step) Check(ctx context.Context) (ripcord.Observation, error) {
	return ripcord.Observation{Presence: ripcord.Absent}, ctx.Err()
}

// Apply implements ripcord.Step.
func (Step) Apply(ctx context.Context, _ ripcord.Attempt) error { return ctx.Err() }

// Undo implements ripcord.Step.
func (Step) Undo(ctx context.Context, _ ripcord.Attempt) error { return ctx.Err() }

// Explain implements ripcord.Explainer.
func (Step) Explain(context.Context) (string, error) {
	return "waits for a person's word; it changes nothing", nil
}
