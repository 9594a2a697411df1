// Package docker runs a service as containers, in two colours: a release starts
// its containers in the colour that is free, beside the old ones, which keep
// running until the commit. Going back stops and removes the new containers. Or
// they take the places of the old ones, which are then stopped, kept until the
// commit, and started again by going back.
//
// The engine supervises the containers: it starts them again and keeps their logs
// and limits. What a container is made of is an image by its digest: a tag is
// looked up when the release is planned, and its digest stands in the frozen plan.
// Everything is done through the Engine API, over a ripcord.Machine.
package docker

import (
	"context"

	"github.com/ripcord-dev/ripcord"
)

// Kind is what StepSpec.Adapter says for steps of this package.
const Kind = "docker"

// Adapter opens steps that deploy services as containers.
type Adapter struct{ environ func() []string }

// New returns the adapter. Environ gives the executor's own environment
// (os.Environ), for commands that ask for health; nil gives an empty one.
func New(environ func() []string) *Adapter { return &Adapter{environ: environ} }

// Kind returns the package's Kind.
func (*Adapter) Kind() string { return Kind }

// Open reads the spec's Settings; its error is of CodePlan.
func (a *Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	settings, err := decode(spec, scope)
	if err != nil {
		return nil, err
	}
	settings.Health.Use(scope, spec.ID, a.environ)
	return &Step{id: spec.ID, settings: settings, scope: scope, raw: spec.Settings}, nil
}
