package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// schema describes everything that migrations can define, a line for each thing, in
// order. The order of columns is left out: one that was dropped and brought back
// stands last, and no SQL can put it elsewhere.
func (x *session) schema(ctx context.Context, on querier, without ...string) ([]string, error) {
	without = append(without, notesTable)
	var lines []string
	var err error
	switch x.kind {
	case database.Postgres:
		lines, err = postgresSchema(ctx, on, without)
	case database.MySQL:
		lines, err = mysqlSchema(ctx, on, without)
	default:
		lines, err = sqliteSchema(ctx, on, without)
	}
	slices.Sort(lines)
	return lines, err
}

// digest is the hexadecimal SHA-256 of a description.
func digest(lines []string) string {
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// differences says what one schema has that another has not, a few of them.
func differences(before, now []string) string {
	const most = 3
	var parts []string
	tell := func(what string, a, b []string) {
		for _, line := range a {
			if _, found := slices.BinarySearch(b, line); !found {
				parts = append(parts, what+" "+short(line))
			}
		}
	}
	tell("missing:", before, now)
	tell("too much:", now, before)
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return strings.Join(parts, "; ")
}

func short(line string) string {
	const width = 160
	line = strings.Join(strings.Fields(line), " ")
	if len(line) > width {
		return strings.ToValidUTF8(line[:width], "") + "…"
	}
	return line
}

// column reads the first column of all rows, as text.
func column(ctx context.Context, on querier, query string, args ...any) ([]string, error) {
	rows, err := on.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
