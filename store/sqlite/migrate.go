package sqlite

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as a journal ("RIPC").
const applicationID = 0x52495043

// migration is one numbered step of the schema.
type migration struct {
	version int
	name    string
	text    string
}

// schema returns the migrations, oldest first.
func schema(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []migration
	for _, name := range names {
		number, _, _ := strings.Cut(filepath.Base(name), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, migration{version, name, string(text)})
	}
	slices.SortFunc(steps, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	for i, step := range steps {
		if step.version != i+1 {
			return nil, fmt.Errorf("migration %s should have the number %d", step.name, i+1)
		}
	}
	return steps, nil
}

// stamps are what tells a journal from another database, and its age.
func stamps(ctx context.Context, q querier) (application, version int, err error) {
	if err := q.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil {
		return 0, 0, err
	}
	err = q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return application, version, err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// checkSchema refuses what this binary cannot read. pending is how many
// migrations are missing.
func (s *Store) checkSchema(ctx context.Context, q querier, steps []migration) (pending int, err error) {
	application, version, err := stamps(ctx, q)
	if err != nil {
		return 0, s.explain("read the schema version", err)
	}
	if version > len(steps) {
		return 0, ripcord.Errorf(ripcord.CodePlan, "this state directory was written by a newer ripcord (schema %d, this one knows %d): use that version; %s was not changed",
			version, len(steps), s.dir).WithFix("install the newer ripcord, or choose another directory with --state-dir")
	}
	if application != applicationID && (application != 0 || version != 0) {
		return 0, ripcord.Errorf(ripcord.CodePlan, "%s is a database of another program; it was not changed", filepath.Join(s.dir, journalFile)).
			WithFix("choose another directory with --state-dir")
	}
	return len(steps) - version, nil
}

// migrate brings the schema up to date in one transaction. Another process may
// do the same in this moment, so the version is read again under the lock.
func (w *writer) migrate(ctx context.Context) error {
	steps, err := schema(migrations)
	if err != nil {
		return err
	}
	pending, err := w.store.checkSchema(ctx, w.conn, steps)
	if err != nil {
		return err
	}
	if err := w.writeAhead(ctx); err != nil {
		return err
	}
	if pending == 0 {
		return nil
	}
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return w.store.explain("migrate", err)
	}
	err = w.migrateLocked(ctx, steps)
	if err == nil {
		_, err = w.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, undone := w.conn.ExecContext(ctx, "ROLLBACK")
		return w.store.explain("migrate", errors.Join(err, undone))
	}
	return nil
}

func (w *writer) migrateLocked(ctx context.Context, steps []migration) error {
	pending, err := w.store.checkSchema(ctx, w.conn, steps)
	if err != nil {
		return err
	}
	for _, step := range steps[len(steps)-pending:] {
		if _, err := w.conn.ExecContext(ctx, step.text); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if pending == len(steps) {
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return err
		}
		if _, err := w.conn.ExecContext(ctx, "INSERT INTO state (id) VALUES (?)", hex.EncodeToString(id)); err != nil {
			return err
		}
	}
	_, err = w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(steps)))
	return err
}

// writeAhead sets and asserts what durability rests on.
func (w *writer) writeAhead(ctx context.Context) error {
	var mode string
	if err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return w.store.explain("open", err)
	}
	if mode != "wal" {
		return ripcord.Errorf(ripcord.CodePlan, "state directory %s: the file system cannot hold a write-ahead log (journal mode %q)", w.store.dir, mode).
			WithFix("choose a directory on a local disk with --state-dir")
	}
	if _, err := w.conn.ExecContext(ctx, "PRAGMA synchronous = FULL"); err != nil {
		return w.store.explain("open", err)
	}
	var level int
	if err := w.conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return w.store.explain("open", err)
	}
	if level != 2 {
		return ripcord.Errorf(ripcord.CodeInternal, "state directory %s: SQLite does not flush in full (synchronous=%d)", w.store.dir, level)
	}
	return nil
}
