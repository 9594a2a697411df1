package migrate_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// broken is a migration whose third of five statements fails.
func broken(down string) map[string]string {
	return map[string]string{"00001_broken.sql": "-- +goose Up\nalter table orders add column note varchar(40);\ncreate table items (id int primary key);\n" +
		"insert into nothing_like_it values (1);\ncreate table more (id int primary key);\ncreate index more_id on more (id);\n" + down}
}

// TestThirdOfFiveFails: on each database, with and without a way down, everything is
// as it was before.
func TestThirdOfFiveFails(t *testing.T) {
	t.Parallel()
	for _, kind := range database.Kinds() {
		for name, down := range map[string]string{
			"no way down": "",
			"way down":    "-- +goose Down\ndrop index more_id;\ndrop table more;\nselect 1;\ndrop table items;\nalter table orders drop column note;\n",
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				before := w.fingerprint()
				w.put(broken(down))
				step := w.step(nil)
				journal := w.begin(step)
				failure := w.fails(step.Apply(t.Context(), journal.Attempt(1)))
				if !strings.Contains(failure.Summary, "migration 1 broken fails in statement 3 of 5 (00001_broken.sql line 4): ") {
					t.Error(failure.Summary)
				}
				half := kind == database.MySQL
				if seen, err := step.Check(t.Context()); err != nil || (seen.Presence == ripcord.Partial) != half {
					t.Errorf("%+v %v", seen, err)
				}
				w.undo(step, journal)
				if diff := cmp.Diff(before, w.fingerprint()); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// fails expects a failure.
func (w *world) fails(err error) *ripcord.Failure {
	w.Helper()
	failure, ok := errors.AsType[*ripcord.Failure](err)
	if !ok {
		w.Fatalf("%v", err)
	}
	return failure
}

// undo takes the step back and expects that what is there is what was.
func (w *world) undo(step ripcord.Step, journal *adaptertest.Journal) {
	w.Helper()
	if err := step.Undo(w.Context(), journal.Attempt(1)); err != nil {
		w.Fatal(err)
	}
	seen, err := step.Check(w.Context())
	if err != nil || seen.Presence != journal.Before.Presence {
		w.Errorf("%+v, %v", seen, err)
	}
	if diff := cmp.Diff(string(journal.Before.Image), string(seen.Image)); diff != "" {
		w.Error(diff)
	}
}

// TestLossIsCounted: what users wrote since the migration is counted, and is lost only
// when the plan or a person allows it; what the migration wrote itself is none.
func TestLossIsCounted(t *testing.T) {
	t.Parallel()
	for _, kind := range database.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			w.put(good())
			step := w.step(nil)
			journal := w.begin(step)
			w.apply(step, journal)
			w.run("insert into items values (2, 'milk'), (3, 'bread')")
			w.run("update orders set note = 'gift' where id = 2")
			failure := w.fails(step.Undo(t.Context(), journal.Attempt(1)))
			if want := "2 of the rows of items, at least 1 of the values of orders.note, some were changed"; failure.Loss != want {
				t.Errorf("%q", failure.Loss)
			}
			if got := w.versions(); len(got) != 2 {
				t.Errorf("something went back: %v", got)
			}
			failure = w.fails(w.step(map[string]any{"max_data_loss": 2}).Undo(t.Context(), journal.Attempt(2)))
			if failure.Loss == "" {
				t.Error("two rows are allowed, and three are lost")
			}
			accepted := journal.Attempt(3)
			accepted.LossAccepted = true
			if err := step.Undo(t.Context(), accepted); err != nil {
				t.Fatal(err)
			}
			if seen, err := step.Check(t.Context()); err != nil || string(seen.Image) != string(journal.Before.Image) {
				t.Errorf("%+v, %v", seen, err)
			}
		})
	}
}

func (w *world) apply(step ripcord.Step, journal *adaptertest.Journal) {
	w.Helper()
	if err := step.Apply(w.Context(), journal.Attempt(1)); err != nil {
		w.Fatal(err)
	}
}

// TestInexactWayDown: a way down that forgets something is told, with what it forgot.
func TestInexactWayDown(t *testing.T) {
	t.Parallel()
	for _, kind := range database.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			w.put(map[string]string{
				"1_a.up.sql":   "alter table orders add column note varchar(40);\ncreate index orders_item on orders (item);",
				"1_a.down.sql": "alter table orders drop column note;",
			})
			step := w.step(nil)
			journal := w.begin(step)
			w.apply(step, journal)
			failure := w.fails(step.Undo(t.Context(), journal.Attempt(1)))
			if !strings.Contains(failure.Summary, "its schema is not as it was: too much: ") || !strings.Contains(failure.Summary, "orders_item") {
				t.Error(failure.Summary)
			}
		})
	}
}

// TestNotTogether: what does not go with the database is refused before anything
// happens, in plain words.
func TestNotTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *world)
		more   map[string]any
		want   string
	}{
		"edited": {func(w *world) { w.put(map[string]string{"00001_note.sql": "-- +goose Up\nselect 1;\n"}) }, nil, "migration 1 note was edited after it ran"},
		"newer":  {func(w *world) { w.run("insert into goose_db_version (version_id, is_applied) values (9, true)") }, nil, "orders is at version 9, which migrations does not have"},
		"out of order": {func(w *world) {
			w.run("insert into goose_db_version (version_id, is_applied) values (9, true)")
			w.put(map[string]string{"00009_x.sql": "-- +goose Up\n"})
		}, nil, "migration 2 items comes before version 9"},
		"no goal":     {func(*world) {}, map[string]any{"to": 7}, "there is no migration 7 to come to"},
		"no folder":   {func(*world) {}, map[string]any{"directory": "elsewhere"}, "the folder elsewhere cannot be read: no such file or directory"},
		"no database": {func(*world) {}, map[string]any{"url": "sqlite:gone.db"}, "orders cannot be opened: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, database.SQLite)
			w.put(good())
			w.to(1)
			c.change(w)
			err := w.step(c.more).Feasible(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || ripcord.CodeOf(err) != ripcord.CodePlan {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestBusy: another migration is waited for, and a lock of somebody else's session is
// given up soon, so that others do not queue behind ours.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, database.Postgres)
	w.put(good())
	step := w.step(map[string]any{"lock_timeout": 0.2, "lock_wait": 0.2})
	journal := w.begin(step)
	tx, err := w.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "update orders set item = 'x'"); err != nil {
		t.Fatal(err)
	}
	if failure := w.fails(step.Apply(t.Context(), journal.Attempt(1))); !strings.Contains(failure.Summary, "somebody else holds a lock that it needs") {
		t.Error(failure.Summary)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	conn, err := w.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "select pg_advisory_lock(4097083626)"); err != nil {
		t.Fatal(err)
	}
	if err := step.Apply(t.Context(), journal.Attempt(2)); err == nil || !strings.Contains(err.Error(), "another migration of this database is under way") {
		t.Errorf("%v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "select pg_advisory_unlock(4097083626)"); err != nil || conn.Close() != nil {
		t.Fatal(err)
	}
	w.undo(step, journal)
}

// TestConcurrently: an index that is made beside the traffic is no transaction; where
// it fails nothing invalid of it stays, and what came before it goes back.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t, database.Postgres)
	before := w.fingerprint()
	w.put(map[string]string{"00001_index.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nalter table orders add column note text;\n" +
		"create unique index concurrently orders_one on orders ((1));\n"})
	step := w.step(nil)
	journal := w.begin(step)
	failure := w.fails(step.Apply(t.Context(), journal.Attempt(1)))
	if !strings.Contains(failure.Summary, "could not create unique index") || !strings.Contains(failure.Summary, "the 1 statement before it stay until they are taken back") {
		t.Error(failure.Summary)
	}
	if got := w.rows("select count(*) from pg_index where not indisvalid"); got[0] != "0" {
		t.Errorf("%v invalid indexes", got)
	}
	w.undo(step, journal)
	if diff := cmp.Diff(before, w.fingerprint()); diff != "" {
		t.Error(diff)
	}
}

// TestGolangMigrate: its table is read and written, and one that it left half-way is
// refused with what to do.
func TestGolangMigrate(t *testing.T) {
	t.Parallel()
	for _, kind := range database.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			w.put(map[string]string{
				"1_note.up.sql": "alter table orders add column note varchar(40);", "1_note.down.sql": "alter table orders drop column note;",
				"4_items.up.sql": "create table items (id int primary key);", "4_items.down.sql": "drop table items;",
			})
			w.to(1)
			before := w.fingerprint()
			step := w.step(nil)
			journal := w.begin(step)
			w.apply(step, journal)
			if got := w.rows("select version, dirty from schema_migrations"); len(got) != 1 || !strings.HasPrefix(got[0], "4|") {
				t.Errorf("%v", got)
			}
			w.undo(step, journal)
			if diff := cmp.Diff(before, w.fingerprint()); diff != "" {
				t.Error(diff)
			}
			w.run("update schema_migrations set dirty = true")
			if err := step.Feasible(t.Context()); err == nil || !strings.Contains(err.Error(), "golang-migrate has left it half-way, at version 1") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestEditedHalfWay: a file that was edited while its migration is half-way neither
// goes on nor goes back by guess.
func TestEditedHalfWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, database.MySQL)
	w.put(broken(""))
	step := w.step(nil)
	journal := w.begin(step)
	_ = w.fails(step.Apply(t.Context(), journal.Attempt(1)))
	w.put(map[string]string{"00001_broken.sql": "-- +goose Up\nselect 1;\n"})
	if failure := w.fails(step.Apply(t.Context(), journal.Attempt(2))); !strings.Contains(failure.Summary, "was edited while orders is half-way in it") {
		t.Error(failure.Summary)
	}
	if failure := w.fails(step.Undo(t.Context(), journal.Attempt(1))); !strings.Contains(failure.Summary, "put the file back, and try again") {
		t.Error(failure.Summary)
	}
	w.put(broken(""))
	w.undo(step, journal)
}

// TestUncounted: what cannot be counted is unknown, and asked for; counting it breaks
// neither the migration nor the way back.
func TestUncounted(t *testing.T) {
	t.Parallel()
	for _, kind := range database.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			w.put(map[string]string{"00001_odd.sql": "-- +goose Up\ninsert into orders values (7, 'odd');\n-- +goose Down\n" +
				"delete from orders where item = 'odd';\nupdate orders set item = item;\ndelete from orders where nothing_like_it = 1 and 1 = 0;\n"})
			step := w.step(nil)
			journal := w.begin(step)
			w.apply(step, journal)
			failure := w.fails(step.Undo(t.Context(), journal.Attempt(1)))
			for _, part := range []string{"unknown: `update orders set item = item`", "unknown: rows of orders where nothing_like_it = 1 and 1 = 0 cannot be counted"} {
				if !strings.Contains(failure.Loss, part) {
					t.Errorf("%q does not say %q", failure.Loss, part)
				}
			}
		})
	}
}

// TestFilled: values that a migration fills in itself are none that going back loses;
// what it makes without filling it is not read at all.
func TestFilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, database.Postgres)
	w.put(map[string]string{"00001_fill.sql": "-- +goose Up\nalter table orders add column token uuid default gen_random_uuid();\n" +
		"create table old as select * from orders;\n-- +goose Down\ndrop table old;\nalter table orders drop column token;\n"})
	step := w.step(nil)
	journal := w.begin(step)
	w.apply(step, journal)
	w.undo(step, journal)
	w.put(map[string]string{"00001_fill.sql": "-- +goose Up\nalter table orders add column note text default 'none';\n-- +goose Down\nalter table orders drop column note;\n"})
	step = w.step(nil)
	journal = w.begin(step)
	w.apply(step, journal)
	if got := journal.Progress(); len(got) != 0 {
		t.Errorf("it has read %s", got)
	}
	w.run("insert into orders values (8, 'bread')")
	w.undo(step, journal)
}

// TestRehearse: up, down and up again on a copy, which the database itself is not.
func TestRehearse(t *testing.T) {
	t.Parallel()
	for _, kind := range database.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w, copied := newWorld(t, kind), newWorld(t, kind)
			w.put(good())
			step := w.step(nil)
			if _, err := step.Rehearse(t.Context(), w.url, io.Discard); err == nil || !strings.Contains(err.Error(), "is the database itself") {
				t.Errorf("%v", err)
			}
			before := w.fingerprint()
			r, err := step.Rehearse(t.Context(), copied.url, io.Discard)
			if err != nil || r.Problem != "" || len(r.Migrations) != 2 {
				t.Errorf("%+v, %v", r, err)
			}
			if diff := cmp.Diff(before, w.fingerprint()); diff != "" {
				t.Error(diff)
			}
			if _, err := step.Rehearse(t.Context(), copied.url, io.Discard); err == nil || !strings.Contains(err.Error(), "nothing to rehearse") {
				t.Errorf("%v", err)
			}
			w.put(map[string]string{"00003_bad.sql": "-- +goose Up\ncreate index o on orders (item);\n-- +goose Down\ndelete from orders where 1 = 0;\n"})
			if r, err := step.Rehearse(t.Context(), copied.url, io.Discard); err != nil || !strings.Contains(r.Problem, "the way down: ") || !strings.Contains(r.Problem, "its schema is not as it was") {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
