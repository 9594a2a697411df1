package migration

import (
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Split cuts a text into statements. Line is where the text begins in its file.
// Its error is a *SyntaxError.
func Split(kind, text string, line int) ([]Statement, error) {
	all, err := split(kind, text)
	if err != nil {
		var wrong *SyntaxError
		if asSyntax(err, &wrong) {
			return nil, &SyntaxError{wrong.Line + line - 1, wrong.Text}
		}
		return nil, err
	}
	for i := range all {
		all[i].Line += line - 1
	}
	return all, nil
}

func asSyntax(err error, into **SyntaxError) bool {
	wrong, ok := err.(*SyntaxError) //nolint:errorlint // made here, never wrapped
	*into = wrong
	return ok
}

func split(kind, text string) ([]Statement, error) {
	tokens, err := scan(kind, text)
	if err != nil {
		return nil, err
	}
	var all []Statement
	var now []token
	for _, t := range tokens {
		if err := forPrograms(kind, t, now); err != nil {
			return nil, err
		}
		if t.shape == mark && t.text == ";" && depth(kind, now) == 0 {
			all = appendStatement(all, text, now)
			now = nil
			continue
		}
		now = append(now, t)
	}
	return appendStatement(all, text, now), nil
}

// appendStatement adds the statement that the tokens are, if they are one.
func appendStatement(all []Statement, text string, tokens []token) []Statement {
	first := slices.IndexFunc(tokens, func(t token) bool { return t.shape != comment || strings.HasPrefix(t.text, "/*!") })
	if first < 0 {
		return all
	}
	last := len(tokens) - 1
	for last > first && tokens[last].shape == comment {
		last--
	}
	return append(all, Statement{Text: text[tokens[first].at:tokens[last].end], Line: tokens[first].line})
}

// depth is how many blocks of a routine's body are open: a semicolon within them
// does not end the statement.
func depth(kind string, tokens []token) int {
	words := slices.DeleteFunc(slices.Clone(tokens), func(t token) bool { return t.shape == comment })
	if !hasBody(kind, words) {
		return 0
	}
	open := 0
	for i, t := range words {
		following := func(keyword string) bool { return i+1 < len(words) && words[i+1].is(keyword) }
		switch {
		case t.is("begin") && (kind != database.Postgres || following("atomic")):
			open++
		case t.is("case") && (i == 0 || !words[i-1].is("end")) && open > 0:
			open++
		case t.is("end") && open > 0 && !following("if") && !following("loop") && !following("while") && !following("repeat"):
			open--
		}
	}
	return open
}

// hasBody reports whether a statement may have other statements inside.
func hasBody(kind string, words []token) bool {
	if len(words) == 0 || !words[0].is("create") && !words[0].is("alter") {
		return false
	}
	const near = 12 // words: CREATE DEFINER = a@b SQL SECURITY ... TRIGGER
	for _, t := range words[:min(near, len(words))] {
		switch {
		case t.is("trigger") && kind != database.Postgres, t.is("procedure"), t.is("function"), t.is("event"), t.is("package"):
			return true
		case t.is("table"), t.is("index"), t.is("view"):
			return false
		}
	}
	return false
}

// forPrograms refuses what is meant for a database's own program.
func forPrograms(kind string, t token, before []token) error {
	begins := !slices.ContainsFunc(before, func(t token) bool { return t.shape != comment })
	switch {
	case kind == database.MySQL && begins && t.is("delimiter"):
		return &SyntaxError{t.line, "DELIMITER is a word of the mysql program, not of the database: a routine needs none here"}
	case kind == database.Postgres && begins && t.shape == mark && t.text == `\`:
		return &SyntaxError{t.line, "a line that begins with \\ is for the psql program, not for the database"}
	case kind == database.Postgres && t.is("stdin") && len(before) > 0 && before[0].is("copy"):
		return &SyntaxError{t.line, "COPY FROM STDIN is for the psql program; write INSERT here"}
	}
	return nil
}
