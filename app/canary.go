package app

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/canary"
	"github.com/ripcord-dev/ripcord/engine"
)

// CanaryView is how a canary stands: its stages and what its analysis has said.
type CanaryView struct {
	Service string `json:"service"`
	// Step is the one that judges.
	Step ripcord.StepID `json:"step"`
	// Share is the new version's part of the traffic in percent.
	Share  float64     `json:"share"`
	Stages []StageView `json:"stages"`
	// Decision is the newest one; nil where nothing was judged.
	Decision *analysis.Decision `json:"decision"`
	// Harmed are the requests that the new version has failed; null where no
	// metric counts them.
	Harmed *float64 `json:"harmed_requests"`
	// History are the decisions' points over time, for a chart; in `show` only.
	History []analysis.Point `json:"history,omitempty"`
}

// StageView is one stage of a canary.
type StageView struct {
	Step  ripcord.StepID    `json:"step"`
	Share float64           `json:"share"`
	State ripcord.StepState `json:"state"`
	// Since is when the stage began.
	Since *time.Time `json:"since"`
}

// Canaries tells how the canaries of a run stand.
func Canaries(s *engine.State) []CanaryView { return canaries(s, false) }

// ShareOf is the part of the traffic in percent that a shift step gives to the
// new version.
func ShareOf(spec *ripcord.StepSpec) float64 {
	if set := stageOf(spec); set.Weight != nil {
		return *set.Weight
	}
	return 100
}

// canaries finds the canaries among a run's steps.
func canaries(s *engine.State, history bool) []CanaryView {
	var views []CanaryView
	for i := range s.Plan.Steps {
		spec := &s.Plan.Steps[i]
		if spec.Kind != "analyze" {
			continue
		}
		var set canary.Settings
		if json.Unmarshal(spec.Settings, &set) != nil {
			continue // of a newer binary
		}
		v := CanaryView{Step: spec.ID, Stages: []StageView{}}
		v.judged(s.Steps[spec.ID], history)
		v.shifted(s, set.Shift)
		views = append(views, v)
	}
	return views
}

// shifted adds the stages: all shift steps of the service that the last one is of.
func (v *CanaryView) shifted(s *engine.State, last ripcord.StepID) {
	v.Service = stageOf(s.Plan.Step(last)).Service
	back := false
	for i := range s.Plan.Steps {
		spec := &s.Plan.Steps[i]
		stage := stageOf(spec)
		if spec.Kind != "shift" || stage.Service != v.Service || stage.Weight == nil {
			continue
		}
		t := s.Steps[spec.ID]
		v.Stages = append(v.Stages, StageView{Step: spec.ID, Share: *stage.Weight, State: t.State, Since: when(t.EndedAt)})
		back = back || t.State == ripcord.StepIsUndone || t.State == ripcord.StepIsUndoneUnverified
		// A first version has all traffic at its first stage, so that the others find
		// it there: it goes with the first one.
		if t.State == ripcord.StepIsApplied || t.State == ripcord.StepIsFound && !back {
			v.Share = *stage.Weight
		}
	}
}

// stageSettings are those that shift steps of all balancers share.
type stageSettings struct {
	Service string   `json:"service"`
	Weight  *float64 `json:"weight"`
}

func stageOf(spec *ripcord.StepSpec) (set stageSettings) {
	if spec == nil || json.Unmarshal(spec.Settings, &set) != nil {
		return stageSettings{}
	}
	return set
}

// judged adds what the analysis has said.
func (v *CanaryView) judged(t *engine.Step, history bool) {
	records := canary.Records(t.Progress)
	if len(records) == 0 {
		return
	}
	newest := records[len(records)-1].Decision
	v.Decision = &newest
	for i := range newest.Evidence {
		e := &newest.Evidence[i]
		if e.Kind != analysis.KindErrors || e.Total == nil {
			continue
		}
		if v.Harmed == nil || e.Total.New.Failures > *v.Harmed {
			harmed := e.Total.New.Failures
			v.Harmed = &harmed
		}
	}
	if !history {
		return
	}
	for _, r := range records {
		v.History = append(v.History, r.Decision.Point())
	}
}

// Lines say what each metric has to say, for people.
func (v *CanaryView) Lines() []string {
	if v.Decision == nil {
		return nil
	}
	lines := make([]string, 0, len(v.Decision.Evidence))
	for i := range v.Decision.Evidence {
		lines = append(lines, strings.TrimSpace(canary.Describe(v.Decision.Evidence[i])))
	}
	return lines
}
