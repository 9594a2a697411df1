package app

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// order says how the release goes back where that is not from bottom to top:
// traffic goes back before everything else.
func (p *Preview) order() {
	var traffic, rest []ripcord.StepID
	for i := range slices.Backward(p.Plan.Steps) {
		spec := &p.Plan.Steps[i]
		switch {
		case spec.Skip != "" || spec.Traits.Reversal.Way == ripcord.WayNothing || spec.Traits.Reversal.Way == ripcord.WayNone:
		case spec.Traits.Traffic:
			traffic = append(traffic, spec.ID)
			if len(rest) > 0 {
				p.TrafficFirst = true
			}
		default:
			rest = append(rest, spec.ID)
		}
	}
	p.BackOrder = append(append([]ripcord.StepID{}, traffic...), rest...)
}

// warnOfShared tells of files that a step writes after a traffic step has moved
// traffic with them: going back, the traffic step is the first, and the later one
// would bring back what it saw, which is the traffic on the new side.
func (p *Preview) warnOfShared() {
	for i := range p.Plan.Steps {
		traffic := &p.Plan.Steps[i]
		if !traffic.Traits.Traffic || traffic.Skip != "" {
			continue
		}
		used := p.paths(traffic)
		for j := i + 1; j < len(p.Plan.Steps); j++ {
			later := &p.Plan.Steps[j]
			if later.Traits.Traffic || later.Skip != "" {
				continue
			}
			written := p.destination(later)
			if written == "" || !slices.ContainsFunc(used, func(path string) bool { return within(written, path) }) {
				continue
			}
			p.Warnings = append(p.Warnings, fmt.Sprintf("line %d: step %s writes %s, with which step %s has moved the traffic by then. Going back moves the traffic first, "+
				"and undoing %s would then move it again: put %s above %s", later.Line, later.ID, written, traffic.ID, later.ID, later.ID, traffic.ID))
		}
	}
}

// paths lists the absolute paths that a step's settings name.
func (p *Preview) paths(spec *ripcord.StepSpec) []string {
	var settings map[string]any
	if json.Unmarshal(spec.Settings, &settings) != nil {
		return nil
	}
	var all []string
	for _, value := range settings {
		if text, ok := value.(string); ok && filepath.IsAbs(text) {
			all = append(all, filepath.Clean(text))
		}
	}
	return all
}

// destination is the absolute path that a step of kind files writes.
func (p *Preview) destination(spec *ripcord.StepSpec) string {
	var settings struct {
		Destination string `json:"destination"`
	}
	if json.Unmarshal(spec.Settings, &settings) != nil || settings.Destination == "" {
		return ""
	}
	if filepath.IsAbs(settings.Destination) {
		return filepath.Clean(settings.Destination)
	}
	return filepath.Join(p.Plan.Directory, settings.Destination)
}

// within reports whether a file lies at or below a path.
func within(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}
