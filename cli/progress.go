package cli

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// progress prints a run while it happens: one line for each thing that matters.
func (c *command) progress(_ *ripcord.Plan) app.Listener {
	if c.output == "json" || c.quiet {
		return app.Listener{}
	}
	p := &plainProgress{c: c, partial: make(map[ripcord.StepID][]byte)}
	return app.Listener{Entry: p.entry, Output: p.output}
}

// plainProgress prints lines, for logs and pipes.
type plainProgress struct {
	c       *command
	mu      sync.Mutex
	partial map[ripcord.StepID][]byte
}

func (p *plainProgress) entry(e ripcord.Entry) {
	text := sentence(e)
	if text == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.c.printf("%s  %s\n", clock(e.At), text)
}

// output prints whole lines, each with its step.
func (p *plainProgress) output(step ripcord.StepID, text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := append(p.partial[step], text...)
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		p.c.printf("           %s | %s\n", step, bytes.TrimRight(rest[:i], "\r"))
		rest = rest[i+1:]
	}
	p.partial[step] = bytes.Clone(rest)
}

// sentence is what an entry means to people; empty for what nobody must read.
func sentence(e ripcord.Entry) string {
	if text, ok := runSentence(e); ok {
		return text
	}
	because := ""
	if e.Failure != nil {
		because = ": " + e.Failure.Summary
	}
	switch e.Kind {
	case ripcord.StepFound:
		return fmt.Sprintf("%s: already there, left alone", e.Step)
	case ripcord.StepSkipped:
		return fmt.Sprintf("%s: skipped: %s", e.Step, e.Reason)
	case ripcord.StepAsked:
		return fmt.Sprintf("%s: waits for a person: %s   (ripcord approve %s --run %s)", e.Step, e.Reason, e.Step, e.Run)
	case ripcord.StepIntent:
		return fmt.Sprintf("%s: begins%s", e.Step, nth(e.Attempt))
	case ripcord.StepApplied:
		return fmt.Sprintf("%s: done", e.Step)
	case ripcord.StepFailed:
		if e.Until != nil {
			because += fmt.Sprintf("; again at %s", clock(*e.Until))
		}
		return fmt.Sprintf("%s: FAILED%s", e.Step, because)
	case ripcord.StepUndoIntent:
		return fmt.Sprintf("%s: going back%s", e.Step, nth(e.Attempt))
	case ripcord.StepUndone:
		if e.Verified {
			return fmt.Sprintf("%s: back, verified", e.Step)
		}
		return fmt.Sprintf("%s: undone, unverified: it has no check", e.Step)
	case ripcord.StepUndoFailed:
		return fmt.Sprintf("%s: UNDO FAILED%s", e.Step, because)
	case ripcord.StepLeft:
		return fmt.Sprintf("%s: left as it is: %s", e.Step, e.Reason)
	case ripcord.StepUnfinished:
		return fmt.Sprintf("%s: cleaning up after the commit failed%s", e.Step, because)
	default:
		return ""
	}
}

func nth(attempt int) string {
	if attempt > 1 {
		return fmt.Sprintf(", attempt %d", attempt)
	}
	return ""
}

func runSentence(e ripcord.Entry) (string, bool) {
	because := ""
	if e.Reason != "" {
		because = ": " + e.Reason
	}
	switch e.Kind {
	case ripcord.RunPlanned:
		return "run " + string(e.Run), true
	case ripcord.RunPaused:
		return "PAUSED by " + e.Who + because, true
	case ripcord.RunResumed:
		return "resumed by " + e.Who + because, true
	case ripcord.RunHeld:
		return "HELD" + because, true
	case ripcord.RunRollingBack:
		return "ROLLING BACK" + because, true
	case ripcord.RunWatching:
		return "watching", true
	case ripcord.RunCommitted:
		return "committed: this is last good now", true
	case ripcord.RunEvidence:
		if e.Reason != "" {
			return "evidence kept, with gaps" + because, true
		}
		return "evidence kept", true
	case ripcord.RunControl:
		if e.Request != nil && e.Request.Refused != "" {
			return fmt.Sprintf("%s by %s had no effect: %s", e.Request.Verb, e.Who, e.Request.Refused), true
		}
		return "", true
	default:
		return "", false
	}
}
