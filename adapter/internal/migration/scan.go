package migration

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// shape is what a token is.
type shape int

const (
	word    shape = iota // a keyword or a name without quotes
	quoted               // a name in quotes
	literal              // a text or a number
	mark                 // punctuation
	comment
)

// token is a piece of SQL.
type token struct {
	shape shape
	text  string
	// at and end are offsets in bytes; line counts from 1.
	at, end, line int
}

// is reports whether a token is a keyword.
func (t token) is(keyword string) bool {
	return t.shape == word && strings.EqualFold(t.text, keyword)
}

// SyntaxError is something in SQL that cannot be read.
type SyntaxError struct {
	Line int
	Text string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// scanner cuts SQL into tokens, by the lexical rules of each database's manual.
type scanner struct {
	kind string
	text string
	at   int
	line int
}

// scan returns all tokens of a text, comments among them.
func scan(kind, text string) ([]token, error) {
	s := &scanner{kind: kind, text: text, line: 1}
	var all []token
	for {
		t, ok, err := s.next()
		if err != nil || !ok {
			return all, err
		}
		all = append(all, t)
	}
}

func (s *scanner) rest() string { return s.text[s.at:] }

// next reads one token; ok is false at the end.
func (s *scanner) next() (t token, ok bool, err error) {
	s.space()
	if s.at >= len(s.text) {
		return t, false, nil
	}
	t = token{at: s.at, line: s.line}
	var length int
	switch rest := s.rest(); {
	case s.lineComment(rest):
		t.shape, length = comment, untilNewline(rest)
	case strings.HasPrefix(rest, "/*"):
		t.shape = comment
		length, err = s.blockComment(rest)
	case s.dollar(rest) != "":
		t.shape = literal
		length, err = s.closed(rest, s.dollar(rest))
	default:
		t.shape, length, err = s.ordinary(rest)
	}
	if err != nil {
		return t, false, err
	}
	s.line += strings.Count(s.rest()[:length], "\n")
	s.at += length
	t.end, t.text = s.at, s.text[t.at:s.at]
	return t, true, nil
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		r, size := utf8.DecodeRuneInString(s.rest())
		if !unicode.IsSpace(r) && r != '\uFEFF' {
			return
		}
		if r == '\n' {
			s.line++
		}
		s.at += size
	}
}

func (s *scanner) lineComment(rest string) bool {
	if s.kind != database.MySQL {
		return strings.HasPrefix(rest, "--")
	}
	return rest[0] == '#' || rest == "--" || strings.HasPrefix(rest, "--") && len(rest) > 2 && rest[2] <= ' '
}

func untilNewline(rest string) int {
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		return i
	}
	return len(rest)
}

// blockComment is the length of a comment; PostgreSQL's nest.
func (s *scanner) blockComment(rest string) (int, error) {
	depth := 0
	for i := 0; i < len(rest); i++ {
		switch {
		case strings.HasPrefix(rest[i:], "/*") && (depth == 0 || s.kind == database.Postgres):
			depth++
			i++
		case strings.HasPrefix(rest[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1, nil
			}
		}
	}
	return 0, &SyntaxError{s.line, "this comment does not end"}
}

// dollar is the opening tag of a dollar-quoted text of PostgreSQL, like $body$.
func (s *scanner) dollar(rest string) string {
	if s.kind != database.Postgres || rest[0] != '$' {
		return ""
	}
	end := strings.IndexByte(rest[1:], '$')
	if end < 0 {
		return ""
	}
	for i, r := range rest[1 : end+1] {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return ""
		}
	}
	return rest[:end+2]
}

// closed is the length of a text between two equal tags.
func (s *scanner) closed(rest, tag string) (int, error) {
	end := strings.Index(rest[len(tag):], tag)
	if end < 0 {
		return 0, &SyntaxError{s.line, "the text that begins with " + tag + " does not end"}
	}
	return end + 2*len(tag), nil
}

func (s *scanner) ordinary(rest string) (shape, int, error) {
	first, size := utf8.DecodeRuneInString(rest)
	switch {
	case first == '\'':
		n, err := s.inQuotes(rest, '\'', s.kind == database.MySQL)
		return literal, n, err
	case first == '"' && s.kind == database.MySQL:
		n, err := s.inQuotes(rest, '"', true)
		return literal, n, err
	case first == '"' || first == '`' && s.kind != database.Postgres:
		n, err := s.inQuotes(rest, byte(first), false)
		return quoted, n, err
	case first == '[' && s.kind == database.SQLite:
		if end := strings.IndexByte(rest, ']'); end > 0 {
			return quoted, end + 1, nil
		}
		return mark, 1, nil
	case (first == 'e' || first == 'E') && s.kind == database.Postgres && strings.HasPrefix(rest[1:], "'"):
		n, err := s.inQuotes(rest[1:], '\'', true)
		return literal, n + 1, err
	case startsName(first):
		return word, nameLength(rest), nil
	case unicode.IsDigit(first):
		return literal, nameLength(rest), nil
	}
	return mark, size, nil
}

// inQuotes is the length of a text in quotes, where a doubled quote stands for one.
func (s *scanner) inQuotes(rest string, quote byte, backslash bool) (int, error) {
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && backslash:
			i++
		case rest[i] == quote && i+1 < len(rest) && rest[i+1] == quote:
			i++
		case rest[i] == quote:
			return i + 1, nil
		}
	}
	return 0, &SyntaxError{s.line, "the text that begins with " + string(quote) + " does not end"}
}

func startsName(r rune) bool { return r == '_' || r == '@' || unicode.IsLetter(r) }

func nameLength(rest string) int {
	for i, r := range rest {
		if !startsName(r) && !unicode.IsDigit(r) && r != '$' {
			return i
		}
	}
	return len(rest)
}
