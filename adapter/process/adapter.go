// Package process runs a service as plain supervised processes, in two colours: a
// release starts its instances in the colour that is free, beside the old ones,
// which keep running until the commit. Going back stops the new instances. With
// Replace it puts them in the places of the old ones, which it stops first, and
// going back starts those again as they were.
//
// The processes belong to ripcord.Supervisor; this package decides what is
// wanted, on which ports, and when it counts as healthy.
package process

import (
	"context"

	"github.com/ripcord-dev/ripcord"
)

// Kind is what StepSpec.Adapter says for steps of this package.
const Kind = "process"

// Adapter opens steps that deploy services as processes.
type Adapter struct{ environ func() []string }

// New returns the adapter. Environ gives the executor's own environment
// (os.Environ), of which instances inherit the few variables that every program
// expects; nil gives an empty one.
func New(environ func() []string) *Adapter {
	if environ == nil {
		environ = func() []string { return nil }
	}
	return &Adapter{environ: environ}
}

// Kind returns the package's Kind.
func (a *Adapter) Kind() string { return Kind }

// Open reads the spec's Settings; its error is of CodePlan.
func (a *Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	settings, err := decode(spec)
	if err != nil {
		return nil, err
	}
	settings.Health.Use(scope, spec.ID, a.environ)
	return &Step{settings: settings, scope: scope, environ: a.environ}, nil
}
