package migration

import (
	"errors"
	"strings"
)

// single reads a file that holds one direction.
func (m *Migration) single(kind string, h half) error {
	all, err := Split(kind, h.text, 1)
	if err != nil {
		return err
	}
	into := &m.Up
	if h.down {
		into = &m.Down
	}
	*into, err = script(kind, all, false)
	return err
}

// script makes a script of statements: its transaction is ours.
func script(kind string, all []Statement, apart bool) (Script, error) {
	all = withoutTransaction(kind, all)
	for _, s := range all {
		if c := Classify(kind, s); c.Control {
			return Script{}, &SyntaxError{s.Line, strings.Fields(s.Text)[0] + " in the middle: Ripcord begins and ends transactions by itself; make two migrations of it"}
		} else if c.Apart {
			apart = true
		}
	}
	return Script{Given: true, Statements: all, Apart: apart}, nil
}

// withoutTransaction leaves out the BEGIN and COMMIT around a whole script.
func withoutTransaction(kind string, all []Statement) []Statement {
	if len(all) < 2 {
		return all
	}
	if opens(kind, all[0]) && closes(kind, all[len(all)-1]) {
		return all[1 : len(all)-1]
	}
	return all
}

// The annotations of goose.
const (
	annotation     = "-- +goose"
	sectionUp      = "up"
	sectionDown    = "down"
	statementBegin = "statementbegin"
	statementEnd   = "statementend"
	noTransaction  = "no transaction"
)

func isAnnotated(text string) bool {
	for line := range strings.Lines(text) {
		if word, ok := annotationOf(line); ok && word == sectionUp {
			return true
		}
	}
	return false
}

// annotationOf reads an annotation, in small letters.
func annotationOf(line string) (word string, ok bool) {
	line = strings.TrimSpace(line)
	rest, ok := strings.CutPrefix(strings.ReplaceAll(line, "--+goose", annotation), annotation)
	return strings.ToLower(strings.Join(strings.Fields(rest), " ")), ok
}

// annotated reads both directions of a file of goose's.
func (m *Migration) annotated(kind string, h half) error {
	r := gooseReader{kind: kind}
	number := 0
	for line := range strings.Lines(h.text) {
		number++
		if err := r.line(line, number); err != nil {
			return err
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	if r.inside {
		return &SyntaxError{number, "StatementBegin without StatementEnd"}
	}
	if !r.seen[sectionUp] {
		return errors.New("it has no `-- +goose Up`")
	}
	var err error
	if m.Up, err = script(kind, r.up, r.apart); err != nil {
		return err
	}
	if r.seen[sectionDown] {
		m.Down, err = script(kind, r.down, r.apart)
	}
	return err
}

// gooseReader goes through a file's lines.
type gooseReader struct {
	kind     string
	up, down []Statement
	seen     map[string]bool
	section  string
	inside   bool // of StatementBegin and StatementEnd
	apart    bool
	chunk    strings.Builder
	first    int
}

func (r *gooseReader) line(line string, number int) error {
	word, ok := annotationOf(line)
	if !ok {
		if r.chunk.Len() == 0 {
			r.first = number
		}
		r.chunk.WriteString(line)
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	switch {
	case (word == sectionUp || word == sectionDown) && r.inside:
		return &SyntaxError{number, "StatementBegin without StatementEnd"}
	case (word == sectionUp || word == sectionDown) && r.seen[word]:
		return &SyntaxError{number, "a second section " + word}
	case word == sectionUp || word == sectionDown:
		if r.seen == nil {
			r.seen = map[string]bool{}
		}
		r.seen[word], r.section = true, word
	case word == statementBegin && !r.inside:
		r.inside = true
	case word == statementEnd && r.inside:
		r.inside = false
	case word == noTransaction:
		r.apart = true
	case word == "envsub off":
	default:
		return &SyntaxError{number, "`-- +goose " + word + "` is not understood here"}
	}
	return nil
}

// flush takes what stands since the last annotation.
func (r *gooseReader) flush() error {
	text := r.chunk.String()
	r.chunk.Reset()
	var all []Statement
	var err error
	if r.inside {
		text = strings.TrimRight(strings.TrimSpace(text), ";")
		if text != "" {
			all = []Statement{{Text: text, Line: r.first}}
		}
	} else if all, err = Split(r.kind, text, max(r.first, 1)); err != nil {
		return err
	}
	switch {
	case len(all) == 0:
	case r.section == sectionUp:
		r.up = append(r.up, all...)
	case r.section == sectionDown:
		r.down = append(r.down, all...)
	default:
		return &SyntaxError{all[0].Line, "a statement before `-- +goose Up`"}
	}
	return nil
}
