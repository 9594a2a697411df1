package cli

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// screen is what a terminal shows that knows the few sequences that we use.
func screen(text string) []string {
	lines := []string{""}
	for text != "" {
		var up int
		switch {
		case strings.HasPrefix(text, "\x1b[J"):
			text = text[3:]
			continue
		case strings.HasPrefix(text, "\x1b["):
			if n, _ := fmt.Sscanf(text, "\x1b[%dA", &up); n == 1 {
				lines = lines[:len(lines)-up]
				lines[len(lines)-1] = ""
				text = text[strings.IndexByte(text, 'A')+1:]
				continue
			}
		case text[0] == '\n':
			lines = append(lines, "")
			text = text[1:]
			continue
		case text[0] == '\r':
			lines[len(lines)-1] = ""
			text = text[1:]
			continue
		}
		lines[len(lines)-1] += text[:1]
		text = text[1:]
	}
	return lines
}

// TestLive: what has happened stays, what is in progress is redrawn in its place,
// and no line is wider than the terminal.
func TestLive(t *testing.T) {
	t.Parallel()
	const width = 40
	var out bytes.Buffer
	c := &command{Process: &Process{Stdout: &out, Now: func() time.Time { return at(5) }, Width: func() int { return width }}}
	d := newLiveDisplay(c, shiftPlan())
	d.entry(ripcord.Entry{Kind: ripcord.StepIntent, Step: "web", At: at(1)})
	d.output("web", []byte("one\ntwo \x1b[2Jtricky\t"+strings.Repeat("wide ", 30)+"\nhalf"))
	for range 7 {
		d.tick()
	}
	shown := screen(out.String())
	for i, want := range []string{"web: begins", "web runs 4s  two tricky wide", "0 of 2 steps done"} {
		if !strings.Contains(shown[i], want) || len([]rune(shown[i])) >= width+1 {
			t.Errorf("line %d is %q, not %q", i, shown[i], want)
		}
	}
	d.aside("interrupt: going back")
	d.entry(ripcord.Entry{Kind: ripcord.StepApplied, Step: "web", At: at(5)})
	d.tick()
	d.close()
	shown = screen(out.String())
	if len(shown) != 4 || shown[1] != "interrupt: going back" || !strings.Contains(shown[2], "web: done") || shown[3] != "" {
		t.Errorf("in the end the screen shows %q", shown)
	}
}

// stuck is a terminal that somebody stopped.
type stuck struct {
	free  chan struct{}
	notes []string
}

func (s *stuck) output(ripcord.StepID, []byte) { <-s.free }
func (s *stuck) aside(text string)             { s.notes = append(s.notes, text) }
func (s *stuck) entry(ripcord.Entry)           {}
func (s *stuck) tick()                         {}
func (s *stuck) close()                        {}

// TestStuckTerminal: a terminal that takes nothing never holds up the run, and
// is told later that something was left out.
func TestStuckTerminal(t *testing.T) {
	t.Parallel()
	q, d := newQueue(), &stuck{free: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() { q.run(d, nil) })
	l := q.listener()
	for range 3 * queueLimit / 1024 {
		l.Output("web", make([]byte, 1024)) // would block for ever
	}
	l.Entry(ripcord.Entry{Kind: ripcord.StepApplied, Step: "web"})
	close(d.free)
	q.close()
	running.Wait()
	if len(d.notes) == 0 || !strings.Contains(d.notes[0], "of output left out") {
		t.Errorf("it was told %q", d.notes)
	}
	l.Output("web", []byte("late")) // after the end: no harm
}
