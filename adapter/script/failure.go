package script

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// quotedLines is how many lines of output a failure quotes.
const quotedLines = 20

// ended turns a command's end into the step's error, nil when it went well.
func (s *Step) ended(ctx context.Context, argv []string, c ripcord.Command, exit ripcord.Exit, err error) error {
	name := shown(argv)
	if err != nil {
		return notStarted(ctx, name, err)
	}
	if !exit.TimedOut && !exit.Cancelled && exit.Signal == "" && exit.Code == 0 {
		return nil
	}
	took := exit.EndedAt.Sub(exit.StartedAt).Round(100 * time.Millisecond)
	failure := &ripcord.Failure{Class: ripcord.FailedCommand, Exit: &exit, Lines: lastLines(exit.Tail)}
	switch {
	case exit.TimedOut || errors.Is(ctx.Err(), context.DeadlineExceeded):
		failure.Class = ripcord.FailedTimeout
		failure.Summary = fmt.Sprintf("%s did not end in time and was stopped after %s", name, took)
		if c.Timeout > 0 {
			failure.Summary = fmt.Sprintf("%s did not end within %s and was stopped", name, c.Timeout)
		}
	case exit.Cancelled:
		failure.Class = ripcord.FailedCancelled
		failure.Summary = fmt.Sprintf("%s was stopped after %s", name, took)
	case exit.Signal != "":
		failure.Summary = fmt.Sprintf("%s was ended by signal %q after %s", name, exit.Signal, took)
	default:
		failure.Summary = fmt.Sprintf("%s ended with status %d after %s", name, exit.Code, took)
	}
	if said := health.LastWords(failure.Lines); said != "" && failure.Class != ripcord.FailedCancelled {
		failure.Summary += ": " + said
	}
	return failure
}

// notStarted is the error of a command that never ran.
func notStarted(ctx context.Context, name string, err error) error {
	if errors.Is(err, ripcord.ErrFenced) || errors.Is(err, ripcord.ErrLost) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s was not run: %w", name, ctx.Err())
	}
	if failure, ok := errors.AsType[*ripcord.Failure](err); ok {
		return failure // the runner said it in plain words
	}
	if refused, ok := errors.AsType[*ripcord.Error](err); ok {
		summary := fmt.Sprintf("%s could not be started: %s", name, refused.Message)
		if refused.Fix != "" {
			summary += "; " + refused.Fix
		}
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: summary, Away: errors.Is(err, ripcord.ErrAway)}
	}
	summary := fmt.Sprintf("%s could not be started: %v", name, err)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		summary = name + " could not be started: there is no such program"
	case errors.Is(err, fs.ErrPermission):
		summary = name + " could not be started: it is not executable (chmod +x)"
	}
	return &ripcord.Failure{Class: ripcord.FailedCommand, Summary: summary}
}

// lastLines returns the newest lines, without empty ones at the end.
func lastLines(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines[max(0, len(lines)-quotedLines):]
}
