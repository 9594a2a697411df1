package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Exchange implements ripcord.Data by one statement that renames all tables: those that
// are there move to another database and stay, the restored ones take their place.
// Whoever is connected goes on.
func (d *Data) Exchange(ctx context.Context, from ripcord.Place, o ripcord.Exchange) (string, error) {
	place, ok := from.(*Place)
	if !ok || !place.beside {
		return "", fmt.Errorf("%s is not on the database's server", from.Name())
	}
	live, err := d.target(ctx)
	if err != nil {
		return "", err
	}
	now, err := d.counted(ctx, live)
	gone := ripcord.CodeOf(err) == ripcord.CodeNotFound
	if err != nil && !gone {
		return "", err
	}
	if gone {
		if err := (&Place{target: live}).create(ctx, place.name()); err != nil {
			return "", err
		}
	} else if o.Accept != nil {
		if err := o.Accept(ctx, now); err != nil {
			return "", err
		}
	}
	x := &exchange{live, place, live.called(newName(live.name(), "_before_"+strings.ReplaceAll(o.ID, "-", "_"))), o, gone}
	if err := live.use(true, func(db *sql.DB) error { return x.run(ctx, db) }); err != nil || gone {
		return "", err
	}
	return "the database " + x.aside.name() + " on the same server", nil
}

type exchange struct {
	live  *target
	place *Place
	aside *target
	o     ripcord.Exchange
	gone  bool
}

func (x *exchange) run(ctx context.Context, db *sql.DB) (err error) {
	for _, of := range []*target{x.live, x.place.target} {
		if err := x.plain(ctx, db, of); err != nil {
			return err
		}
	}
	// One connection: its settings hold for all that follows.
	if _, err := db.ExecContext(ctx, `set session lock_wait_timeout = 5`); err != nil {
		return x.live.refused(err)
	}
	old, err := x.tables(ctx, db, x.live)
	if err != nil {
		return err
	}
	restored, err := x.tables(ctx, db, x.place.target)
	if err != nil {
		return err
	}
	var moves []string
	move := func(tables []string, from, to *target) {
		for _, t := range tables {
			moves = append(moves, quoted(from.name())+`.`+quoted(t)+` to `+quoted(to.name())+`.`+quoted(t))
		}
	}
	move(old, x.live, x.aside)
	move(restored, x.place.target, x.live)
	if len(moves) == 0 {
		return nil
	}
	if !x.gone {
		aside := &Place{target: x.aside, made: true}
		if err := aside.create(ctx, x.live.name()); err != nil {
			return err
		}
		defer func() {
			if err != nil { // it is empty
				err = errors.Join(err, aside.Drop(context.WithoutCancel(ctx)))
			}
		}()
	}
	if err := x.disconnect(ctx, db); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `rename table `+strings.Join(moves, `, `)); err != nil {
		return x.live.refused(err)
	}
	return nil
}

func (x *exchange) tables(ctx context.Context, db *sql.DB, of *target) ([]string, error) {
	rows, err := database.Texts(ctx, db, `select table_name from information_schema.tables where table_schema = ? and table_type = 'BASE TABLE'`, of.name())
	if err != nil {
		return nil, of.refused(err)
	}
	names := make([]string, 0, len(rows))
	for _, row := range rows {
		names = append(names, row[0])
	}
	return names, nil
}

// plain refuses what no renaming takes along.
func (x *exchange) plain(ctx context.Context, db *sql.DB, of *target) error {
	rows, err := database.Texts(ctx, db, `select 'the view', table_name from information_schema.views where table_schema = ?
		union all select 'the trigger', trigger_name from information_schema.triggers where trigger_schema = ?
		union all select 'the routine', routine_name from information_schema.routines where routine_schema = ?
		union all select 'the event', event_name from information_schema.events where event_schema = ? limit 1`, of.name(), of.name(), of.name(), of.name())
	if err != nil {
		return of.refused(err)
	}
	if len(rows) == 0 {
		return nil
	}
	return ripcord.Errorf(ripcord.CodePlan, "%s has %s %s: such a database cannot be exchanged in one moment", of, rows[0][0], rows[0][1]).
		WithFix("restore into a new database with --to, and let the application use that")
}

// disconnect ends the sessions of others, where that was asked for.
func (x *exchange) disconnect(ctx context.Context, db *sql.DB) error {
	if !x.o.Disconnect {
		return nil
	}
	rows, err := database.Texts(ctx, db, `select cast(id as char) from information_schema.processlist where db = ? and id <> connection_id()`, x.live.name())
	if err != nil {
		return x.live.refused(err)
	}
	for _, row := range rows {
		if _, err := db.ExecContext(ctx, `kill `+row[0]); err != nil && ctx.Err() != nil { // it may be gone by itself
			return ctx.Err()
		}
	}
	return nil
}
