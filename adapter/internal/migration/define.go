package migration

import (
	"strings"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// create judges CREATE ...
func (r *reader) create() Change {
	replaces := r.skip("or", "replace")
	r.skipAny("temp", "temporary", "unlogged", "global", "local", "recursive", "materialized", "unique", "fulltext", "spatial", "constraint", "virtual", "aggregate", "trusted", "procedural")
	what := strings.ToLower(r.now().text)
	r.at++
	concurrently := r.skip("concurrently")
	perhaps := r.skip("if", "not", "exists")
	change := Change{Class: Additive, Apart: concurrently || what == "database" || what == "tablespace" || what == "subscription"}
	if what == "index" {
		return r.createIndex(change, concurrently, perhaps)
	}
	name := r.name()
	change.Text = "makes " + what + " " + name
	if replaces {
		change.Class = Rewriting
		return change
	}
	switch what {
	case "table":
		change.Made = []Loss{{Table: name}}
		change.Fills = r.has("select") || r.has("as", "table")
		if !perhaps {
			change.Inverse = []string{"DROP TABLE " + name}
		}
	case "view", "sequence", "type", "schema", "domain", "extension", "event":
		if !perhaps {
			change.Inverse = []string{"DROP " + r.created(what) + " " + name}
		}
	case "trigger":
		change.Inverse = r.dropTrigger(name, perhaps)
	}
	return change
}

// created is the word that drops what was made.
func (r *reader) created(what string) string {
	before := reader{tokens: r.tokens, at: 1}
	if what == "view" && before.skip("materialized") {
		return "MATERIALIZED VIEW"
	}
	return strings.ToUpper(what)
}

func (r *reader) dropTrigger(name string, perhaps bool) []string {
	switch {
	case perhaps:
		return nil
	case r.kind != database.Postgres:
		return []string{"DROP TRIGGER " + name}
	}
	for r.at < len(r.tokens) {
		if r.skip("on") {
			return []string{"DROP TRIGGER " + name + " ON " + r.name()}
		}
		r.at++
	}
	return nil
}

func (r *reader) createIndex(change Change, concurrently, perhaps bool) Change {
	name := ""
	if !r.now().is("on") {
		name = r.name()
	}
	r.skip("using")
	for r.at < len(r.tokens) && !r.skip("on") {
		r.at++
	}
	r.skip("only")
	table := r.name()
	change.Text = "makes index " + name + " of " + table
	if r.kind == database.Postgres && !concurrently {
		change.Lock = "nobody writes " + table
	}
	switch {
	case name == "" || perhaps:
	case r.kind == database.MySQL:
		change.Inverse = []string{"DROP INDEX " + name + " ON " + table}
	default:
		change.Inverse = []string{"DROP INDEX " + beside(table, name)}
	}
	return change
}

// beside puts a name into the schema that another one names.
func beside(table, name string) string {
	if i := strings.LastIndexByte(table, '.'); i >= 0 && !strings.Contains(name, ".") {
		return table[:i+1] + name
	}
	return name
}

// drop judges DROP ...
func (r *reader) drop() Change {
	r.skipAny("materialized", "foreign", "temporary")
	what := strings.ToLower(r.now().text)
	r.at++
	concurrently := r.skip("concurrently")
	r.skip("if", "exists")
	change := Change{Class: Rewriting, Apart: concurrently || what == "database" || what == "tablespace"}
	var names []string
	for {
		names = append(names, r.name())
		if t := r.now(); t.shape != mark || t.text != "," {
			break
		}
		r.at++
	}
	change.Text = "drops " + what + " " + strings.Join(names, ", ")
	switch what {
	case "table":
		change.Class = Destructive
		for _, name := range names {
			change.Losses = append(change.Losses, Loss{Table: name})
		}
		if r.has("cascade") && r.kind == database.Postgres {
			change.Text += " and what depends on it"
		}
	case "schema", "database", "type", "domain", "extension", "sequence", "tablespace":
		change.Class = Destructive
		if r.kind == database.Postgres && (what == "type" || what == "domain" || what == "sequence" || what == "schema") && !r.has("cascade") {
			change.Class = Rewriting // it is refused while something uses it
		}
	}
	return change
}

// alter judges ALTER of something else than a table.
func (r *reader) alter() Change {
	what := strings.ToLower(r.now().text)
	change := Change{Class: Rewriting, Text: "changes " + strings.ToLower(r.written(r.at, min(r.at+2, len(r.tokens))))}
	if what == "system" || what == "database" {
		change.Class, change.Apart = Unknown, true
	}
	if what == "type" && r.has("add", "value") {
		change.Class = Additive
	}
	return change
}
