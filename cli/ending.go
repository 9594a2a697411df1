package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
	"github.com/ripcord-dev/ripcord/engine"
)

// ending is the four lines that every verb ends with.
type ending struct{ State, Affected, Why, Next string }

func (c *command) end(e ending) {
	c.closeDisplay()
	if c.output == "json" {
		return
	}
	c.printf("\nState:    %s\nAffected: %s\nWhy:      %s\nNext:     %s\n", oneLine(e.State), oneLine(e.Affected), oneLine(e.Why), oneLine(e.Next))
}

// oneLine keeps four lines four lines, whatever a command printed.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// standing is what the entries of a run alone do not tell.
type standing struct {
	// living says that an executor carries the run out.
	living bool
	// good is the version that is last good; empty when there is none.
	good string
}

func (c *command) standing(ctx context.Context, a *app.App, s *engine.State, living bool) standing {
	good, err := a.LastGood(ctx, s.Plan.Application, s.Plan.Environment)
	if err != nil {
		good = "" // the ending is printed without it
	}
	return standing{living: living, good: good}
}

// endingOf tells how a run stands.
func (c *command) endingOf(s *engine.State, now standing) ending {
	return ending{State: stateLine(s, now), Affected: affected(s), Why: whyLine(s, now), Next: c.nextLine(s, now)}
}

func stateLine(s *engine.State, now standing) string {
	name := fmt.Sprintf("%s (run %s)", s.Plan.Name(), s.Run)
	switch s.State {
	case ripcord.StateSucceeded:
		return succeededLine(s, name)
	case ripcord.StateRolledBack:
		first := ""
		if now.good == "" && s.Plan.Purpose == ripcord.PurposeRelease {
			first = "; nothing was released before it, so what it made is removed"
		}
		if ids := unproved(s); len(ids) > 0 {
			return fmt.Sprintf("%s is rolled back, but not provably in full: %s%s", name, list(s, ids), first)
		}
		return name + " is rolled back, verified: everything is as it was before" + first
	case ripcord.StateHeld:
		return fmt.Sprintf("%s is held%s: %s; %s", name, backward(s), waits(s), progress(s))
	case ripcord.StateClosed:
		return fmt.Sprintf("%s is closed as it is: %s", name, progress(s))
	case ripcord.StatePlanned, ripcord.StateRunning, ripcord.StatePaused, ripcord.StateWatching,
		ripcord.StateCommitted, ripcord.StateRollingBack:
	}
	word := words(string(s.State))
	if !now.living {
		word = "interrupted while " + word
	}
	return fmt.Sprintf("%s is %s: %s", name, word, progress(s))
}

func succeededLine(s *engine.State, name string) string {
	pending := ""
	if ids := s.Last.Cleanup; len(ids) > 0 {
		pending = fmt.Sprintf("; what only its way back needed is still there: %v", ids)
	}
	switch s.Plan.Purpose {
	case ripcord.PurposeAdopt:
		return name + " is adopted: what runs today is last good" + pending
	case ripcord.PurposeRollback:
		what := name + " is back"
		if len(s.Plan.Reverts) > 0 && s.Plan.Returns == "" {
			what = fmt.Sprintf("%s in %s is as it was before its first release (run %s)", s.Plan.Application, s.Plan.Environment, s.Run)
		}
		if ids := unproved(s); len(ids) > 0 {
			return what + ", but not provably in full: " + list(s, ids) + pending
		}
		return what + pending
	case ripcord.PurposeRelease:
	}
	if ids := skipped(s); len(ids) > 0 {
		return fmt.Sprintf("%s is released and is last good, without %s%s", name, strings.Join(ids, ", "), pending)
	}
	return name + " is released and is last good" + pending
}

// absent lists the steps of an adopted plan whose effect is not there.
func absent(s *engine.State) []string {
	var ids []string
	for i := range s.Plan.Steps {
		id := s.Plan.Steps[i].ID
		if seen := s.Steps[id].Before; seen != nil && seen.Presence != ripcord.Present {
			ids = append(ids, string(id))
		}
	}
	return ids
}

// skipped lists the steps that a person left out while the run went on.
func skipped(s *engine.State) []string {
	var ids []string
	for i := range s.Plan.Steps {
		if spec := &s.Plan.Steps[i]; spec.Skip == "" && s.Steps[spec.ID].State == ripcord.StepIsSkipped {
			ids = append(ids, string(spec.ID))
		}
	}
	return ids
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
	order := []string{"done", "skipped", "back", "not back", "left as it is", "in progress", "failed", "not begun"}
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
	if t.Left {
		return "left as it is"
	}
	switch t.State {
	case ripcord.StepIsUndone, ripcord.StepIsUndoneUnverified:
		return "back"
	case ripcord.StepIsSkipped:
		return "skipped"
	case ripcord.StepIsApplied, ripcord.StepIsFound:
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

func whyLine(s *engine.State, now standing) string {
	switch {
	case s.State == ripcord.StateClosed:
		return fmt.Sprintf("closed by %s%s", s.Last.Who, before(": ", s.Last.Reason))
	case s.State == ripcord.StateSucceeded && len(s.Plan.Reverts) > 0:
		return "every step of the release is undone"
	case s.State == ripcord.StateSucceeded && s.Plan.Purpose == ripcord.PurposeAdopt:
		if ids := absent(s); len(ids) > 0 {
			return "each target was looked at; what these steps make is not there today: " + strings.Join(ids, ", ")
		}
		return "each target was looked at"
	case s.State == ripcord.StateSucceeded && len(skipped(s)) > 0:
		return "a person had it go on without " + strings.Join(skipped(s), ", ") + "; every other step is done"
	case s.State == ripcord.StateSucceeded:
		return "every step is done"
	case s.Hold != nil:
		return holdLine(s)
	case s.Failure != nil && s.Failure.Class != ripcord.FailedCancelled:
		return fmt.Sprintf("step %s failed: %s", s.Failed, s.Failure.Summary)
	case s.BackReason != "":
		return s.BackReason
	case s.Last.Reason != "":
		return s.Last.Reason
	}
	if !now.living {
		return "the process that carried it out is gone"
	}
	if text := waitsFor(s); text != "" {
		return text
	}
	return "it has not ended"
}

// waitsFor names the metrics without which a canary in progress does not go on.
func waitsFor(s *engine.State) string {
	for _, v := range app.Canaries(s) {
		if v.Decision == nil || s.Steps[v.Step] == nil || s.Steps[v.Step].State != ripcord.StepIsRunning {
			continue
		}
		var silent []string
		for i := range v.Decision.Evidence {
			e := &v.Decision.Evidence[i]
			if e.Gate && slices.Contains(v.Decision.Silent, e.Metric) {
				silent = append(silent, e.Metric+before(": ", e.Note))
			}
		}
		if len(silent) > 0 {
			return fmt.Sprintf("the canary %s waits for word from %s", v.Service, strings.Join(silent, "; from "))
		}
	}
	return ""
}

func (c *command) nextLine(s *engine.State, now standing) string {
	run := " --run " + string(s.Run)
	switch s.State {
	case ripcord.StateSucceeded:
		if s.Plan.Purpose != ripcord.PurposeRelease {
			return c.again("status")
		}
		return c.again("status") + "; to take it back: " + c.again("rollback")
	case ripcord.StateRolledBack:
		if s.Failed != "" {
			return c.again("logs "+string(s.Failed)+run) + "; mend it, then release again"
		}
		return c.again("show" + run)
	case ripcord.StateHeld:
		if s.Back {
			without := ""
			if s.Hold != nil && s.Hold.Step != "" {
				without = fmt.Sprintf("; or leave %s as it is, and bring the others back: %s", s.Hold.Step, c.again("skip "+string(s.Hold.Step)+run))
			}
			return fmt.Sprintf("mend it, then: %s%s; or finish by hand (%s), then: %s", c.again("retry"+run), without,
				c.again("plan --runbook"+run), c.again("close"+run+` --reason "..."`))
		}
		return fmt.Sprintf("%s (try again), or %s (go on without it), or %s (go back)", c.again("retry"+run), c.again("skip"+run), c.again("rollback"+run))
	case ripcord.StateClosed:
		return c.again("show" + run)
	case ripcord.StatePaused:
		return c.again("resume" + run)
	case ripcord.StatePlanned, ripcord.StateRunning, ripcord.StateWatching, ripcord.StateCommitted, ripcord.StateRollingBack:
	}
	if now.living {
		return c.again("logs --follow"+run) + "; to take it back: " + c.again("rollback"+run)
	}
	return c.again("recover"+run) + " (goes on), or " + c.again("recover --rollback"+run) + " (goes back)"
}

// holdLine is why a run is held: on the way back by the step that cannot go
// back, else by what failed.
func holdLine(s *engine.State) string {
	f := s.Failure
	if t := s.Steps[s.Hold.Step]; s.Hold.Back && t != nil {
		f = t.Failure
	}
	if f == nil || strings.Contains(s.Hold.Reason, f.Summary) {
		return s.Hold.Reason
	}
	return s.Hold.Reason + ": " + f.Summary
}
