package cli

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/ripcord-dev/ripcord"
)

// liveLine is a step that is in progress.
type liveLine struct {
	step  ripcord.StepID
	what  string
	since time.Time
	last  string
	rest  []byte
}

// liveDisplay shows one line for each step in progress below what has happened.
// It moves the cursor within its own lines only, so whatever kills the process
// leaves a readable screen.
type liveDisplay struct {
	c     *command
	total int
	done  map[ripcord.StepID]bool
	lines []*liveLine
	drawn int
	frame int
	// text collects what is written at once, so that nothing flickers.
	text strings.Builder

	good, bad, faint lipgloss.Style
}

func newLiveDisplay(c *command, plan *ripcord.Plan) *liveDisplay {
	r := lipgloss.NewRenderer(c.Stdout)
	d := &liveDisplay{
		c: c, done: make(map[ripcord.StepID]bool),
		good: r.NewStyle().Foreground(lipgloss.Color("2")), bad: r.NewStyle().Foreground(lipgloss.Color("1")).Bold(true),
		faint: r.NewStyle().Faint(true),
	}
	if plan != nil {
		d.total = active(plan)
	}
	return d
}

func (d *liveDisplay) entry(e ripcord.Entry) {
	d.follow(e)
	text := sentence(e)
	if text == "" {
		return
	}
	d.erase()
	d.printf("%s  %s\n", d.faint.Render(clock(e.At)), d.colour(e).Render(harmless(text)))
	if e.Failure != nil && e.Until == nil {
		for _, line := range e.Failure.Lines {
			d.printf("           %s\n", d.faint.Render("> "+drawn(line)))
		}
	}
	d.draw()
}

// colour is how an entry's line looks.
func (d *liveDisplay) colour(e ripcord.Entry) lipgloss.Style {
	switch e.Kind {
	case ripcord.StepApplied, ripcord.StepUndone, ripcord.RunCommitted, ripcord.StepFound:
		return d.good
	case ripcord.StepFailed, ripcord.StepUndoFailed, ripcord.RunHeld, ripcord.RunRollingBack, ripcord.StepUnfinished:
		return d.bad
	default:
		return lipgloss.NewStyle()
	}
}

// follow keeps the list of what is in progress.
func (d *liveDisplay) follow(e ripcord.Entry) {
	switch e.Kind {
	case ripcord.StepIntent, ripcord.StepPreparing:
		d.begin(e, "runs")
	case ripcord.StepUndoIntent:
		d.begin(e, "goes back")
	case ripcord.StepAsked:
		d.begin(e, "waits for a person")
	case ripcord.StepApplied, ripcord.StepFound, ripcord.StepSkipped:
		d.done[e.Step] = true
		d.finish(e.Step)
	case ripcord.StepFailed, ripcord.StepUndone, ripcord.StepUndoFailed, ripcord.StepLeft, ripcord.StepSettled:
		delete(d.done, e.Step)
		d.finish(e.Step)
	case ripcord.RunHeld, ripcord.RunSucceeded, ripcord.RunRolledBack, ripcord.RunClosed:
		d.lines = nil
	default:
	}
}

func (d *liveDisplay) begin(e ripcord.Entry, what string) {
	d.finish(e.Step)
	d.lines = append(d.lines, &liveLine{step: e.Step, what: what, since: e.At})
}

func (d *liveDisplay) finish(step ripcord.StepID) {
	kept := d.lines[:0:0]
	for _, l := range d.lines {
		if l.step != step {
			kept = append(kept, l)
		}
	}
	d.lines = kept
}

func (d *liveDisplay) output(step ripcord.StepID, text []byte) {
	for _, l := range d.lines {
		if l.step != step {
			continue
		}
		l.rest = append(l.rest, text...)
		if i := bytes.LastIndexByte(l.rest, '\n'); i >= 0 {
			whole := bytes.TrimRight(l.rest[:i], "\r\n")
			l.last = string(whole[bytes.LastIndexByte(whole, '\n')+1:])
			l.rest = bytes.Clone(l.rest[i+1:])
		}
	}
}

func (d *liveDisplay) aside(text string) {
	d.erase()
	d.printf("%s\n", harmless(text))
	d.draw()
}

func (d *liveDisplay) tick() {
	d.frame++
	d.erase()
	d.draw()
}

func (d *liveDisplay) close() {
	d.erase()
	d.flush()
}

func (d *liveDisplay) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(&d.text, format, args...) // memory never fails
}

func (d *liveDisplay) flush() {
	if d.text.Len() > 0 {
		d.c.print(d.text.String())
		d.text.Reset()
	}
}

// usualWidth is the width of a terminal that does not tell its own.
const usualWidth = 80

// erase removes our lines.
func (d *liveDisplay) erase() {
	if d.drawn > 0 {
		d.printf("\x1b[%dA\r\x1b[J", d.drawn)
		d.drawn = 0
	}
}

// draw writes our lines below everything else.
func (d *liveDisplay) draw() {
	defer d.flush()
	if len(d.lines) == 0 {
		return
	}
	width := usualWidth
	if d.c.Width != nil {
		if now := d.c.Width(); now > 0 {
			width = now
		}
	}
	spinner := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	for _, l := range d.lines {
		elapsed := d.c.Now().Sub(l.since).Round(time.Second)
		line := fmt.Sprintf("%c %s %s %s  %s", spinner[d.frame%len(spinner)], l.step, l.what, max(elapsed, 0), strings.ReplaceAll(drawn(l.last), "\t", " "))
		d.printf("%s\n", ansi.Truncate(line, width-1, "…"))
	}
	foot := fmt.Sprintf("  %d of %d steps done", len(d.done), d.total)
	if d.total == 0 {
		foot = fmt.Sprintf("  %s done", count(len(d.done), "step"))
	}
	d.printf("%s\n", d.faint.Render(ansi.Truncate(foot, width-1, "…")))
	d.drawn = len(d.lines) + 1
}

// drawn is a line of a command as it stands on the screen in the end, without
// anything that would move our cursor.
func drawn(line string) string {
	var c cleaner
	return lastDrawn(c.clean(line))
}
