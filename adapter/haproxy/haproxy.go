// Package haproxy shifts traffic between the servers of one HAProxy backend,
// through the Runtime API on its admin socket, and reads HAProxy's counters.
//
// Nothing shifts until the new servers have passed a check that HAProxy made
// after it was told of them, and a probe of our own. HAProxy is never reloaded:
// what a reload or a restart would forget is written between two marks in its
// configuration, together with each change.
package haproxy

import (
	"context"
	"encoding/json"

	"github.com/ripcord-dev/ripcord"
)

// Kind is what StepSpec.Adapter and MetricSpec.Source say for this package.
const Kind = "haproxy"

// Adapter opens steps that shift traffic.
type Adapter struct{}

// New returns the adapter.
func New() *Adapter { return &Adapter{} }

// Kind returns the package's Kind.
func (a *Adapter) Kind() string { return Kind }

// Open reads the spec's Settings; its error is of CodePlan.
func (a *Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	settings, err := decode(spec)
	if err != nil {
		return nil, err
	}
	step := &Step{id: spec.ID, settings: settings, scope: scope, client: client{path: settings.Socket}}
	if settings.State != "" {
		return &Member{of: step}, nil
	}
	return step, nil
}

// Step shifts the traffic of one backend.
type Step struct {
	id       ripcord.StepID
	settings Settings
	scope    ripcord.Scope
	client   client
}

// Traits implements ripcord.Describer.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Traffic, traits.Finishes = true, true
	ask := "| socat - " + s.settings.Socket
	traits.Reversal.How = "see the servers:  echo 'show servers state " + s.settings.Backend + "' " + ask +
		"   then send traffic back, for each old server:  echo 'set server " + s.settings.Backend + "/OLD weight 100' " + ask +
		"   and for each new one:  echo 'set server " + s.settings.Backend + "/NEW weight 0' " + ask
	if s.settings.Config != "" {
		traits.Reversal.How += "   and write the same weights into " + s.settings.Config
	}
	return traits
}

// progress is what a step records: which HAProxy it began to change.
type progress struct {
	Process string `json:"process"`
}

// begun returns the process that earlier attempts began to change; empty is none.
func begun(a ripcord.Attempt) string {
	for _, data := range a.Progress {
		var p progress
		if json.Unmarshal(data, &p) == nil && p.Process != "" {
			return p.Process
		}
	}
	return ""
}
