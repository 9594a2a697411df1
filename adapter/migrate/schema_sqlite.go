package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// sqliteSchema asks for columns, indexes and keys, and takes the words of what the
// file keeps as text: changes of a table edit that text, so its spaces, quotes and
// order say nothing.
func sqliteSchema(ctx context.Context, on querier, without []string) ([]string, error) {
	things, err := sqliteThings(ctx, on)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, t := range things {
		if slices.Contains(without, t.table) {
			continue
		}
		text := strings.Join(words(t.text), " ")
		if t.kind == "table" {
			sorted := words(t.text)
			slices.Sort(sorted)
			text = strings.Join(sorted, " ")
			for _, pragma := range []string{"table_xinfo", "foreign_key_list"} {
				lines, err := pragmaLines(ctx, on, pragma, t.name)
				if err != nil {
					return nil, err
				}
				all = append(all, lines...)
			}
		}
		all = append(all, t.kind+" "+t.name+" "+text)
	}
	return all, nil
}

// thing is what a SQLite file has: a table, an index, a view or a trigger.
type thing struct{ kind, name, table, text string }

func sqliteThings(ctx context.Context, on querier) ([]thing, error) {
	rows, err := on.QueryContext(ctx, "select type, name, tbl_name, coalesce(sql, '') from sqlite_schema where name not like 'sqlite_%'")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	var things []thing
	for rows.Next() {
		var t thing
		if err := rows.Scan(&t.kind, &t.name, &t.table, &t.text); err != nil {
			return nil, err
		}
		things = append(things, t)
	}
	return things, rows.Err()
}

// words are a definition's words, without quotes, commas and brackets.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" \t\r\n\"`[](),", r) })
}

// pragmaLines are the rows of a pragma, without the column's place.
func pragmaLines(ctx context.Context, on querier, pragma, table string) ([]string, error) {
	rows, err := on.QueryContext(ctx, fmt.Sprintf("select * from pragma_%s(?)", pragma), table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all []string
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(sql.NullString)
		}
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		parts := []string{pragma, table}
		for i, name := range columns {
			if name != "cid" && name != "id" && name != "seq" {
				parts = append(parts, name+"="+values[i].(*sql.NullString).String) //nolint:forcetypeassert // made above
			}
		}
		all = append(all, strings.Join(parts, " "))
	}
	return all, rows.Err()
}
