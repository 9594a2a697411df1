package cli

import (
	"bytes"
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// drawEvery is how often the display on a terminal is drawn anew.
const drawEvery = 120 * time.Millisecond

// progress shows a run while it happens: on a terminal what is in progress, else
// one line for each thing that matters.
func (c *command) progress(plan *ripcord.Plan) app.Listener {
	if c.output == "json" || c.quiet {
		return app.Listener{}
	}
	c.closeDisplay()
	var d display = &plainDisplay{c: c, partial: make(map[ripcord.StepID][]byte)}
	if c.Terminal {
		d = newLiveDisplay(c, plan)
	}
	q, ticks, stop := newQueue(), make(chan struct{}), make(chan struct{})
	go beat(ticks, stop)
	go q.run(d, ticks)
	c.shown.Store(&shown{queue: q, stop: stop})
	return q.listener()
}

// beat ticks until stop is closed.
func beat(ticks chan<- struct{}, stop <-chan struct{}) {
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		select {
		case <-stop:
			return
		case ticks <- struct{}{}:
		}
	}
}

// shown is a display that is on.
type shown struct {
	queue *queue
	stop  chan struct{}
}

// closeDisplay shows what still waits and leaves the screen to the ending.
func (c *command) closeDisplay() {
	if s := c.shown.Swap(nil); s != nil {
		s.queue.close()
		close(s.stop)
	}
}

// plainDisplay prints lines, for logs and pipes.
type plainDisplay struct {
	c       *command
	partial map[ripcord.StepID][]byte
}

func (p *plainDisplay) entry(e ripcord.Entry) {
	p.flush(e)
	if text := sentence(e); text != "" {
		p.c.printf("%s  %s\n", clock(e.At), harmless(text))
	}
}

// flush prints the unfinished last line of a step that has ended.
func (p *plainDisplay) flush(e ripcord.Entry) {
	if rest := p.partial[e.Step]; e.Step != "" && len(rest) > 0 && ends(e.Kind) {
		p.c.printf("           %s | %s\n", e.Step, drawn(string(rest)))
		delete(p.partial, e.Step)
	}
}

// ends reports whether the kind of entry ends an attempt at a step.
func ends(kind ripcord.EntryKind) bool {
	switch kind {
	case ripcord.StepApplied, ripcord.StepFailed, ripcord.StepUndone, ripcord.StepUndoFailed, ripcord.StepSettled:
		return true
	default:
		return false
	}
}

// output prints whole lines, each with its step.
func (p *plainDisplay) output(step ripcord.StepID, text []byte) {
	rest := append(p.partial[step], text...)
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		p.c.printf("           %s | %s\n", step, drawn(string(rest[:i])))
		rest = rest[i+1:]
	}
	p.partial[step] = bytes.Clone(rest)
}

func (p *plainDisplay) aside(text string) { p.c.printf("%s\n", text) }

func (*plainDisplay) tick() {}

func (*plainDisplay) close() {}

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
		if e.Failure != nil && e.Failure.Class == ripcord.FailedCancelled {
			return fmt.Sprintf("%s: stopped", e.Step)
		}
		if e.Until != nil {
			because += "; again at " + clock(*e.Until)
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
		if e.Until != nil {
			because += "; again at " + clock(*e.Until)
		}
		return fmt.Sprintf("%s: UNDO FAILED%s", e.Step, because)
	case ripcord.StepSettled:
		if e.Seen == nil || !e.Seen.Away || e.Until == nil {
			return ""
		}
		return fmt.Sprintf("%s: waits until it can be reached: %s; again at %s   (or leave it: ripcord skip %s --run %s)", e.Step, e.Seen.Detail, clock(*e.Until), e.Step, e.Run)
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
		if e.LastGood == "" {
			return "committed: nothing is released here any more", true
		}
		return "committed: this is last good now", true
	case ripcord.RunEvidence:
		if e.Reason == "" && len(e.Blobs) == 0 {
			return "", true // no step had any to show
		}
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
