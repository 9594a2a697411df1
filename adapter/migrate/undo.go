package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// undoPatience is how long going back waits for another migration: one whose process
// was killed may still run at the server.
const undoPatience = 5 * time.Minute

// Undo implements ripcord.Step: down to exactly the version of before, by the ways
// down that travel with the run.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	var before state
	if err := json.Unmarshal(a.Before.Image, &before); err != nil {
		return refused("what was there before is not known: %w", err)
	}
	return s.exclusively(ctx, undoPatience, func(x *session) error {
		set, err := s.set()
		if err != nil {
			return refused("the ways down cannot be read: %w", err)
		}
		b, err := x.book(set)
		if err != nil {
			return err
		}
		st, err := x.state(ctx, x.conn, set)
		if err != nil {
			return x.wrong("cannot be read", err)
		}
		return x.back(ctx, a, b, set, before, st)
	})
}

// back goes from one state to the one before.
func (x *session) back(ctx context.Context, a ripcord.Attempt, b book, set *migration.Set, before, now state) error {
	for _, n := range slices.Backward(now.notes) {
		if n.half() && !slices.Contains(before.Versions, n.version) {
			if err := x.backHalf(ctx, a, b, set, n); err != nil {
				return err
			}
		}
	}
	var gone []migration.Migration // newest first
	for _, version := range slices.Backward(now.Versions) {
		if slices.Contains(before.Versions, version) || isHalf(now.notes, version) {
			continue
		}
		m, ok := set.Find(version)
		if !ok {
			return refused("%s is at version %d, which somebody else brought about: the release has no way down for it", x.settings.name(), version)
		}
		gone = append(gone, m)
	}
	if err := x.backAll(ctx, a, b, gone); err != nil {
		return err
	}
	return x.tidy(ctx, b, set, before)
}

func isHalf(notes []note, version int64) bool {
	n, ok := find(notes, version)
	return ok && n.half()
}

// stepBack is the way back of one migration.
type stepBack struct {
	m   migration.Migration
	way migration.Script
	// unfinished: the release of the migration never came to its end, so that nobody
	// but the migration itself knows what it made.
	unfinished bool
}

// backAll takes whole migrations back, newest first: together in one transaction where
// that can be.
func (x *session) backAll(ctx context.Context, a ripcord.Attempt, b book, all []migration.Migration) error {
	var steps []stepBack
	one := migration.Transactional(x.kind)
	for _, m := range all {
		way, err := x.wayBack(m)
		if err != nil {
			return refused("%w: restore a backup, or write the way down and try again", err)
		}
		one = one && !way.Apart
		steps = append(steps, stepBack{m: m, way: way})
	}
	if len(steps) == 0 {
		return nil
	}
	if one {
		return x.backTogether(ctx, a, b, steps)
	}
	return x.backEach(ctx, a, b, steps)
}

// backTogether takes migrations back in one transaction.
func (x *session) backTogether(ctx context.Context, a ripcord.Attempt, b book, steps []stepBack) error {
	return x.transact(ctx, func(on querier) error {
		if err := x.acceptExactly(ctx, on, a, steps); err != nil {
			return err
		}
		for _, s := range steps {
			if err := x.backOne(ctx, on, a, b, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// backEach takes migrations back one after the other, statement by statement.
func (x *session) backEach(ctx context.Context, a ripcord.Attempt, b book, steps []stepBack) error {
	if err := x.accept(ctx, x.conn, a, steps); err != nil {
		return err
	}
	for _, s := range steps {
		n := noteOf(s.m)
		n.begun = ""
		if err := x.transact(ctx, func(on querier) error { return x.write(ctx, on, n) }); err != nil {
			return err
		}
		if err := x.backApart(ctx, a, b, s, n, how(s.m)); err != nil {
			return err
		}
	}
	return nil
}

func how(m migration.Migration) string {
	if m.Down.Given {
		return "by its way down"
	}
	return "by the reverse of each statement"
}

// backOne takes one migration back within a transaction.
func (x *session) backOne(ctx context.Context, on querier, a ripcord.Attempt, b book, s stepBack) error {
	for i, statement := range s.way.Statements {
		if err := x.exec(ctx, on, statement.Text); err != nil {
			return x.broke(ctx, err, s.m, s.way, i, "on its way back; that was taken back with its transaction")
		}
	}
	if err := b.remove(ctx, on, s.m.Version); err != nil {
		return x.failed(err, "writing down that version "+strconv.FormatInt(s.m.Version, 10)+" is gone")
	}
	if there, err := x.hasTable(ctx, on, notesTable); err != nil || !there {
		return err
	}
	if err := x.forget(ctx, on, s.m.Version); err != nil {
		return x.failed(err, "writing down that version "+strconv.FormatInt(s.m.Version, 10)+" is gone")
	}
	say(a, "%s is taken back %s", title(s.m), how(s.m))
	return nil
}

// backHalf takes a migration back that came, or went, half-way.
func (x *session) backHalf(ctx context.Context, a ripcord.Attempt, b book, set *migration.Set, n note) error {
	m, ok := set.Find(n.version)
	if !ok || m.Digest != n.digest {
		return refused("migration %d is half-way in %s, and its file is another one now: put the file back, and try again", n.version, x.settings.name())
	}
	if n.back == 0 { // which of its statements are done is asked before any goes back
		w := walk{x: x, statements: m.Up.Statements, note: &n, done: &n.up}
		if err := w.settle(ctx); err != nil {
			return err
		}
	}
	way, err := x.wayBack(m)
	called := how(m)
	if n.up < n.all {
		way, called, err = x.wayBackHalf(m, n.up)
	}
	if err != nil {
		return refused("%w: restore a backup, or undo them by hand and then: delete from %s where version = %d", err, notesTable, n.version)
	}
	if n.up > 0 && n.back == 0 {
		if err := x.accept(ctx, x.conn, a, []stepBack{{m: m, way: way, unfinished: true}}); err != nil {
			return err
		}
	}
	return x.backApart(ctx, a, b, stepBack{m: m, way: way}, n, called)
}

// backApart takes a migration back statement by statement.
func (x *session) backApart(ctx context.Context, a ripcord.Attempt, b book, s stepBack, n note, called string) error {
	if err := b.make(ctx, x.conn); err != nil {
		return x.failed(err, "the table that versions are written down in")
	}
	w := walk{x: x, statements: s.way.Statements, note: &n, done: &n.back}
	if i, err := w.run(ctx); err != nil {
		return x.broke(ctx, err, s.m, s.way, i, "on its way back "+called)
	}
	err := x.transact(ctx, func(on querier) error {
		if n.up == n.all {
			if err := b.remove(ctx, on, s.m.Version); err != nil {
				return err
			}
		}
		return x.forget(ctx, on, s.m.Version)
	})
	if err == nil {
		say(a, "%s is taken back %s", title(s.m), called)
	}
	return err
}

// accept refuses to lose more than the plan allows, unless a person has accepted it.
func (x *session) accept(ctx context.Context, on querier, a ripcord.Attempt, steps []stepBack) error {
	words, err := x.judge(ctx, on, a, steps)
	if err == nil {
		say(a, "%s", words)
	}
	return err
}

// acceptExactly counts once more while nobody can write, where counting is quick.
// SQLite's transaction keeps others out anyway.
func (x *session) acceptExactly(ctx context.Context, on querier, a ripcord.Attempt, steps []stepBack) error {
	if x.kind != database.Postgres {
		return x.accept(ctx, on, a, steps)
	}
	began := x.scope.Now()
	words, err := x.judge(ctx, on, a, steps)
	if err != nil {
		return err
	}
	if took := x.scope.Now().Sub(began); took > x.settings.LockTimeout.Std() {
		say(a, "%s; what came while it was counted, in %s, is not in it: the tables are too large to be locked meanwhile", words, took.Round(time.Second))
		return nil
	}
	if err := x.keepOut(ctx, on, steps); err != nil {
		return err
	}
	return x.accept(ctx, on, a, steps)
}

// keepOut lets nobody write to what is counted until the transaction ends.
func (x *session) keepOut(ctx context.Context, on querier, steps []stepBack) error {
	for _, loss := range x.losses(steps) {
		if there, err := x.hasTable(ctx, on, loss.Table); err != nil || !there {
			continue // nobody writes there
		}
		if _, err := on.ExecContext(ctx, "lock table "+loss.Table+" in share row exclusive mode"); err != nil {
			return x.failed(err, "a lock of "+loss.Table)
		}
	}
	return nil
}

// losses are what the steps take away.
func (x *session) losses(steps []stepBack) []migration.Loss {
	var all []migration.Loss
	for _, s := range steps {
		for _, statement := range s.way.Statements {
			all = append(all, migration.Classify(x.kind, statement).Losses...)
		}
	}
	return all
}

// judge says what going back loses, or refuses it.
func (x *session) judge(ctx context.Context, on querier, a ripcord.Attempt, steps []stepBack) (string, error) {
	var rows int64
	var of []string
	known := true
	for _, s := range steps {
		n, more, sure, err := x.lost(ctx, on, a, s)
		if err != nil {
			return "", x.failed(err, "counting what would be lost")
		}
		rows, of, known = rows+n, append(of, more...), known && sure
	}
	text := strings.Join(of, ", ")
	switch {
	case len(of) == 0:
		return "nothing was written since that going back would lose (counted)", nil
	case known && rows <= x.settings.MaxDataLoss:
		return "going back loses " + text + ", as max_data_loss allows", nil
	case a.LossAccepted:
		return "going back loses " + text + ", as was accepted", nil
	}
	return "", &ripcord.Failure{
		Class: ripcord.FailedTarget, Final: true, Loss: text,
		Summary: fmt.Sprintf("going back to %s of %s would lose %s", before(steps), x.settings.name(), text),
	}
}

// before is the version that is left when all steps are back.
func before(steps []stepBack) string {
	return fmt.Sprintf("the version before %d", steps[len(steps)-1].m.Version)
}

// tidy drops the tables that were not there before, and proves that the schema is as
// it was.
func (x *session) tidy(ctx context.Context, b book, set *migration.Set, before state) error {
	drop := func(there bool, name string) error {
		if there {
			return nil
		}
		_, err := x.conn.ExecContext(ctx, "drop table if exists "+name)
		return err
	}
	if err := drop(before.Book, b.table()); err != nil {
		return x.failed(err, "dropping "+b.table())
	}
	if err := drop(before.Notes, notesTable); err != nil {
		return x.failed(err, "dropping "+notesTable)
	}
	now, err := x.state(ctx, x.conn, set)
	if err != nil {
		return x.wrong("cannot be read", err)
	}
	if now.Schema == before.Schema {
		return nil
	}
	why := "how, is not kept of so large a schema"
	if before.Lines != nil {
		why = differences(before.Lines, now.lines)
	}
	return refused("%s is at the version of before, but its schema is not as it was: %s", x.settings.name(), why)
}
