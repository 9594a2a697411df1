package engine_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// After is what Apply would lead to, for entries of every kind, and leaves the
// state as it is.
func TestAfter(t *testing.T) {
	t.Parallel()
	plan := &ripcord.Plan{PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease, Steps: []ripcord.StepSpec{{ID: "a"}, {ID: "b", Needs: []ripcord.StepID{"a"}}}}
	seen := &ripcord.Sighting{Presence: ripcord.Absent}
	entries := []ripcord.Entry{
		{Kind: ripcord.RunPlanned, Run: "r1", Plan: plan},
		{Kind: ripcord.RunAttached},
		{Kind: ripcord.RunBundled},
		{Kind: ripcord.RunStarted},
		{Kind: ripcord.StepChecked, Step: "a", Seen: seen},
		{Kind: ripcord.StepIntent, Step: "a", Attempt: 1},
		{Kind: ripcord.StepProgress, Step: "a", Data: []byte("1")},
		{Kind: ripcord.StepProgress, Step: "a", Data: []byte("2")},
		{Kind: ripcord.StepApplied, Step: "a", Attempt: 1},
		{Kind: ripcord.StepChecked, Step: "b", Seen: seen},
		{Kind: ripcord.StepIntent, Step: "b", Attempt: 1},
		{Kind: ripcord.RunControl, Request: &ripcord.Request{ID: 3, Verb: ripcord.VerbAbort, Who: "ada"}},
		{Kind: ripcord.RunAttached},
		{Kind: ripcord.StepSettled, Step: "b", Seen: seen},
		{Kind: ripcord.RunRollingBack, Step: "b", Failure: &ripcord.Failure{Summary: "no"}},
		{Kind: ripcord.RunEvidence},
		{Kind: ripcord.StepUndoIntent, Step: "a", Attempt: 1},
		{Kind: ripcord.StepUndone, Step: "a", Verified: true},
		{Kind: ripcord.RunRolledBack, Verified: true},
	}
	same := func(t *testing.T, i int, what string, got, want *engine.State) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(engine.State{})); diff != "" {
			t.Fatalf("entry %d (%s): %s (-want +got):\n%s", i, entries[i].Kind, what, diff)
		}
	}
	for i := range entries {
		entries[i].At = time.Unix(int64(i), 0)
		before := engine.Fold(entries[:i])
		after := before.After(entries[i])
		same(t, i, "the state has changed", before, engine.Fold(entries[:i]))
		same(t, i, "the state after", after, engine.Fold(entries[:i+1]))
		if before.Handled(3) != engine.Fold(entries[:i]).Handled(3) {
			t.Fatalf("entry %d: the state has handled a request by looking ahead", i)
		}
		same(t, i, "several entries", before.After(entries[i:]...), engine.Fold(entries))
	}
}
