package app

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/canary"
	"github.com/ripcord-dev/ripcord/engine"
)

// canaryRun is a run with a canary of two stages in the given states, and what its
// analysis has recorded.
func canaryRun(t *testing.T, first, last ripcord.StepState, progress ...any) *engine.State {
	t.Helper()
	plan := &ripcord.Plan{Steps: []ripcord.StepSpec{
		{ID: "web-5", Kind: "shift", Settings: []byte(`{"service":"web","weight":5}`)},
		{ID: "judge", Kind: "analyze", Settings: []byte(`{"shift":"web","interval":2,"metrics":[]}`)},
		{ID: "blog", Kind: "shift", Settings: []byte(`{"service":"blog"}`)},
		{ID: "web", Kind: "shift", Settings: []byte(`{"service":"web","weight":100}`)},
	}}
	states := []ripcord.StepState{first, ripcord.StepIsRunning, ripcord.StepIsApplied, last}
	s := &engine.State{Plan: plan, Steps: map[ripcord.StepID]*engine.Step{}}
	for i := range plan.Steps {
		s.Steps[plan.Steps[i].ID] = &engine.Step{Spec: &plan.Steps[i], State: states[i]}
	}
	for _, p := range progress {
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		s.Steps["judge"].Progress = append(s.Steps["judge"].Progress, raw)
	}
	return s
}

func decided(seconds int64, logE, failures float64) canary.Record {
	return canary.Record{Decision: analysis.Decision{
		At: time.Unix(seconds, 0).UTC(), Verdict: analysis.VerdictContinue, LogE: logE, Limit: 4.6,
		Evidence: []analysis.Evidence{
			{Metric: "latency", Kind: analysis.KindLatency, Outcome: analysis.OutcomePass, Total: &analysis.Counts{New: analysis.ArmCounts{Requests: 50, Failures: 40}}},
			{Metric: "orders", Kind: analysis.KindErrors, Outcome: analysis.OutcomePass, LogE: logE, Limit: 4.6, Total: &analysis.Counts{
				New: analysis.ArmCounts{Requests: 50, Failures: failures / 2}, Old: analysis.ArmCounts{Requests: 900},
			}},
			{Metric: "errors", Kind: analysis.KindErrors, Outcome: analysis.OutcomePass, Total: &analysis.Counts{New: analysis.ArmCounts{Requests: 50, Failures: failures}}},
		},
	}}
}

func TestCanaryStages(t *testing.T) {
	t.Parallel()
	const applied, pending, found, undone = ripcord.StepIsApplied, ripcord.StepIsPending, ripcord.StepIsFound, ripcord.StepIsUndone
	tests := []struct {
		name        string
		first, last ripcord.StepState
		want        float64
	}{
		{"before", pending, pending, 0},
		{"at the first stage", applied, pending, 5},
		{"at the end", applied, applied, 100},
		{"first version", applied, found, 100},
		{"first version, taken back", undone, found, 0},
		{"going back", applied, undone, 5},
		{"back", undone, undone, 0},
	}
	for _, test := range tests {
		views := Canaries(canaryRun(t, test.first, test.last))
		if len(views) != 1 || views[0].Service != "web" || len(views[0].Stages) != 2 {
			t.Fatalf("%s: %+v", test.name, views)
		}
		v := views[0]
		if v.Share != test.want || v.Stages[0].State != test.first || v.Stages[1].Share != 100 {
			t.Errorf("%s: %+v", test.name, v)
		}
		if v.Decision != nil || v.Harmed != nil || v.Lines() != nil {
			t.Errorf("%s: nothing was judged: %+v", test.name, v)
		}
	}
}

func TestCanaryDecisions(t *testing.T) {
	t.Parallel()
	s := canaryRun(t, ripcord.StepIsApplied, ripcord.StepIsPending, decided(10, 0, 0), map[string]int{"of another kind": 1}, decided(20, 3, 8))
	v := canaries(s, true)[0]
	if v.Decision == nil || v.Decision.LogE != 3 || v.Harmed == nil || *v.Harmed != 8 {
		t.Fatalf("%+v", v)
	}
	want := []analysis.Point{
		{At: time.Unix(10, 0).UTC(), Verdict: analysis.VerdictContinue, Limit: 4.6, Each: map[string]float64{"orders": 0}},
		{At: time.Unix(20, 0).UTC(), Verdict: analysis.VerdictContinue, LogE: 3, Limit: 4.6, Each: map[string]float64{"orders": 3}},
	}
	if diff := cmp.Diff(want, v.History); diff != "" {
		t.Error(diff)
	}
	if !slices.ContainsFunc(v.Lines(), func(line string) bool {
		return strings.HasPrefix(line, "orders: new 4 of 50 (8 %), old 0 of 900 (0 %), evidence 20.1 of ")
	}) {
		t.Errorf("it says %q", v.Lines())
	}
	if Canaries(s)[0].History != nil {
		t.Error("status has the whole history")
	}
}

func TestCanaryOfANewerBinary(t *testing.T) {
	t.Parallel()
	s := canaryRun(t, ripcord.StepIsApplied, ripcord.StepIsPending)
	s.Plan.Steps[1].Settings = []byte(`{"interval":"soon"}`)
	if views := Canaries(s); len(views) != 0 {
		t.Errorf("%+v", views)
	}
	if got := ShareOf(&ripcord.StepSpec{Settings: []byte(`{}`)}); got != 100 {
		t.Errorf("a shift without a weight gives %v", got)
	}
}
