// Package nginx shifts traffic between versions behind one upstream of nginx, and
// counts requests from a log that nginx writes for it.
//
// One file is Ripcord's alone: it holds the upstream that the user's own
// configuration sends requests to (`proxy_pass http://shop;`). A shift writes it
// beside its place, lets nginx test the whole configuration with it, renames it
// and lets nginx reload. The shift has ended when new workers serve it, and a full
// one when the old workers are gone. A split is a hash over 32,768 slots of which
// the first ones are the new side's, so a visitor only moves from the old version
// to the new one while the share grows.
//
// What the file says is a model in its second line; the first line holds a digest
// of all others, so that a change by hand is seen. Nothing else outlives a step.
package nginx

import (
	"context"
	"encoding/json"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
)

// Kind is what StepSpec.Adapter and MetricSpec.Source say for this package.
const Kind = "nginx"

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
	step := &Step{id: spec.ID, settings: settings, scope: scope}
	if settings.State != "" {
		return &Member{of: step}, nil
	}
	return step, nil
}

// Step shifts the traffic of one upstream.
type Step struct {
	id       ripcord.StepID
	settings Settings
	scope    ripcord.Scope
}

// Traits implements ripcord.Describer.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Traffic, traits.Finishes = true, true
	traits.Reversal.How = "write the old servers into upstream " + s.settings.Upstream + " of " + s.settings.Include +
		"   then test and reload:  " + s.settings.Program + " -t -c " + s.settings.Config + " && " + s.settings.Program + " -s reload -c " + s.settings.Config
	return traits
}

// progress is what a step records before it changes the file, and before each
// reload.
type progress struct {
	// Workers are those that served the before-image.
	Workers []string `json:"workers,omitempty"`
	// Reload says that nginx may have been asked to reload.
	Reload bool `json:"reload,omitempty"`
}

// recorded sums up what earlier attempts recorded: whether the file may have been
// changed, whether nginx may have been asked, and who served at the beginning.
func recorded(a ripcord.Attempt) (begun, asked bool, workers []string) {
	for _, data := range a.Progress {
		var p progress
		if json.Unmarshal(data, &p) != nil {
			continue
		}
		if !p.Reload && !begun {
			workers = p.Workers
		}
		begun, asked = true, asked || p.Reload
	}
	return begun, asked, workers
}

// hidden is a file beside path that no include of nginx matches.
func hidden(path, suffix string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+suffix)
}
