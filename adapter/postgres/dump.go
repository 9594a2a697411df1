package postgres

import (
	"context"
	"database/sql"
	"errors"
	"io"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/pipe"
)

// Backup implements ripcord.Data. One transaction lends its snapshot to pg_dump and
// counts the rows meanwhile, so that what is counted is what is copied.
func (d *Data) Backup(ctx context.Context, b *ripcord.Backup, to ripcord.Sink) error {
	t, err := d.target(ctx)
	if err != nil {
		return err
	}
	return t.use(func(db *sql.DB) error {
		view, err := t.look(ctx, db, false)
		if err != nil {
			return err
		}
		number, err := database.Number(ctx, db, `select current_setting('server_version_num')::bigint`)
		if err != nil {
			return t.refused(err)
		}
		dump, err := find(ctx, "pg_dump", number)
		if err != nil {
			return err
		}
		// Writes are counted before the copy's moment: one too many is said to be lost
		// by a later restore, never one too few.
		facts, err := database.Texts(ctx, db, `select d.oid::text || '/' || coalesce(s.stats_reset::text, '') from pg_database d
			left join pg_stat_database s on s.datid = d.oid where d.datname = current_database()`)
		if err != nil {
			return t.refused(err)
		}
		view.Epoch, view.Exact = facts[0][0], true
		if view.Tables, err = t.written(ctx, db); err != nil {
			return err
		}
		return d.copy(ctx, t, db, dump, b, view, to)
	})
}

func (d *Data) copy(ctx context.Context, t *target, db *sql.DB, dump program, b *ripcord.Backup, view ripcord.DataView, to ripcord.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return t.refused(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was changed
	exported, err := database.Texts(ctx, tx, `select pg_export_snapshot()`)
	if err != nil {
		return t.refused(err)
	}
	b.At = d.scope.Now().UTC()
	counted := make(chan error, 1)
	go func() {
		// A table that came or went since the writes were counted changes nothing of it.
		there, err := t.written(ctx, tx)
		if err == nil {
			view.Tables = before(view.Tables, there)
			err = t.count(ctx, tx, &view)
		}
		counted <- err
		if err != nil {
			cancel()
		}
	}()
	err = to.Stream(ctx, func(ctx context.Context, w io.Writer) error {
		return pipe.Run(ctx, pipe.Program{
			Args: []string{dump.path, "--format=custom", "--compress=0", "--no-password", "--snapshot=" + exported[0][0], "--dbname=" + t.address()},
			Env:  t.environment(), Out: w, Secrets: t.secrets,
		})
	})
	if err != nil {
		cancel()
	}
	if countErr := <-counted; countErr != nil && !errors.Is(countErr, context.Canceled) {
		return errors.Join(countErr, ignoreCancelled(err))
	}
	b.View = view
	return err
}

func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// before gives the tables of a moment the writes that were counted before it.
func before(counted, there []ripcord.TableView) []ripcord.TableView {
	seen := ripcord.DataView{Tables: counted}
	for i := range there {
		there[i].Writes = 0
		if was := seen.Table(there[i].Name); was != nil {
			there[i].Writes = was.Writes
		}
	}
	return there
}
