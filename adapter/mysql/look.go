package mysql

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/pipe"
)

// Look implements ripcord.Data.
func (d *Data) Look(ctx context.Context, count bool) (v ripcord.DataView, err error) {
	t, err := d.target(ctx)
	if err != nil {
		return v, err
	}
	err = t.use(false, func(db *sql.DB) error {
		v, err = t.look(ctx, db, count)
		return err
	})
	return v, err
}

// look looks at a database; the programs must be there.
func (t *target) look(ctx context.Context, db database.Querier, count bool) (v ripcord.DataView, err error) {
	said, err := database.Texts(ctx, db, `select version()`)
	if err != nil {
		return v, t.refused(err)
	}
	v.Server = said[0][0]
	dump, err := t.program(dumpers(), "--version")
	if err != nil {
		return v, err
	}
	var out bytes.Buffer
	dump.Args, dump.Out = []string{dump.Args[0], "--version"}, &out
	if err := pipe.Run(ctx, dump); err != nil {
		return v, err
	}
	v.Tool = strings.TrimSpace(out.String())
	if v.Bytes, err = database.Number(ctx, db, `select coalesce(sum(data_length + index_length), 0) from information_schema.tables where table_schema = database()`); err != nil {
		return v, t.refused(err)
	}
	if !count {
		return v, nil
	}
	tables, err := database.Texts(ctx, db, `select table_name from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE' order by binary table_name`)
	if err != nil {
		return v, t.refused(err)
	}
	for _, table := range tables {
		rows, err := database.Number(ctx, db, `select count(*) from `+quoted(table[0]))
		if err != nil {
			return v, t.refused(err)
		}
		v.Tables = append(v.Tables, ripcord.TableView{Name: table[0], Rows: rows})
	}
	v.Schema, err = t.schema(ctx, db)
	return v, err
}

// schema digests what makes up the definitions.
func (t *target) schema(ctx context.Context, db database.Querier) (string, error) {
	sum := sha256.New()
	for _, query := range []string{
		`select table_name, column_name, cast(ordinal_position as char), column_default, is_nullable, column_type, collation_name, column_key, extra from information_schema.columns where table_schema = database() order by 1, ordinal_position`,
		`select table_name, index_name, cast(seq_in_index as char), column_name, cast(non_unique as char) from information_schema.statistics where table_schema = database() order by 1, 2, seq_in_index`,
		`select table_name, constraint_name, column_name, referenced_table_name, referenced_column_name from information_schema.key_column_usage where table_schema = database() order by 1, 2, ordinal_position`,
		`select trigger_name, event_object_table, action_timing, event_manipulation, action_statement from information_schema.triggers where trigger_schema = database() order by 1`,
		`select routine_name, routine_type, routine_definition from information_schema.routines where routine_schema = database() order by 1, 2`,
		`select table_name, engine, table_collation, table_comment from information_schema.tables where table_schema = database() order by 1`,
	} {
		rows, err := database.Texts(ctx, db, query)
		if err != nil {
			return "", t.refused(err)
		}
		for _, row := range rows {
			_, _ = fmt.Fprintf(sum, "%q\n", row)
		}
		_, _ = fmt.Fprintln(sum)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// Backup implements ripcord.Data. The rows are counted before and after the copy: where
// both are equal, they are those of the copy.
func (d *Data) Backup(ctx context.Context, b *ripcord.Backup, to ripcord.Sink) error {
	t, err := d.target(ctx)
	if err != nil {
		return err
	}
	before, err := d.counted(ctx, t)
	if err != nil {
		return err
	}
	dump, err := t.program(dumpers(), "--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob", "--skip-dump-date", t.name())
	if err != nil {
		return err
	}
	b.At = d.scope.Now().UTC()
	if err := to.Stream(ctx, func(ctx context.Context, w io.Writer) error {
		p := dump
		p.Out = w
		return pipe.Run(ctx, p)
	}); err != nil {
		return err
	}
	after, err := d.counted(ctx, t)
	if err != nil {
		return err
	}
	before.Exact = before.Schema == after.Schema && equal(before.Tables, after.Tables)
	if before.Schema != after.Schema {
		before.Schema = ""
	}
	b.View = before
	return nil
}

// counted looks at everything as of one moment.
func (d *Data) counted(ctx context.Context, t *target) (v ripcord.DataView, err error) {
	err = t.use(false, func(db *sql.DB) error {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		if err != nil {
			return t.refused(err)
		}
		defer func() { _ = tx.Rollback() }() // nothing was changed
		v, err = t.look(ctx, tx, true)
		return err
	})
	return v, err
}

func equal(a, b []ripcord.TableView) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
