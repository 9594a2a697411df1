package migration

import (
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Class says what a statement does to what is there.
type Class string

// The classes, mildest first.
const (
	// Additive: nothing that is there changes.
	Additive Class = "additive"
	// Rewriting: rows or definitions that are there change, and none is lost.
	Rewriting Class = "rewriting"
	// Destructive: data is lost.
	Destructive Class = "destructive"
	// Unknown: it cannot be told.
	Unknown Class = "unknown"
)

// Worse returns the worse of two classes.
func Worse(a, b Class) Class {
	order := []Class{Additive, Rewriting, Destructive, Unknown}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// Loss is data that a statement takes away: a table's, or one column's.
type Loss struct {
	Table  string `json:"table"`
	Column string `json:"column,omitempty"`
	// Where says which rows, as SQL; empty is all.
	Where string `json:"where,omitempty"`
}

// String names it.
func (l Loss) String() string {
	switch {
	case l.Where != "":
		return "rows of " + l.Table + " where " + l.Where
	case l.Column == "":
		return "the rows of " + l.Table
	}
	return "the values of " + l.Table + "." + l.Column
}

// Change is what a statement does. Names stand as they are written.
type Change struct {
	Class Class
	// Text says it in a few words.
	Text string
	// Lock is what others must wait with, meanwhile; empty is nothing of note.
	Lock string
	// Losses are what it takes away; those of a class Destructive without any are
	// not known.
	Losses []Loss
	// Made is what it makes: a table, or a column of one.
	Made []Loss
	// Inverse takes it back, last first; nil when nothing simple does.
	Inverse []string
	// Apart: it cannot run in a transaction.
	Apart bool
	// Data: it changes rows and no definition.
	Data bool
	// Fills: rows get values by it, beside constant defaults.
	Fills bool
	// Control: it begins or ends a transaction.
	Control bool
}

// Classify says what a statement does, judged by its text alone.
func Classify(kind string, s Statement) Change {
	tokens, err := scan(kind, s.Text)
	if err != nil {
		return Change{Class: Unknown, Text: "cannot be read"}
	}
	tokens = slices.DeleteFunc(tokens, func(t token) bool { return t.shape == comment })
	if len(tokens) == 0 {
		return Change{Class: Additive}
	}
	r := &reader{kind: kind, text: s.Text, tokens: tokens}
	change := r.change()
	if change.Class == "" {
		change.Class = Unknown
	}
	change.Fills = change.Fills || change.Data || change.Class == Unknown
	if change.Text == "" {
		change.Text = strings.ToLower(r.said())
	}
	return change
}

// reader goes through a statement's tokens.
type reader struct {
	kind   string
	text   string
	tokens []token
	at     int
}

func (r *reader) now() token {
	if r.at < len(r.tokens) {
		return r.tokens[r.at]
	}
	return token{shape: mark}
}

// skip goes past the keywords when they stand here.
func (r *reader) skip(keywords ...string) bool {
	if r.at+len(keywords) > len(r.tokens) {
		return false
	}
	for i, keyword := range keywords {
		if !r.tokens[r.at+i].is(keyword) {
			return false
		}
	}
	r.at += len(keywords)
	return true
}

// skipAny goes past any of the keywords, and returns the first of them.
func (r *reader) skipAny(keywords ...string) string {
	found := ""
	for {
		i := slices.IndexFunc(keywords, func(k string) bool { return r.now().is(k) })
		if i < 0 {
			return found
		}
		if found == "" {
			found = keywords[i]
		}
		r.at++
	}
}

// name reads a name, with what it is qualified by.
func (r *reader) name() string {
	begin := r.at
	for r.now().shape == word || r.now().shape == quoted {
		r.at++
		if t := r.now(); t.shape != mark || t.text != "." {
			break
		}
		r.at++
	}
	return r.written(begin, r.at)
}

// written is the text of some tokens.
func (r *reader) written(from, to int) string {
	if from >= to {
		return ""
	}
	return r.text[r.tokens[from].at:r.tokens[to-1].end]
}

// has reports whether a keyword stands anywhere from here.
func (r *reader) has(keywords ...string) bool {
	for at := r.at; at < len(r.tokens); at++ {
		probe := reader{tokens: r.tokens, at: at}
		if probe.skip(keywords...) {
			return true
		}
	}
	return false
}

// said is how the statement begins.
func (r *reader) said() string {
	const words = 4
	return strings.Join(strings.Fields(r.written(0, min(words, len(r.tokens)))), " ")
}

func (r *reader) change() Change {
	switch {
	case r.skip("create"):
		return r.create()
	case r.skip("alter", "table"):
		return r.alterTable()
	case r.skip("alter"):
		return r.alter()
	case r.skip("drop"):
		return r.drop()
	case r.skip("truncate"):
		r.skip("table")
		table := r.name()
		return Change{Class: Destructive, Text: "empties " + table, Losses: []Loss{{Table: table}}, Lock: exclusive(r.kind, table)}
	case r.skip("rename", "table"): // MySQL
		from := r.name()
		if r.skip("to") {
			to := r.name()
			if r.at == len(r.tokens) {
				return Change{Class: Rewriting, Text: "renames " + from + " to " + to, Inverse: []string{"RENAME TABLE " + to + " TO " + from}}
			}
		}
		return Change{Class: Rewriting}
	}
	return r.data()
}

// data judges what is no definition.
func (r *reader) data() Change {
	first := strings.ToLower(r.now().text)
	r.at++
	switch first {
	case "insert":
		r.skipAny("low_priority", "delayed", "high_priority", "ignore", "into")
		table := r.name()
		if r.has("on", "conflict") && r.has("do", "update") || r.has("on", "duplicate") {
			return Change{Class: Destructive, Text: "writes over rows of " + table, Data: true}
		}
		return Change{Class: Additive, Text: "adds rows to " + table, Data: true}
	case "update":
		r.skipAny("low_priority", "ignore", "only")
		return Change{Class: Destructive, Text: "writes over values of " + r.name(), Data: true}
	case "delete":
		r.skipAny("low_priority", "quick", "ignore", "from", "only")
		table := r.name()
		return Change{Class: Destructive, Text: "deletes rows of " + table, Losses: r.deleted(table), Data: true}
	case "replace", "merge":
		return Change{Class: Destructive, Data: true}
	case "comment", "grant", "revoke", "set", "analyze", "reset", "pragma", "use", "lock", "notify", "security":
		return Change{Class: Additive}
	case "vacuum":
		return Change{Class: Rewriting, Apart: true}
	case "reindex":
		return Change{Class: Rewriting, Apart: r.has("concurrently")}
	case "optimize":
		return Change{Class: Rewriting}
	case "begin", "commit", "rollback", "end", "start", "savepoint", "release", "abort":
		return Change{Class: Unknown, Control: first != "release" && first != "start" || r.has("transaction")}
	}
	return Change{Class: Unknown, Data: slices.Contains([]string{"select", "with", "do", "call", "values"}, first)}
}

// deleted are the rows that a DELETE takes, where it names them by the table alone.
func (r *reader) deleted(table string) []Loss {
	switch {
	case r.at == len(r.tokens):
		return []Loss{{Table: table}}
	case !r.skip("where") || r.at == len(r.tokens) || r.has("returning") || r.has("limit") || r.has("order"):
		return nil
	}
	return []Loss{{Table: table, Where: r.written(r.at, len(r.tokens))}}
}

// opens reports whether a statement begins a transaction, closes whether it ends one
// well.
func opens(kind string, s Statement) bool {
	first := firstWords(kind, s)
	return len(first) > 0 && (first[0] == "begin" || len(first) > 1 && first[0] == "start" && first[1] == "transaction")
}

func closes(kind string, s Statement) bool {
	first := firstWords(kind, s)
	return len(first) > 0 && (first[0] == "commit" || first[0] == "end")
}

func firstWords(kind string, s Statement) []string {
	tokens, err := scan(kind, s.Text)
	if err != nil {
		return nil
	}
	var words []string
	for _, t := range tokens {
		if t.shape == word {
			words = append(words, strings.ToLower(t.text))
		}
	}
	return words
}

// exclusive is a lock that everybody else waits for.
func exclusive(kind, table string) string {
	if kind == database.SQLite {
		return ""
	}
	return "nobody reads or writes " + table
}
