package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/canary"
	"github.com/ripcord-dev/ripcord/engine"
)

// at is a moment of a run, in seconds since noon.
func at(second int) time.Time { return time.Date(2026, 1, 2, 12, 0, second, 0, time.UTC) }

// shiftPlan moves traffic in its second step.
func shiftPlan() *ripcord.Plan {
	return &ripcord.Plan{
		Application: "shop", Environment: "live", Version: "v2", Purpose: ripcord.PurposeRelease,
		Steps: []ripcord.StepSpec{
			{ID: "web", Traits: ripcord.DefaultTraits()},
			{ID: "shift", Traits: ripcord.Traits{Checkable: true, Traffic: true, Reversal: ripcord.Reversal{Way: ripcord.WayExact}}},
		},
	}
}

// story folds entries of one run.
func story(plan *ripcord.Plan, entries ...ripcord.Entry) *engine.State {
	all := append([]ripcord.Entry{{Kind: ripcord.RunPlanned, Run: "r1", Plan: plan, At: at(0)}, {Kind: ripcord.RunStarted, Run: "r1", At: at(0)}}, entries...)
	for i := range all {
		all[i].Run, all[i].Seq = "r1", uint64(i+1)
	}
	return engine.Fold(all)
}

// TestAffected: nobody is told that users were safe when they were not.
func TestAffected(t *testing.T) {
	t.Parallel()
	intent := ripcord.Entry{Kind: ripcord.StepIntent, Step: "shift", Attempt: 1, At: at(1)}
	applied := ripcord.Entry{Kind: ripcord.StepApplied, Step: "shift", At: at(2)}
	failed := ripcord.Entry{Kind: ripcord.StepFailed, Step: "shift", Attempt: 1, At: at(2), Failure: &ripcord.Failure{Summary: "boom"}}
	back := ripcord.Entry{Kind: ripcord.RunRollingBack, At: at(3)}
	undone := ripcord.Entry{Kind: ripcord.StepUndone, Step: "shift", At: at(5), Verified: true}
	absent := ripcord.Entry{Kind: ripcord.StepSettled, Step: "shift", At: at(3), Seen: &ripcord.Sighting{Presence: ripcord.Absent}}
	adopted := shiftPlan()
	adopted.Purpose = ripcord.PurposeAdopt
	noTraffic := shiftPlan()
	noTraffic.Steps = noTraffic.Steps[:1]
	for name, c := range map[string]struct {
		state *engine.State
		want  string
	}{
		"not begun":          {story(shiftPlan()), "nobody: no traffic was moved to v2"},
		"no traffic":         {story(noTraffic), "unknown to Ripcord: this plan moves no traffic"},
		"adopted":            {story(adopted), "nobody: nothing was changed"},
		"in the middle":      {story(shiftPlan(), intent), "perhaps some users: the traffic was about to be moved to v2 since 12:00:01Z"},
		"moved":              {story(shiftPlan(), intent, applied), "all users: they are on v2 since 12:00:02Z"},
		"moved and back":     {story(shiftPlan(), intent, applied, back, undone), "users between 12:00:02Z and 12:00:05Z (3s), who were sent to v2"},
		"failed, who knows":  {story(shiftPlan(), intent, failed), "perhaps some users: the traffic was about to be moved to v2 since 12:00:01Z"},
		"one of two batches": {story(batchPlan(), replaced("one")...), "50% of the users: they are on v2 since 12:00:02Z"},
		"both batches":       {story(batchPlan(), append(replaced("one"), replaced("two")...)...), "all users: they are on v2 since 12:00:02Z"},
		"one batch and back": {
			story(batchPlan(), append(replaced("one"), back, ripcord.Entry{Kind: ripcord.StepUndone, Step: "one", At: at(5), Verified: true})...),
			"at most 50% of the users between 12:00:02Z and 12:00:05Z (3s), who were sent to v2",
		},
		"failed, proved": {story(shiftPlan(), intent, failed, back, absent), "nobody: no traffic was moved to v2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, affected(c.state)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// batchPlan puts two batches back into rotation and then has nothing to shift.
func batchPlan() *ripcord.Plan {
	plan := shiftPlan()
	plan.Steps = append([]ripcord.StepSpec{{ID: "one", Kind: "ready", Traits: ripcord.DefaultTraits()}, {ID: "two", Kind: "ready", Traits: ripcord.DefaultTraits()}}, plan.Steps[1])
	return plan
}

// replaced are the entries of a batch.
func replaced(step ripcord.StepID) []ripcord.Entry {
	return []ripcord.Entry{{Kind: ripcord.StepIntent, Step: step, Attempt: 1, At: at(1)}, {Kind: ripcord.StepApplied, Step: step, At: at(2)}}
}

// TestFourLines: whatever a command printed, an ending has four lines.
func TestFourLines(t *testing.T) {
	t.Parallel()
	failure := &ripcord.Failure{Summary: "first line\nsecond line"}
	s := story(shiftPlan(),
		ripcord.Entry{Kind: ripcord.StepIntent, Step: "web", Attempt: 1, At: at(1)},
		ripcord.Entry{Kind: ripcord.StepFailed, Step: "web", Attempt: 1, At: at(2), Failure: failure},
		ripcord.Entry{Kind: ripcord.RunHeld, Step: "web", Reason: "step web failed", Failure: failure, At: at(2)})
	c := &command{}
	e := c.endingOf(s, standing{living: true})
	want := ending{
		State:    "shop v2 in live (run r1) is held: it waits for a person; failed: web; not begun: shift",
		Affected: "nobody: no traffic was moved to v2",
		Why:      "step web failed: first line second line",
		Next:     "ripcord retry --run r1 (try again), or ripcord skip --run r1 (go on without it), or ripcord rollback --run r1 (go back)",
	}
	e.Why = oneLine(e.Why)
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
}

// TestHeldOnItsWayBack: a step that nobody can look at is named, with why, and so is
// the way to bring the others back without it.
func TestHeldOnItsWayBack(t *testing.T) {
	t.Parallel()
	failure := &ripcord.Failure{Summary: "the connection to machine app3 was lost"}
	entries := []ripcord.Entry{
		{Kind: ripcord.RunPlanned, Plan: shiftPlan(), At: at(0)},
		{Kind: ripcord.RunStarted, At: at(0)},
		{Kind: ripcord.StepIntent, Step: "web", Attempt: 1, At: at(1)},
		{Kind: ripcord.StepFailed, Step: "web", Attempt: 1, At: at(2), Failure: failure},
		{Kind: ripcord.RunRollingBack, Step: "web", Failure: failure, At: at(2)},
	}
	for range 5 {
		entries = append(entries, ripcord.Entry{Kind: ripcord.StepSettled, Step: "web", At: at(3), Seen: &ripcord.Sighting{Presence: ripcord.Unknown, Detail: "machine app3: no answer within 15s"}})
	}
	d := engine.Decide(shiftPlan(), entries, at(60))
	if len(d.Commands) != 1 || d.Commands[0].Entry.Kind != ripcord.RunHeld {
		t.Fatalf("the decision is %+v", d)
	}
	e := (&command{}).endingOf(story(shiftPlan(), append(entries[2:], d.Commands[0].Entry)...), standing{living: true})
	if want := "the check of step web cannot tell what is there, so its undo is not safe: machine app3: no answer within 15s"; !strings.HasPrefix(e.Why, want) {
		t.Errorf("why: %s, want %s", e.Why, want)
	}
	if want := "or leave web as it is, and bring the others back: ripcord skip web --run r1"; !strings.Contains(e.Next, want) {
		t.Errorf("next: %s, want %s", e.Next, want)
	}
}

// TestAgain: proposed commands reach the place that this one was told of.
func TestAgain(t *testing.T) {
	t.Parallel()
	c := &command{places: []place{{"state-dir", "/my state"}, {"file", "x.yaml"}}}
	for words, want := range map[string]string{
		"status":         "ripcord status --state-dir '/my state'",
		"plan --offline": "ripcord plan --offline --state-dir '/my state' --file x.yaml",
	} {
		if got := c.again(words); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

// TestWhyNamesTheSilentMetric: a canary that waits says for whose word.
func TestWhyNamesTheSilentMetric(t *testing.T) {
	t.Parallel()
	plan := shiftPlan()
	plan.Steps = append(plan.Steps, ripcord.StepSpec{ID: "judge", Kind: "analyze", Settings: []byte(`{"shift":"shift","interval":5,"metrics":[]}`)})
	plan.Steps[1].Settings = []byte(`{"service":"web"}`)
	record := func(silent ...string) ripcord.Entry {
		data, err := json.Marshal(canary.Record{Decision: analysis.Decision{
			At: at(9), Silent: silent,
			Evidence: []analysis.Evidence{{Metric: "orders", Gate: true, Note: "prometheus does not answer"}, {Metric: "mood", Note: "nobody knows"}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return ripcord.Entry{Kind: ripcord.StepProgress, Step: "judge", Attempt: 1, At: at(9), Data: data}
	}
	intent := ripcord.Entry{Kind: ripcord.StepIntent, Step: "judge", Attempt: 1, At: at(1)}
	for want, entry := range map[string]ripcord.Entry{
		"the canary web waits for word from orders: prometheus does not answer": record("orders", "mood"),
		"it has not ended": record("mood"),
	} {
		if got := whyLine(story(plan, intent, entry), standing{living: true}); got != want {
			t.Errorf("it says %q, not %q", got, want)
		}
	}
	ended := ripcord.Entry{Kind: ripcord.StepApplied, Step: "judge", At: at(10)}
	if got := whyLine(story(plan, intent, record("orders"), ended), standing{living: true}); got != "it has not ended" {
		t.Errorf("after its end it says %q", got)
	}
}
