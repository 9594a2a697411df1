package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// present refuses a plan whose bundle could not be captured: what the plan file
// names as a source, an artifact or for the bundle must be there when the run
// begins. It says so before anything is planned.
func present(plan *ripcord.Plan) error {
	if plan.Purpose != ripcord.PurposeRelease {
		return nil // its bundle was captured long ago
	}
	var problems []error
	look := func(what, name string) {
		if name == "" || strings.Contains(name, "${") {
			return
		}
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(plan.Directory, path)
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("%s %s is not there (%s)", what, name, path))
		}
	}
	for _, name := range plan.Bundle {
		look("bundle:", name)
	}
	for i := range plan.Steps {
		var settings struct {
			Source   string   `json:"source"`
			Artifact []string `json:"artifact"`
		}
		spec := &plan.Steps[i]
		if spec.Skip != "" || json.Unmarshal(spec.Settings, &settings) != nil {
			continue
		}
		where := fmt.Sprintf("line %d: step %s:", spec.Line, spec.ID)
		look(where+" source", settings.Source)
		for _, name := range settings.Artifact {
			look(where+" artifact", name)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return ripcord.Errorf(ripcord.CodePlan, "%w", errors.Join(problems...)).
		WithFix("make it before the release, or correct its name: it has to travel with the run")
}

// warnOfUndo tells of steps whose undo begins with a program of the plan file's
// folder that is not there, so that no bundle holds it.
func (p *Preview) warnOfUndo() {
	for i := range p.Plan.Steps {
		spec := &p.Plan.Steps[i]
		var settings struct {
			Undo      []string `json:"undo"`
			Directory string   `json:"directory"`
		}
		if json.Unmarshal(spec.Settings, &settings) != nil || len(settings.Undo) == 0 {
			continue
		}
		raw, err := json.Marshal(settings)
		if err != nil {
			continue
		}
		for _, name := range tools(&ripcord.StepSpec{Skip: spec.Skip, Settings: raw}) {
			if !strings.Contains(name, "/") || filepath.IsAbs(name) {
				continue
			}
			if _, err := os.Stat(filepath.Join(p.Plan.Directory, name)); errors.Is(err, fs.ErrNotExist) {
				p.Warnings = append(p.Warnings, fmt.Sprintf("line %d: the undo of step %s calls %s, which is not there: it cannot travel with the run, and going back would fail unless a step makes it", spec.Line, spec.ID, name))
			}
		}
	}
}
