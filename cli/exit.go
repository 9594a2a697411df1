package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// The exit codes; they are a surface and do not change.
const (
	exitDone        = 0 // done, also a rollback or recover that reached its goal
	exitInternal    = 1 // internal error
	exitPlan        = 2 // bad plan or arguments, nothing changed
	exitRolledBack  = 3 // the release failed or was aborted and was rolled back, verified
	exitHeld        = 4 // held, waiting for a person
	exitIncomplete  = 5 // rollback incomplete
	exitRefused     = 6 // quarantine, lock, freeze, approval
	exitFindings    = 7 // drift, verify, drill
	exitInterrupted = 8 // interrupted, run recover
)

// usage is an error of the command line itself.
func usage(format string, args ...any) *ripcord.Error {
	return ripcord.Errorf(ripcord.CodePlan, format, args...)
}

// misunderstood gives an error of the command line parser its code.
func misunderstood(err error) error {
	if _, ok := errors.AsType[*ripcord.Error](err); ok {
		return err
	}
	return usage("%w", err).WithFix("ripcord help lists the commands")
}

// report prints an error that kept a verb from its job and returns its exit code.
func (c *command) report(err error) int {
	code, fix := exitInternal, ""
	if e, ok := errors.AsType[*ripcord.Error](err); ok {
		code, fix = exitOf(e.Code), e.Fix
	}
	if errors.Is(err, ripcord.ErrFenced) || errors.Is(err, context.Canceled) {
		code = exitInterrupted
	}
	if c.signalled.Load() && ripcord.CodeOf(err) != ripcord.CodeInterrupted {
		err, code, fix = errSignal, exitInternal, "" // it only looked, or had not begun
	}
	if strings.Contains(err.Error(), fix) && c.output != "json" {
		fix = "" // a plan file's problems each say their own
	}
	if c.output == "json" {
		_ = json.NewEncoder(c.Stderr).Encode(map[string]any{"error": err.Error(), "fix": fix, "exit_code": code})
		return code
	}
	_, _ = fmt.Fprintf(c.Stderr, "ripcord: %s\n", harmless(err.Error()))
	if fix != "" {
		_, _ = fmt.Fprintf(c.Stderr, "  fix: %s\n", harmless(fix))
	}
	return code
}

func exitOf(code ripcord.Code) int {
	switch code {
	case ripcord.CodePlan, ripcord.CodeNotFound:
		return exitPlan
	case ripcord.CodeRefused:
		return exitRefused
	case ripcord.CodeInterrupted:
		return exitInterrupted
	case ripcord.CodeInternal:
		return exitInternal
	}
	return exitInternal
}

// exitOfRun is the exit code of a verb that brought a run as far as this.
// Going back was the goal of a rollback and of a recover that went back.
func exitOfRun(s *engine.State, backWasGoal bool) int {
	switch s.State {
	case ripcord.StateSucceeded:
		if s.Plan.Purpose == ripcord.PurposeRollback && len(unproved(s)) > 0 {
			return exitIncomplete
		}
		return exitDone
	case ripcord.StateRolledBack:
		switch {
		case len(unproved(s)) > 0:
			return exitIncomplete
		case backWasGoal:
			return exitDone
		}
		return exitRolledBack
	case ripcord.StateClosed:
		return exitDone
	case ripcord.StateHeld:
		return exitHeld
	case ripcord.StatePlanned, ripcord.StateRunning, ripcord.StatePaused, ripcord.StateWatching,
		ripcord.StateCommitted, ripcord.StateRollingBack:
		return exitInterrupted
	}
	return exitInternal
}

// unproved lists the steps that did not go back, or went back without proof.
func unproved(s *engine.State) []ripcord.StepID {
	var ids []ripcord.StepID
	for i := range s.Plan.Steps {
		t := s.Steps[s.Plan.Steps[i].ID]
		if t.Left || t.State == ripcord.StepIsUndoneUnverified {
			ids = append(ids, t.Spec.ID)
		}
	}
	return ids
}
