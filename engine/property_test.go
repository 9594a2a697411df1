package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// TestDecideProperty: for any plan and any entries in any order, the decider
// does not panic, gives the same answer again, and changes nothing.
func TestDecideProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := anyPlan(t)
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		entries := []ripcord.Entry{{Version: 1, Run: "r1", Seq: 1, At: now, Kind: ripcord.RunPlanned, Plan: plan}}
		for i := range rapid.IntRange(0, 40).Draw(t, "entries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds")) * time.Second)
			e := anyEntry(t, plan, now)
			e.Seq = uint64(i) + 2
			entries = append(entries, e)
			first := engine.Decide(plan, entries, now)
			if diff := cmp.Diff(first, engine.Decide(plan, entries, now)); diff != "" {
				t.Fatalf("the second answer differs: %s", diff)
			}
		}
	})
}

// TestNeverStuck: a run that an executor carries out, whatever happens to its
// steps, always has something to do, something in progress, somebody or a time
// to wait for, or an end.
func TestNeverStuck(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := anyPlan(t)
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		s := engine.Fold([]ripcord.Entry{{Version: 1, Run: "r1", At: now, Kind: ripcord.RunPlanned, Plan: plan}})
		tell := func(e ripcord.Entry) {
			e.At, e.Run = now, "r1"
			s.Apply(e)
		}
		for turn := 0; ; turn++ {
			d := s.Decide(now)
			if d.Ended {
				return
			}
			if turn > 3000 {
				t.Fatalf("no end after %d turns: %s", turn, s.State)
			}
			if turn > 0 && turn < 200 && rapid.IntRange(0, 19).Draw(t, "crash") == 0 {
				tell(ripcord.Entry{Kind: ripcord.RunAttached})
				continue
			}
			if verb := anyVerb(t, turn); verb != "" {
				r := ripcord.Request{ID: int64(turn) + 1, Verb: verb, Step: anyStep(t, plan), Who: "ann"}
				r.Refused = s.Refuse(r)
				tell(ripcord.Entry{Kind: ripcord.RunControl, Request: &r})
				continue
			}
			if len(d.Commands) > 0 {
				result(t, s, d.Commands, tell)
				continue
			}
			if !d.Wake.IsZero() {
				if now.Before(d.Wake) {
					now = d.Wake
				}
				continue
			}
			person(t, s, turn, tell)
		}
	})
}

// result tells what came of the first commands: entries are recorded, of the
// others one happens.
func result(t *rapid.T, s *engine.State, commands []engine.Command, tell func(ripcord.Entry)) {
	recorded := false
	for _, c := range commands {
		if c.Op == engine.OpRecord {
			tell(c.Entry)
			recorded = true
		}
	}
	if recorded {
		return
	}
	c := commands[rapid.IntRange(0, len(commands)-1).Draw(t, "command")]
	good := rapid.IntRange(0, 3).Draw(t, "good") > 0
	e := ripcord.Entry{Step: c.Step, Attempt: c.Attempt}
	failure := &ripcord.Failure{Class: ripcord.FailedCommand, Summary: "injected"}
	if !good {
		e.Failure = failure
	}
	kinds := map[engine.Op][2]ripcord.EntryKind{ //nolint:exhaustive // entries to record are told above
		engine.OpBundle:  {ripcord.RunBundled, ripcord.RunRollingBack},
		engine.OpCheck:   {ripcord.StepChecked, ripcord.StepFailed},
		engine.OpPrepare: {ripcord.StepPrepared, ripcord.StepFailed}, engine.OpApply: {ripcord.StepApplied, ripcord.StepFailed},
		engine.OpSettle: {ripcord.StepSettled, ripcord.StepFailed}, engine.OpObserve: {ripcord.StepSettled, ripcord.StepSettled},
		engine.OpCancel: {ripcord.StepFailed, ripcord.StepFailed}, engine.OpUndo: {ripcord.StepUndone, ripcord.StepUndoFailed},
		engine.OpDiscard: {ripcord.StepDiscarded, ripcord.StepDiscarded}, engine.OpEvidence: {ripcord.RunEvidence, ripcord.RunEvidence},
		engine.OpFinish: {ripcord.StepFinished, ripcord.StepUnfinished},
	}
	before := map[engine.Op]ripcord.EntryKind{ //nolint:exhaustive // the others have no intent
		engine.OpPrepare: ripcord.StepPreparing, engine.OpApply: ripcord.StepIntent, engine.OpUndo: ripcord.StepUndoIntent,
	}
	if kind, ok := before[c.Op]; ok {
		tell(ripcord.Entry{Kind: kind, Step: c.Step, Attempt: c.Attempt})
		if rapid.IntRange(0, 3).Draw(t, "still going") == 0 {
			return // an attach, a cancellation or a person ends it
		}
	}
	e.Kind = kinds[c.Op][1]
	if good {
		e.Kind = kinds[c.Op][0]
	}
	if c.Op == engine.OpSettle && s.Steps[c.Step].Effect == engine.Undoing && !good {
		e.Kind = ripcord.StepUndoFailed
	}
	if e.Kind == ripcord.StepChecked || e.Kind == ripcord.StepSettled || e.Kind == ripcord.StepUndone {
		e.Failure, e.Verified = nil, good
		e.Seen = sighting(rapid.SampledFrom([]ripcord.Presence{ripcord.Absent, ripcord.Partial, ripcord.Unknown}).Draw(t, "seen"), "")
	}
	tell(e)
}

// person does what is left to do when nothing else goes on: what is in progress
// ends, and holds, pauses and questions are answered, in the end by closing.
func person(t *rapid.T, s *engine.State, turn int, tell func(ripcord.Entry)) {
	for id, step := range s.Steps {
		if step.Effect == engine.NoEffect || step.Interrupted {
			continue
		}
		kind := map[engine.Effect]ripcord.EntryKind{ //nolint:exhaustive // those without an effect are left out above
			engine.Preparing: ripcord.StepPrepared, engine.Applying: ripcord.StepApplied, engine.Undoing: ripcord.StepUndone,
		}[step.Effect]
		tell(ripcord.Entry{Kind: kind, Step: id, Verified: true})
		return
	}
	verbs := []ripcord.Verb{ripcord.VerbRetry, ripcord.VerbSkip, ripcord.VerbResume, ripcord.VerbRollback}
	if turn > 500 {
		verbs = []ripcord.Verb{ripcord.VerbClose, ripcord.VerbResume}
	}
	requests := make([]ripcord.Request, 0, len(s.Steps)+len(verbs))
	for id := range s.Steps {
		requests = append(requests, ripcord.Request{Verb: ripcord.VerbApprove, Step: id})
	}
	for _, verb := range rapid.Permutation(verbs).Draw(t, "verbs") {
		requests = append(requests, ripcord.Request{Verb: verb})
	}
	for _, r := range requests {
		if r.ID, r.Who = int64(turn)+1, "ann"; s.Refuse(r) == "" {
			tell(ripcord.Entry{Kind: ripcord.RunControl, Request: &r})
			return
		}
	}
	t.Fatalf("the run is stuck: %s, paused %v, hold %+v, want %q", s.State, s.Paused, s.Hold, s.Want)
}

func anyVerb(t *rapid.T, turn int) ripcord.Verb {
	if turn > 200 || rapid.IntRange(0, 14).Draw(t, "quiet") > 0 {
		return ""
	}
	return rapid.SampledFrom([]ripcord.Verb{
		ripcord.VerbAbort, ripcord.VerbRollback, ripcord.VerbClose, ripcord.VerbHold, ripcord.VerbPause, ripcord.VerbResume,
		ripcord.VerbRetry, ripcord.VerbSkip, ripcord.VerbApprove, ripcord.VerbReject,
	}).Draw(t, "verb")
}

func anyStep(t *rapid.T, plan *ripcord.Plan) ripcord.StepID {
	i := rapid.IntRange(-1, len(plan.Steps)-1).Draw(t, "step")
	if i < 0 {
		return ""
	}
	return plan.Steps[i].ID
}

func anyPlan(t *rapid.T) *ripcord.Plan {
	plan := &ripcord.Plan{
		PlanVersion: 1, Application: "shop", Environment: "test", Parallel: rapid.IntRange(1, 3).Draw(t, "parallel"),
		OnFailure: ripcord.FailurePolicy{
			Action: rapid.SampledFrom([]ripcord.FailureAction{ripcord.FailRollback, ripcord.FailHold}).Draw(t, "policy"),
			Hold:   ripcord.Duration(rapid.IntRange(0, 5).Draw(t, "hold")) * ripcord.Duration(time.Second),
			Then:   rapid.SampledFrom([]ripcord.FailureAction{"", ripcord.FailRollback, ripcord.FailHold}).Draw(t, "then"),
		},
	}
	yes := func(name string) bool { return rapid.Bool().Draw(t, name) }
	rarely := func(name string) bool { return rapid.IntRange(0, 7).Draw(t, name) == 0 }
	for i := range rapid.IntRange(0, 5).Draw(t, "steps") {
		spec := step(ripcord.StepID(fmt.Sprintf("s%d", i)))
		spec.Traits = ripcord.Traits{
			Checkable: yes("checkable"), Idempotent: yes("idempotent"), UndoIdempotent: yes("undo idempotent"),
			Traffic: rarely("traffic"), Watches: rarely("watches") && i == 4, Prepares: rarely("prepares"), Finishes: rarely("finishes"),
			Reversal: ripcord.Reversal{Way: rapid.SampledFrom([]ripcord.Way{
				ripcord.WayExact, ripcord.WayExact, ripcord.WayRestorable, ripcord.WayUnverified, ripcord.WayNone, ripcord.WayNothing,
			}).Draw(t, "way")},
		}
		for j := range i {
			if rarely("needs") {
				spec.Needs = append(spec.Needs, plan.Steps[j].ID)
			}
		}
		if rarely("asks") {
			spec.Ask = &ripcord.Ask{Apply: "may I?", Undo: rapid.SampledFrom([]string{"", "back?"}).Draw(t, "asks back")}
		}
		if rarely("skipped") {
			spec.Skip = "when is false"
		}
		plan.Steps = append(plan.Steps, spec)
	}
	return plan
}

func anyEntry(t *rapid.T, plan *ripcord.Plan, now time.Time) ripcord.Entry {
	e := ripcord.Entry{
		Run: "r1", At: now, Step: anyStep(t, plan), Attempt: rapid.IntRange(0, 3).Draw(t, "attempt"),
		Kind: rapid.SampledFrom([]ripcord.EntryKind{
			ripcord.RunStarted, ripcord.RunAttached, ripcord.RunBundled, ripcord.RunPaused, ripcord.RunResumed, ripcord.RunHeld,
			ripcord.RunReleased, ripcord.RunWatching, ripcord.RunRollingBack, ripcord.RunEvidence, ripcord.RunCommitted,
			ripcord.RunControl, ripcord.StepChecked, ripcord.StepFound, ripcord.StepSkipped, ripcord.StepAsked,
			ripcord.StepPreparing, ripcord.StepPrepared, ripcord.StepIntent, ripcord.StepProgress, ripcord.StepApplied,
			ripcord.StepFailed, ripcord.StepSettled, ripcord.StepUndoIntent, ripcord.StepUndone, ripcord.StepUndoFailed,
			ripcord.StepDiscarded, ripcord.StepLeft, ripcord.StepFinished, ripcord.StepUnfinished, "of a later version",
		}).Draw(t, "kind"),
		State: rapid.SampledFrom([]ripcord.RunState{ripcord.StateRunning, ripcord.StateRollingBack}).Draw(t, "state"),
	}
	if rapid.Bool().Draw(t, "with failure") {
		e.Failure = &ripcord.Failure{Class: ripcord.FailedCommand, Summary: "x"}
	}
	if rapid.Bool().Draw(t, "with deadline") {
		at := now.Add(time.Second)
		e.Until = &at
	}
	if rapid.Bool().Draw(t, "with sighting") {
		e.Seen = sighting(rapid.SampledFrom([]ripcord.Presence{ripcord.Absent, ripcord.Present, ripcord.Partial, ripcord.Unknown}).Draw(t, "seen"), "")
	}
	if e.Kind == ripcord.RunControl {
		e.Request = &ripcord.Request{ID: int64(e.Attempt), Verb: rapid.SampledFrom([]ripcord.Verb{
			ripcord.VerbAbort, ripcord.VerbRollback, ripcord.VerbClose, ripcord.VerbHold, ripcord.VerbPause, ripcord.VerbResume,
			ripcord.VerbRetry, ripcord.VerbSkip, ripcord.VerbApprove, ripcord.VerbReject, "of a later version",
		}).Draw(t, "verb"), Step: e.Step, Who: "ann"}
	}
	return e
}
