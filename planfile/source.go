package planfile

import (
	"strings"
	"unicode/utf8"
)

// source is the text of a plan file.
type source struct {
	name  string
	text  string
	lines []string
}

// newSource splits the text into lines. Line ends of other systems become \n,
// so that columns and excerpts are the same everywhere.
func newSource(name string, data []byte) *source {
	text := strings.TrimPrefix(string(data), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	return &source{name: name, text: text, lines: strings.Split(text, "\n")}
}

// line returns a line's text; they count from 1.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// clamp moves a position into the file.
func (s *source) clamp(at position) position {
	at.line = min(max(at.line, 1), len(s.lines))
	at.column = min(max(at.column, 1), utf8.RuneCountInString(s.line(at.line))+1)
	return at
}

// find returns where part stands at or after a position, within the next lines
// lines; the position itself when it is not found there as written.
func (s *source) find(at position, lines int, part string) position {
	for n := at.line; n <= min(at.line+lines, len(s.lines)); n++ {
		runes, skip := []rune(s.line(n)), 0
		if n == at.line {
			skip = min(max(at.column-1, 0), len(runes))
		}
		rest := string(runes[skip:])
		if before, _, found := strings.Cut(rest, part); found {
			return position{n, skip + utf8.RuneCountInString(before) + 1}
		}
	}
	return at
}

// at returns the position of a byte offset.
func (s *source) at(offset int) position {
	before := s.text[:min(max(offset, 0), len(s.text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return position{strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1}
}
