package migrate

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// measured is how much there is of what a way back would take away: the rows, and a
// sum over their values that tells when some were changed.
type measured struct {
	Version int64          `json:"version"`
	Of      migration.Loss `json:"of"`
	Rows    int64          `json:"rows"`
	Sum     uint64         `json:"sum"`
}

// progressed is what a step records.
type progressed struct {
	Baseline []measured `json:"baseline,omitempty"`
}

// baseline records, right after a migration, how much of what its way back takes away
// the migration itself has brought: only what comes later is lost by going back.
func (x *session) baseline(ctx context.Context, on querier, a ripcord.Attempt, m migration.Migration) error {
	way, err := x.wayBack(m)
	if err != nil || a.Record == nil {
		return nil //nolint:nilerr // there is no way back to lose anything on
	}
	empty := x.empty(m)
	var all []measured
	for _, statement := range way.Statements {
		for _, loss := range migration.Classify(x.kind, statement).Losses {
			if slices.Contains(empty, loss) {
				continue
			}
			now, err := x.measure(ctx, on, loss)
			if err != nil {
				continue // not known is told, and asked for, when it comes to it
			}
			now.Version = m.Version
			all = append(all, now)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return a.Record(ctx, progressed{Baseline: all})
}

// empty is what a migration has made and not filled: it need not be read, which could
// take long while the migration holds its locks.
func (x *session) empty(m migration.Migration) []migration.Loss {
	var made []migration.Loss
	for _, statement := range m.Up.Statements {
		change := migration.Classify(x.kind, statement)
		if change.Fills {
			return nil
		}
		made = append(made, change.Made...)
	}
	return made
}

// measure counts what is there now. What goes wrong leaves a transaction as it was.
func (x *session) measure(ctx context.Context, on querier, loss migration.Loss) (measured, error) {
	_, within := on.(*sql.Tx)
	if !within || x.kind != database.Postgres {
		return x.count(ctx, on, loss)
	}
	if _, err := on.ExecContext(ctx, "savepoint ripcord"); err != nil {
		return measured{}, err
	}
	m, err := x.count(ctx, on, loss)
	if err != nil {
		_, back := on.ExecContext(ctx, "rollback to savepoint ripcord")
		return m, errors.Join(err, back)
	}
	_, err = on.ExecContext(ctx, "release savepoint ripcord")
	return m, err
}

func (x *session) count(ctx context.Context, on querier, loss migration.Loss) (measured, error) {
	m := measured{Of: loss}
	if there, err := x.has(ctx, on, loss); err != nil || !there {
		return m, err
	}
	query := "select * from " + loss.Table
	if loss.Where != "" {
		query += " where " + loss.Where
	}
	if loss.Column != "" {
		filter, err := x.given(ctx, on, loss)
		if err != nil {
			return m, err
		}
		query = "select " + loss.Column + " from " + loss.Table + " where " + filter
	}
	rows, err := on.QueryContext(ctx, query)
	if err != nil {
		return m, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	columns, err := rows.Columns()
	if err != nil {
		return m, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return m, err
		}
		sum := fnv.New64a()
		for _, value := range values {
			_, _ = fmt.Fprintf(sum, "%v\x00", value) // never fails
		}
		m.Rows++
		m.Sum += sum.Sum64()
	}
	return m, rows.Err()
}

// has reports whether there is such a table, or column of one.
func (x *session) has(ctx context.Context, on querier, loss migration.Loss) (bool, error) {
	table, name := tableName(x.kind, loss.Table), columnName(x.kind, loss.Column)
	there, err := x.hasTable(ctx, on, table)
	if err != nil || !there || loss.Column == "" {
		return there, err
	}
	var count int
	switch x.kind {
	case database.Postgres:
		err = on.QueryRowContext(ctx, "select count(*) from pg_attribute where attrelid = to_regclass($1) and attname = $2 and not attisdropped", table, name).Scan(&count)
	case database.MySQL:
		table = table[strings.LastIndexByte(table, '.')+1:]
		err = on.QueryRowContext(ctx, "select count(*) from information_schema.columns where table_schema = database() and table_name = ? and column_name = ?", table, name).Scan(&count)
	default:
		err = on.QueryRowContext(ctx, "select count(*) from pragma_table_info(?) where lower(name) = lower(?)", table, name).Scan(&count)
	}
	return count > 0, err
}

// given is the condition that somebody gave a column a value of its own.
func (x *session) given(ctx context.Context, on querier, loss migration.Loss) (string, error) {
	if x.kind == database.MySQL {
		return "not (" + loss.Column + " <=> default(" + loss.Column + "))", nil
	}
	var fallback *string
	var err error
	name := columnName(x.kind, loss.Column)
	if x.kind == database.Postgres {
		err = on.QueryRowContext(ctx, "select (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum "+
			"where d.adrelid = to_regclass($1) and a.attname = $2)", tableName(x.kind, loss.Table), name).Scan(&fallback)
	} else {
		err = on.QueryRowContext(ctx, "select (select dflt_value from pragma_table_info(?) where name = ?)", tableName(x.kind, loss.Table), name).Scan(&fallback)
	}
	switch {
	case err != nil:
		return "", err
	case fallback == nil:
		return loss.Column + " is not null", nil
	case x.kind == database.Postgres:
		return loss.Column + " is distinct from (" + *fallback + ")", nil
	}
	return loss.Column + " is not (" + *fallback + ")", nil
}

// tableName is a table as the catalog is asked for it: PostgreSQL reads quotes there.
func tableName(kind, name string) string {
	if kind == database.Postgres {
		return name
	}
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = strings.Trim(part, "`\"[]")
	}
	return strings.Join(parts, ".")
}

// columnName is a column as catalogs have it.
func columnName(kind, name string) string {
	if kind == database.Postgres && !strings.HasPrefix(name, `"`) {
		return strings.ToLower(name)
	}
	return strings.Trim(name, "`\"[]")
}

// lost says what going back would lose since the baseline: how many rows, and of what;
// known is false where it cannot be told.
func (x *session) lost(ctx context.Context, on querier, a ripcord.Attempt, s stepBack) (rows int64, of []string, known bool, err error) {
	known = true
	made := x.made(s)
	for _, statement := range s.way.Statements {
		change := migration.Classify(x.kind, statement)
		if len(change.Losses) == 0 && (change.Class == migration.Destructive || change.Class == migration.Unknown) {
			known = false
			of = append(of, fmt.Sprintf("unknown: `%s` (%s line %d)", short(statement.Text), s.way.Path, statement.Line))
		}
		for _, loss := range change.Losses {
			if slices.Contains(made, loss) {
				continue
			}
			now, err := x.measure(ctx, on, loss)
			if ctx.Err() != nil {
				return 0, nil, false, ctx.Err()
			}
			if err != nil {
				known = false
				of = append(of, fmt.Sprintf("unknown: %s cannot be counted (%s)", loss, x.hide(text(err))))
				continue
			}
			before := baselineOf(a, s.m.Version, loss)
			switch more := now.Rows - before.Rows; {
			case more > 0:
				rows += more
				of = append(of, fmt.Sprintf("%d of %s", more, loss))
			case now.Sum != before.Sum || more < 0:
				rows++
				of = append(of, fmt.Sprintf("at least 1 of %s, some were changed", loss))
			}
		}
	}
	return rows, of, known, nil
}

// made is what an unfinished migration has made itself.
func (x *session) made(s stepBack) []migration.Loss {
	var made []migration.Loss
	for _, statement := range s.m.Up.Statements {
		if s.unfinished {
			made = append(made, migration.Classify(x.kind, statement).Made...)
		}
	}
	return made
}

// baselineOf is what was recorded last for it; nothing where nothing was.
func baselineOf(a ripcord.Attempt, version int64, loss migration.Loss) measured {
	var found measured
	for _, raw := range a.Progress {
		var p progressed
		if json.Unmarshal(raw, &p) != nil {
			continue
		}
		for _, m := range p.Baseline {
			if m.Version == version && m.Of == loss {
				found = m
			}
		}
	}
	return found
}
