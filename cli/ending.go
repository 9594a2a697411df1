package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// ending is the four lines that every verb ends with.
type ending struct{ State, Affected, Why, Next string }

func (c *command) end(e ending) {
	if c.output == "json" {
		return
	}
	c.printf("\nState:    %s\nAffected: %s\nWhy:      %s\nNext:     %s\n", e.State, e.Affected, e.Why, e.Next)
}

// endingOf tells how a run stands.
func endingOf(s *engine.State) ending {
	return ending{State: stateLine(s), Affected: affected(s), Why: whyLine(s), Next: nextLine(s)}
}

func stateLine(s *engine.State) string {
	name := fmt.Sprintf("%s (run %s)", s.Plan.Name(), s.Run)
	switch s.State {
	case ripcord.StateSucceeded:
		if s.Plan.Purpose == ripcord.PurposeRollback {
			return name + " is back"
		}
		return name + " is released and is last good"
	case ripcord.StateRolledBack:
		if ids := unproved(s); len(ids) > 0 {
			return fmt.Sprintf("%s is rolled back, but not provably in full: %s", name, list(s, ids))
		}
		return name + " is rolled back, verified: everything is as it was before"
	case ripcord.StateHeld:
		return fmt.Sprintf("%s is held%s: %s; %s", name, backward(s), waits(s), progress(s))
	case ripcord.StateClosed:
		return fmt.Sprintf("%s is closed as it is: %s", name, progress(s))
	case ripcord.StatePlanned, ripcord.StateRunning, ripcord.StatePaused, ripcord.StateWatching,
		ripcord.StateCommitted, ripcord.StateRollingBack:
	}
	return fmt.Sprintf("%s is %s: %s", name, words(string(s.State)), progress(s))
}

func backward(s *engine.State) string {
	if s.Back {
		return " on its way back"
	}
	return ""
}

func waits(s *engine.State) string {
	if s.Hold == nil || s.Hold.Until.IsZero() {
		return "it waits for a person"
	}
	return fmt.Sprintf("it waits for a person until %s, then: %s", clock(s.Hold.Until), s.Hold.Then)
}

// list names steps and what became of each.
func list(s *engine.State, ids []ripcord.StepID) string {
	parts := make([]string, 0, len(ids))
	for _, id := range ids {
		what := "undone, unverified"
		if s.Steps[id].Left {
			what = "left as it is"
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", id, what))
	}
	return strings.Join(parts, ", ")
}

// progress says exactly what is done, what is back and what is not.
func progress(s *engine.State) string {
	groups := make(map[string][]string)
	order := []string{"done", "back", "not back", "in progress", "failed", "not begun"}
	for i := range s.Plan.Steps {
		t := s.Steps[s.Plan.Steps[i].ID]
		group := groupOf(s, t)
		groups[group] = append(groups[group], string(t.Spec.ID))
	}
	var parts []string
	for _, group := range order {
		if ids := groups[group]; len(ids) > 0 {
			parts = append(parts, group+": "+strings.Join(ids, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func groupOf(s *engine.State, t *engine.Step) string {
	switch t.State {
	case ripcord.StepIsUndone, ripcord.StepIsUndoneUnverified:
		return "back"
	case ripcord.StepIsApplied, ripcord.StepIsFound, ripcord.StepIsSkipped:
		if s.Back && t.Started {
			return "not back"
		}
		return "done"
	case ripcord.StepIsUndoing:
		return "not back"
	case ripcord.StepIsRunning:
		return "in progress"
	case ripcord.StepIsFailed:
		if s.Back && t.Started {
			return "not back"
		}
		return "failed"
	case ripcord.StepIsPending:
	}
	return "not begun"
}

// affected says whose requests met the new version.
func affected(s *engine.State) string {
	var moved, traffic bool
	var since, until time.Time
	for i := range s.Plan.Steps {
		t := s.Steps[s.Plan.Steps[i].ID]
		if !t.Spec.Traits.Traffic {
			continue
		}
		traffic = true
		if t.Started && !t.EndedAt.IsZero() && t.State != ripcord.StepIsFailed && t.Failure == nil {
			moved, since, until = true, t.EndedAt, t.UndoEndedAt
		}
	}
	switch {
	case s.Plan.Purpose == ripcord.PurposeAdopt:
		return "nobody: nothing was changed"
	case !traffic:
		return "unknown to Ripcord: this plan moves no traffic"
	case !moved:
		return "nobody: no traffic was moved to this version"
	case until.IsZero():
		return fmt.Sprintf("all users: they are on this version since %s", clock(since))
	}
	return fmt.Sprintf("users between %s and %s (%s), who were sent to this version", clock(since), clock(until), until.Sub(since).Round(100*time.Millisecond))
}

func whyLine(s *engine.State) string {
	switch {
	case s.Hold != nil && s.Failure != nil:
		return s.Hold.Reason + ": " + s.Failure.Summary
	case s.Hold != nil:
		return s.Hold.Reason
	case s.Failure != nil:
		return fmt.Sprintf("step %s failed: %s", s.Failed, s.Failure.Summary)
	case s.State == ripcord.StateSucceeded:
		return "every step is done"
	case s.Last.Reason != "":
		return s.Last.Reason
	case s.BackReason != "":
		return s.BackReason
	}
	return "it has not ended"
}

func nextLine(s *engine.State) string {
	run := " --run " + string(s.Run)
	switch s.State {
	case ripcord.StateSucceeded:
		return "ripcord status; to take it back: ripcord rollback"
	case ripcord.StateRolledBack:
		if s.Failed != "" {
			return fmt.Sprintf("ripcord logs %s%s; mend it, then release again", s.Failed, run)
		}
		return "ripcord show" + run
	case ripcord.StateHeld:
		if s.Back {
			return fmt.Sprintf("mend it and `ripcord retry%s`, or finish by hand (`ripcord plan --runbook`) and `ripcord close%s --reason ...`", run, run)
		}
		return fmt.Sprintf("ripcord retry%s, ripcord skip%s, or ripcord rollback%s", run, run, run)
	case ripcord.StateClosed:
		return "ripcord show" + run
	case ripcord.StatePaused:
		return "ripcord resume" + run
	case ripcord.StatePlanned, ripcord.StateRunning, ripcord.StateWatching, ripcord.StateCommitted, ripcord.StateRollingBack:
	}
	return "ripcord recover" + run + " (goes on), or ripcord recover --rollback" + run
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }

func words(state string) string { return strings.ReplaceAll(state, "_", " ") }
