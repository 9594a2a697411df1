package migration

import (
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// alterTable judges ALTER TABLE: the worst of its actions counts.
func (r *reader) alterTable() Change {
	perhaps := r.skip("if", "exists")
	r.skip("only")
	table := r.name()
	change := Change{Class: Additive, Lock: exclusive(r.kind, table)}
	sure := !perhaps
	var texts []string
	for _, action := range r.actions() {
		one := action.action(table)
		change.Class = Worse(change.Class, one.Class)
		change.Losses = append(change.Losses, one.Losses...)
		change.Made = append(change.Made, one.Made...)
		change.Fills = change.Fills || one.Fills
		texts = append(texts, one.Text)
		if len(one.Inverse) == 0 {
			sure = false
		}
		change.Inverse = append(one.Inverse, change.Inverse...)
		if one.Lock != "" && !strings.Contains(change.Lock, one.Lock) {
			change.Lock = join(change.Lock, one.Lock)
		}
	}
	if !sure {
		change.Inverse = nil
	}
	change.Text = strings.Join(texts, ", ")
	return change
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// actions are what ALTER TABLE does, one after the other.
func (r *reader) actions() []*reader {
	var all []*reader
	open, from := 0, r.at
	for i := r.at; i <= len(r.tokens); i++ {
		switch {
		case i == len(r.tokens) || r.tokens[i].shape == mark && r.tokens[i].text == "," && open == 0:
			all = append(all, &reader{kind: r.kind, text: r.text, tokens: r.tokens[from:i]})
			from = i + 1
		case r.tokens[i].text == "(":
			open++
		case r.tokens[i].text == ")":
			open--
		}
	}
	return all
}

// action judges one action.
func (r *reader) action(table string) Change {
	switch {
	case r.skip("add"):
		return r.add(table)
	case r.skip("drop"):
		return r.dropFrom(table)
	case r.skip("rename"):
		return r.rename(table)
	case r.skip("alter"), r.skip("modify"), r.skip("change"):
		return r.alterColumn(table)
	case r.skip("attach"), r.skip("enable"), r.skip("disable"), r.skip("owner"), r.skip("cluster"), r.skip("set"), r.skip("validate"):
		return Change{Class: Rewriting, Text: "changes " + table}
	}
	return Change{Class: Unknown, Text: "changes " + table}
}

// noColumn are words behind ADD and DROP that no column follows.
func noColumn() []string {
	return []string{"constraint", "primary", "foreign", "unique", "check", "exclude", "index", "key", "fulltext", "spatial", "partition", "period"}
}

func (r *reader) add(table string) Change {
	first := strings.ToLower(r.now().text)
	column := r.skip("column")
	if !column && slices.Contains(noColumn(), first) && r.now().shape == word {
		return r.addConstraint(table, first)
	}
	perhaps := r.skip("if", "not", "exists")
	if r.now().text == "(" { // MySQL's list of columns
		return Change{Class: Additive, Text: "adds columns to " + table}
	}
	name := r.name()
	change := Change{Class: Additive, Text: "adds column " + name + " to " + table, Made: []Loss{{Table: table, Column: name}}}
	if !perhaps {
		change.Inverse = []string{"ALTER TABLE " + table + " DROP COLUMN " + name}
	}
	if r.rewritesTable() {
		change.Class, change.Lock, change.Fills = Rewriting, "the whole table is written anew", true
	}
	return change
}

// rewritesTable reports whether a new column gives each row a value of its own.
func (r *reader) rewritesTable() bool {
	if r.kind != database.Postgres {
		return false
	}
	if r.has("generated") || r.has("serial") || r.has("bigserial") || r.has("smallserial") {
		return true
	}
	for _, volatile := range []string{"random", "gen_random_uuid", "uuid_generate_v4", "clock_timestamp", "nextval", "uuidv7"} {
		if r.has("default", volatile) {
			return true
		}
	}
	return false
}

func (r *reader) addConstraint(table, first string) Change {
	change := Change{Class: Additive, Text: "adds a constraint to " + table}
	name := ""
	if r.skip("constraint") && !slices.Contains(noColumn(), strings.ToLower(r.now().text)) {
		name = r.name()
		change.Text = "adds constraint " + name + " to " + table
	}
	if r.kind == database.Postgres && !r.has("not", "valid") && !r.has("using", "index") {
		change.Lock = "all rows are checked"
	}
	if name != "" && r.kind == database.Postgres {
		change.Inverse = []string{"ALTER TABLE " + table + " DROP CONSTRAINT " + name}
	}
	if (first == "index" || first == "key") && r.skipAny("index", "key") != "" && r.now().text != "(" {
		change.Text = "adds an index to " + table
		change.Inverse = []string{"ALTER TABLE " + table + " DROP INDEX " + r.name()}
	}
	return change
}

func (r *reader) dropFrom(table string) Change {
	first := strings.ToLower(r.now().text)
	column := r.skip("column")
	if !column && r.now().shape == word && slices.Contains(noColumn(), first) {
		if first == "partition" {
			return Change{Class: Destructive, Text: "drops a partition of " + table, Losses: []Loss{{Table: table}}}
		}
		return Change{Class: Rewriting, Text: "drops " + strings.ToLower(r.written(0, len(r.tokens))[len("drop "):]) + " of " + table}
	}
	r.skip("if", "exists")
	name := r.name()
	return Change{Class: Destructive, Text: "drops column " + name + " of " + table, Losses: []Loss{{Table: table, Column: name}}}
}

func (r *reader) rename(table string) Change {
	if r.skip("to") || r.skip("as") {
		to := r.name()
		return Change{Class: Rewriting, Text: "renames " + table + " to " + to, Inverse: []string{"ALTER TABLE " + beside(table, to) + " RENAME TO " + last(table)}}
	}
	what := r.skipAny("column", "constraint", "index", "key")
	from := r.name()
	if !r.skip("to") {
		return Change{Class: Rewriting, Text: "renames in " + table}
	}
	to := r.name()
	word := strings.ToUpper(what)
	if what == "" {
		word = "COLUMN"
	}
	return Change{Class: Rewriting, Text: "renames " + from + " of " + table + " to " + to, Inverse: []string{"ALTER TABLE " + table + " RENAME " + word + " " + to + " TO " + from}}
}

// last is a name without what it is qualified by.
func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func (r *reader) alterColumn(table string) Change {
	r.skip("column")
	name := r.name()
	change := Change{Class: Rewriting, Text: "changes column " + name + " of " + table}
	switch {
	case r.has("type"), r.kind == database.MySQL:
		change.Lock = "the whole table may be written anew"
		if r.has("type") || r.kind == database.MySQL {
			change.Text = "changes the type of " + name + " of " + table
		}
	case r.has("set", "not", "null"):
		change.Lock = "all rows are checked"
	}
	return change
}
