// Package backup takes backups and restores them: a data source and a repository,
// brought together. It knows neither; the app hands them in.
//
// A backup is made by a step of a release, or outside of one by a Desk, which also
// lists, verifies, tests, restores and prunes.
package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Kind is the adapter's name in a StepSpec.
const Kind = "backup"

// Adapter opens backup steps, and desks.
type Adapter struct {
	repositories ripcord.Repositories
	sources      map[string]ripcord.DataSource
}

// New returns the adapter with all that it may bring together.
func New(repositories ripcord.Repositories, sources ...ripcord.DataSource) *Adapter {
	byKind := make(map[string]ripcord.DataSource, len(sources))
	for _, s := range sources {
		byKind[s.Kind()] = s
	}
	return &Adapter{repositories, byKind}
}

// Kind implements ripcord.Adapter.
func (a *Adapter) Kind() string { return Kind }

// Settings say what is backed up and where to.
type Settings struct {
	// Name is what the plan file calls the data.
	Name string `json:"name"`
	// Source is the Kind of the DataSource, Data are its settings.
	Source string          `json:"data_source"`
	Data   json.RawMessage `json:"data"`
	// Repository are the repository's settings.
	Repository json.RawMessage `json:"repository"`
	// Checks are the questions that a restored backup must answer with true.
	Checks []string `json:"checks,omitempty"`
	// Keep is how many backups of the data stay when others are pruned, and KeepFor
	// how long each stays; 0 keeps all.
	Keep    int              `json:"keep,omitempty"`
	KeepFor ripcord.Duration `json:"keep_for,omitempty"`
}

// read reads settings and refuses what it does not know.
func (a *Adapter) read(raw json.RawMessage) (Settings, error) {
	var s Settings
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "backup: settings: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "backup: settings: more than one value")
	}
	if s.Name == "" {
		return s, ripcord.Errorf(ripcord.CodePlan, "backup: it does not say what to back up").WithFix("add database: NAME or path: PATH")
	}
	if a.sources[s.Source] == nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "backup: this binary cannot back up %q", s.Source).WithFix("use one of: %s", a.kinds())
	}
	if s.Keep < 0 || s.KeepFor < 0 {
		return s, ripcord.Errorf(ripcord.CodePlan, "backup: keep is negative")
	}
	return s, a.repositories.Check(s.Repository)
}

func (a *Adapter) kinds() string {
	kinds := make([]string, 0, len(a.sources))
	for kind := range a.sources {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return strings.Join(kinds, ", ")
}

// Open implements ripcord.Adapter.
func (a *Adapter) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	set, err := a.read(spec.Settings)
	if err != nil {
		return nil, err
	}
	data, err := a.sources[set.Source].Open(ctx, set.Data, scope)
	if err != nil {
		return nil, err
	}
	return &Step{adapter: a, set: set, data: data, scope: scope, key: ripcord.Key(scope.Run, spec.ID)}, nil
}
