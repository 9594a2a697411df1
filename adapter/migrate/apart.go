package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// apart brings about a migration that is no transaction: statement by statement, each
// written down before and after, so that it is known of each whether it was done.
func (x *session) apart(ctx context.Context, a ripcord.Attempt, b book, m migration.Migration, st state) error {
	for _, make := range []func(context.Context, querier) error{b.make, x.makeNotes} {
		if err := make(ctx, x.conn); err != nil {
			return x.failed(err, "the tables that versions are written down in")
		}
	}
	n, begun := find(st.notes, m.Version)
	if !begun || !n.half() {
		n = noteOf(m)
		n.up, n.begun = 0, ""
		if err := x.transact(ctx, func(on querier) error { return x.write(ctx, on, n) }); err != nil {
			return err
		}
	} else {
		say(a, "%s: goes on after statement %d", title(m), n.up)
	}
	began := x.scope.Now()
	w := walk{x: x, statements: m.Up.Statements, note: &n, done: &n.up}
	if i, err := w.run(ctx); err != nil {
		return x.broke(ctx, err, m, m.Up, i, fmt.Sprintf("the %s before it stay until they are taken back", counted(i)))
	}
	if err := x.baseline(ctx, x.conn, a, m); err != nil {
		return err
	}
	n.begun = finished
	err := x.transact(ctx, func(on querier) error {
		return errors.Join(b.add(ctx, on, m.Version), x.progress(ctx, on, n))
	})
	if err != nil {
		return err
	}
	say(a, "%s: %s in %s, each by itself", title(m), counted(len(m.Up.Statements)), x.scope.Now().Sub(began).Round(time.Millisecond))
	return nil
}

func find(notes []note, version int64) (note, bool) {
	for _, n := range notes {
		if n.version == version {
			return n, true
		}
	}
	return note{}, false
}

// walk goes through statements that share no transaction.
type walk struct {
	x          *session
	statements []migration.Statement
	note       *note
	// done is the note's count of those that are done.
	done *int
}

// run does what is left. When it fails, i is the statement that did, and nothing of
// that is there.
func (w *walk) run(ctx context.Context) (i int, err error) {
	if err := w.settle(ctx); err != nil {
		return *w.done, err
	}
	for *w.done < len(w.statements) {
		statement := w.statements[*w.done]
		change := migration.Classify(w.x.kind, statement)
		if w.joins(change) {
			err = w.withNote(ctx, statement)
		} else {
			err = w.alone(ctx, statement, change)
		}
		if err != nil {
			return *w.done, err
		}
	}
	return *w.done, nil
}

// joins reports whether a statement and its note can be one transaction.
func (w *walk) joins(change migration.Change) bool {
	if migration.Transactional(w.x.kind) {
		return !change.Apart
	}
	return change.Data
}

// withNote does a statement and writes it down, both or none.
func (w *walk) withNote(ctx context.Context, statement migration.Statement) error {
	tx, err := w.x.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	*w.done++
	if err = w.x.exec(ctx, tx, statement.Text); err == nil {
		err = w.x.progress(ctx, tx, *w.note)
	}
	if err != nil {
		*w.done--
		_ = tx.Rollback() // the first error counts
		return err
	}
	return tx.Commit()
}

// alone does a statement between two notes: the first holds the schema of before.
func (w *walk) alone(ctx context.Context, statement migration.Statement, change migration.Change) error {
	lines, err := w.x.schema(ctx, w.x.conn)
	if err != nil {
		return err
	}
	w.note.begun = digest(lines)
	if err := w.x.progress(ctx, w.x.conn, *w.note); err != nil {
		return err
	}
	if err := w.x.exec(ctx, w.x.conn, statement.Text); err != nil {
		if ctx.Err() == nil {
			_ = w.x.clearInvalid(ctx, change) // the first error counts
			w.note.begun = ""
			_ = w.x.progress(ctx, w.x.conn, *w.note)
		}
		return err
	}
	*w.done++
	w.note.begun = ""
	return w.x.progress(ctx, w.x.conn, *w.note)
}

// settle finds out whether the statement that was under way when somebody died was
// done. It is over, since we hold the lock: the schema is another one then.
func (w *walk) settle(ctx context.Context) error {
	if w.note.begun == "" || *w.done >= len(w.statements) {
		return nil
	}
	if err := w.x.clearInvalid(ctx, migration.Classify(w.x.kind, w.statements[*w.done])); err != nil {
		return err
	}
	lines, err := w.x.schema(ctx, w.x.conn)
	if err != nil {
		return err
	}
	if digest(lines) != w.note.begun {
		*w.done++
	}
	w.note.begun = ""
	return w.x.progress(ctx, w.x.conn, *w.note)
}

// clearInvalid drops the invalid index that CREATE INDEX CONCURRENTLY leaves when it
// fails.
func (x *session) clearInvalid(ctx context.Context, change migration.Change) error {
	if x.kind != database.Postgres || !change.Apart || len(change.Inverse) != 1 {
		return nil
	}
	name, ok := strings.CutPrefix(change.Inverse[0], "DROP INDEX ")
	if !ok {
		return nil
	}
	var invalid int
	if err := x.conn.QueryRowContext(ctx, "select count(*) from pg_index where indexrelid = to_regclass($1) and not indisvalid", name).Scan(&invalid); err != nil || invalid == 0 {
		return err
	}
	return x.exec(ctx, x.conn, change.Inverse[0])
}
