package shim

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
)

// The size of Exit.Tail.
const (
	tailLines    = 20
	tailLineSize = 400 // bytes
)

// lastLines remembers the newest lines that are written to it.
type lastLines struct {
	lines []string
	open  []byte // the line that has not ended yet
}

func (l *lastLines) Write(data []byte) (int, error) {
	size := len(data)
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			l.extend(data)
			return size, nil
		}
		l.extend(data[:end])
		l.close()
		data = data[end+1:]
	}
}

func (l *lastLines) extend(data []byte) {
	if room := tailLineSize - len(l.open); room > 0 {
		l.open = append(l.open, data[:min(room, len(data))]...)
	}
}

func (l *lastLines) close() {
	l.lines = append(l.lines, clean(l.open))
	l.open = l.open[:0]
	if len(l.lines) > tailLines {
		l.lines = append(l.lines[:0], l.lines[len(l.lines)-tailLines:]...)
	}
}

// Lines returns the newest lines, empty ones at the end left out.
func (l *lastLines) Lines() []string {
	all := append([]string(nil), l.lines...)
	if len(l.open) > 0 {
		all = append(all, clean(l.open))
	}
	for len(all) > 0 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all[max(0, len(all)-tailLines):]
}

func clean(line []byte) string { return Plain(strings.TrimRight(string(line), "\r \t")) }

// Plain returns a line that a program printed without what only a terminal
// understands, colours and titles, and without other control characters: quoted
// in a message, it must not change the terminal of whoever reads it.
func Plain(line string) string {
	line = strings.ToValidUTF8(line, "?")
	if !strings.ContainsFunc(line, control) {
		return line
	}
	// CSI and OSC sequences, then all others of two characters.
	line = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\a\x1b]*(\a|\x1b\\\\)?|\x1b[ -/]*[0-~]?").ReplaceAllString(line, "")
	return strings.Map(func(r rune) rune {
		if control(r) {
			return -1
		}
		return r
	}, line)
}

func control(r rune) bool { return r != '\t' && unicode.IsControl(r) }
