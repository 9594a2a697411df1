// Package script runs a team's own commands as steps: the command that makes a
// change, the one that takes it back, and the one that looks whether it is there.
//
// It serves two kinds of step. Kind run has a command. Kind manual has none:
// there a person does the work, and only the optional check is ours to run.
package script

import (
	"context"

	"github.com/ripcord-dev/ripcord"
)

// Kind is what StepSpec.Adapter says for steps of this package.
const Kind = "script"

// Adapter opens steps that run commands.
type Adapter struct{ environ func() []string }

// New returns the adapter. Environ gives the executor's own environment
// (os.Environ), which commands inherit without its RIPCORD_ variables; nil gives
// an empty one.
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
	return &Step{spec: spec, settings: settings, scope: scope, environ: a.environ}, nil
}
