package remote

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// lineWith finds the line that begins with a word and returns the rest of it.
func lineWith(text []byte, word string) (string, bool) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(word)); ok {
			return string(bytes.TrimRight(rest, "\n")), true
		}
	}
	return "", false
}

// lastSignal is the highest signal that there is.
const lastSignal = 64

// parseExit reads the shim's line: status, cancelled, timed out, and how many seconds the
// machine had been running when the command started, when it ended, and now; zero is a
// time before its last start. A shell tells a signal as a status above 128, and so
// does it.
func parseExit(text string, now time.Time) (ripcord.Exit, error) {
	var code, cancelled, late int
	var started, ended, running float64
	if n, err := fmt.Sscanf(text, "%d %d %d %f %f %f", &code, &cancelled, &late, &started, &ended, &running); err != nil || n != 6 {
		return ripcord.Exit{}, fmt.Errorf("how the command ended cannot be read: %q", text)
	}
	ago := func(at float64) time.Time {
		if seconds := running - at; seconds > 0 && seconds < longest.Seconds() {
			return now.Add(-time.Duration(seconds * float64(time.Second)))
		}
		return now
	}
	exit := ripcord.Exit{Code: code, Cancelled: cancelled == 1, TimedOut: late == 1, StartedAt: ago(started), EndedAt: ago(ended)}
	if code > 128 && code <= 128+lastSignal {
		exit.Signal = syscall.Signal(code - 128).String()
	}
	return exit, nil
}

// longest is more than any command takes.
const longest = 10 * 365 * 24 * time.Hour

const (
	// tailLines is how many of the last lines are kept.
	tailLines = 20
	// tailLimit bounds them in bytes.
	tailLimit = 16 << 10
	// defaultOutputLimit is how much is passed on where the command does not say.
	defaultOutputLimit = 16 << 20
)

// printed passes on what a command prints, without its secrets.
type printed struct {
	to      io.Writer
	secrets []string
	// held may be the beginning of a secret; most is how long that can be.
	held []byte
	most int
	// raw counts what came from the machine, skip what came before already.
	raw, skip int64
	left      int64
	cut       bool
	tail      []byte
}

func newPrinted(c ripcord.Command) *printed {
	p := &printed{to: c.Output, left: c.OutputLimit}
	if p.to == nil {
		p.to = io.Discard
	}
	if p.left <= 0 {
		p.left = defaultOutputLimit
	}
	for _, secret := range c.Secrets {
		if secret != "" {
			p.secrets = append(p.secrets, secret)
			p.most = max(p.most, len(secret)-1)
		}
	}
	return p
}

// Write implements io.Writer. It never fails: the log must not stop the command.
func (p *printed) Write(b []byte) (int, error) {
	n := len(b)
	if p.skip > 0 {
		drop := min(p.skip, int64(len(b)))
		p.skip -= drop
		b = b[drop:]
	}
	p.raw += int64(len(b))
	p.held = append(p.held, b...)
	p.clean()
	if ready := len(p.held) - p.most; ready > 0 {
		p.pass(p.held[:ready])
		p.held = append(p.held[:0], p.held[ready:]...)
	}
	return n, nil
}

func (p *printed) clean() {
	for _, secret := range p.secrets {
		if bytes.Contains(p.held, []byte(secret)) {
			p.held = bytes.ReplaceAll(p.held, []byte(secret), []byte("***"))
		}
	}
}

func (p *printed) pass(b []byte) {
	p.tail = append(p.tail, b...)
	if len(p.tail) > 2*tailLimit {
		p.tail = append(p.tail[:0], p.tail[len(p.tail)-tailLimit:]...)
	}
	if int64(len(b)) > p.left {
		b = b[:p.left]
		if !p.cut {
			p.cut = true
			defer func() { _, _ = io.WriteString(p.to, "\n[what follows is not kept]\n") }()
		}
	}
	p.left -= int64(len(b))
	_, _ = p.to.Write(b) // the log must not stop the command
}

// finish passes on what was held back, and returns the last lines.
func (p *printed) finish() []string {
	p.clean()
	if len(p.held) > 0 {
		p.pass(p.held)
		p.held = nil
	}
	text := strings.TrimRight(string(p.tail), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-tailLines):]
}
