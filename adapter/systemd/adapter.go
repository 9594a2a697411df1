// Package systemd runs a service as units of systemd, in two colours: a release
// starts its units in the colour that is free, beside the old ones, which keep
// running until the commit. Going back stops and removes the new units.
//
// systemd supervises the instances: it starts them again, keeps their logs and
// limits, and starts them at boot. New units start at boot as soon as they are
// healthy, the old ones until the commit, so that a reboot in the middle of a
// release finds what ran before.
// Everything is done through a ripcord.Machine.
package systemd

import (
	"context"

	"github.com/ripcord-dev/ripcord"
)

// Kind is what StepSpec.Adapter says for steps of this package.
const Kind = "systemd"

// Adapter opens steps that deploy services as systemd units.
type Adapter struct{}

// New returns the adapter.
func New() *Adapter { return &Adapter{} }

// Kind returns the package's Kind.
func (*Adapter) Kind() string { return Kind }

// Open reads the spec's Settings; its error is of CodePlan.
func (*Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	settings, err := decode(spec, scope)
	if err != nil {
		return nil, err
	}
	settings.Health.Use(scope, spec.ID, nil)
	return &Step{settings: settings, scope: scope}, nil
}
