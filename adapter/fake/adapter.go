// Package fake is the in-memory system: a World of targets with values, and an
// adapter whose steps set one of them and keep every contract of the root
// package. Faults make any operation of any step go wrong in the ways that real
// systems do.
//
// The package starts no goroutine and reads no clock: the same calls in the same
// order give the same results.
package fake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Kind is what StepSpec.Adapter says for steps of this package.
const Kind = "fake"

// Adapter opens steps on one World.
type Adapter struct{ world *World }

// New returns an adapter for w.
func New(w *World) *Adapter { return &Adapter{world: w} }

// Kind returns the package's Kind.
func (a *Adapter) Kind() string { return Kind }

// Open reads the spec's Settings; its error is of CodePlan.
func (a *Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	settings, err := decode(spec)
	if err != nil {
		return nil, err
	}
	return &Step{id: spec.ID, settings: settings, world: a.world, secrets: scope.Secrets}, nil
}

// Settings are those of a fake step. All but Target and Value may be left out.
type Settings struct {
	// Target is what the step sets.
	Target string `json:"target"`
	// Value is what Target has after Apply. It may hold secret references.
	Value string `json:"value"`
	// Checkable (default true): Check can tell. Otherwise it says Unknown.
	Checkable bool `json:"checkable"`
	// Exact (default true): Check gives the value as image, not only yes or no.
	Exact bool `json:"exact"`
	// Idempotent (default true). Otherwise a second Apply damages the target:
	// its value becomes "VALUE+VALUE".
	Idempotent bool `json:"idempotent"`
	// UndoIdempotent (default true). Otherwise an Undo that finds nothing to do
	// damages the target: "-undo" is added to its value.
	UndoIdempotent bool `json:"undo_idempotent"`
	// Resumable: an effect goes on in the world when its executor dies, and
	// Resume finds it. Otherwise Resume says ErrLost.
	Resumable bool `json:"resumable"`
	// Records: Apply records its progress once, in its middle.
	Records bool `json:"records"`
	// Prepares: Prepare keeps a copy that Undo insists on until Discard.
	Prepares bool `json:"prepares"`
	// Finishes: Apply leaves the old value beside the target until Finish.
	Finishes bool `json:"finishes"`
	Traffic  bool `json:"traffic"`
	Watches  bool `json:"watches"`
	// Way (default exact, or unverified without Checkable) and Loss describe the
	// way back. With "nothing" Apply changes nothing; with "none" Undo fails.
	Way  ripcord.Way `json:"way"`
	Loss string      `json:"loss"`
	// Outputs are what the step hands on; SensitiveOutputs names the secret ones.
	Outputs          map[string]string `json:"outputs"`
	SensitiveOutputs []string          `json:"sensitive_outputs"`
}

func decode(spec ripcord.StepSpec) (Settings, error) {
	s := Settings{Checkable: true, Exact: true, Idempotent: true, UndoIdempotent: true}
	decoder := json.NewDecoder(strings.NewReader(string(spec.Settings)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: fake settings: %w", spec.ID, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: fake settings: text after the end", spec.ID)
	}
	if s.Target == "" {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: no target", spec.ID).WithFix(`add "target"`)
	}
	if s.Value == "" {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: no value", spec.ID).WithFix(`add "value"`)
	}
	switch s.Way {
	case ripcord.WayExact, ripcord.WayRestorable, ripcord.WayUnverified, ripcord.WayNone, ripcord.WayNothing:
	case "":
		s.Way = ripcord.WayExact
		if !s.Checkable {
			s.Way = ripcord.WayUnverified
		}
	default:
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: way %q does not exist", spec.ID, s.Way)
	}
	return s, nil
}
