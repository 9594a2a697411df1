package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Place is a new file for a restore.
type Place struct {
	*file
	// work is the folder that goes with it; empty where the file stays.
	work string
}

// Place implements ripcord.Data.
func (d *Data) Place(_ context.Context, id, to string) (ripcord.Place, error) {
	if to == "" {
		work, err := d.work(id)
		return &Place{&file{filepath.Join(work, "restored.db"), true}, work}, err
	}
	path := database.File(to, d.scope.Directory)
	switch _, err := os.Lstat(path); {
	case err == nil:
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s exists already: a restore elsewhere takes a new file", path).WithFix("name another with --to, or move that one away")
	case !errors.Is(err, fs.ErrNotExist):
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s cannot be written: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s cannot be written: %w", path, err)
	}
	return &Place{&file{path, true}, ""}, nil
}

// Name implements ripcord.Place.
func (p *Place) Name() string { return p.path }

// Restore implements ripcord.Place: the file has its name when it is whole.
func (p *Place) Restore(ctx context.Context, _ *ripcord.Backup, from ripcord.Content) (err error) {
	data, err := from.Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	part := p.path + ".part"
	defer func() { _ = os.Remove(part) }()                                   // where it is still there, it is not whole
	out, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // a path of the plan or the command line
	if err != nil {
		return err
	}
	_, err = io.Copy(out, &stoppable{ctx, data})
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := (&file{part, true}).check(ctx); err != nil {
		return err
	}
	return os.Rename(part, p.path)
}

// Look implements ripcord.Place.
func (p *Place) Look(ctx context.Context, count bool) (ripcord.DataView, error) {
	return p.look(ctx, count)
}

// Ask implements ripcord.Place.
func (p *Place) Ask(ctx context.Context, question string) (well bool, answer string, err error) {
	db, err := p.open(false)
	if err != nil {
		return false, "", p.refused(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	well, answer, err = database.Ask(ctx, db, question)
	if err != nil {
		return false, "", p.refused(err)
	}
	return well, answer, nil
}

// Drop implements ripcord.Place.
func (p *Place) Drop(context.Context) error {
	if p.work != "" {
		return os.RemoveAll(p.work)
	}
	var err error
	for _, suffix := range []string{"", ".part", "-journal", "-wal", "-shm"} {
		if rmErr := os.Remove(p.path + suffix); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}
	return err
}

// Exchange implements ripcord.Data. Programs that have the database open go on, and
// see the restored data with their next transaction.
func (d *Data) Exchange(ctx context.Context, from ripcord.Place, o ripcord.Exchange) (string, error) {
	place, ok := from.(*Place)
	if !ok {
		return "", fmt.Errorf("%s is no SQLite database", from.Name())
	}
	path, err := d.path(ctx)
	if err != nil {
		return "", err
	}
	live := &file{path: path}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", place.install(ctx, path)
	}
	now, err := live.look(ctx, true)
	if err == nil && o.Accept != nil {
		err = o.Accept(ctx, now)
	}
	if err != nil {
		return "", err
	}
	safety := &file{path + ".before-" + o.ID, true}
	if err := live.copyTo(ctx, safety); err != nil {
		return "", errors.Join(err, removed(safety.path))
	}
	if info, err := os.Stat(live.path); err == nil {
		err = os.Chmod(safety.path, info.Mode().Perm())
		if err != nil {
			return "", errors.Join(err, removed(safety.path))
		}
	}
	if err := live.take(ctx, place.file); err != nil {
		return "", errors.Join(err, removed(safety.path))
	}
	return safety.path, live.check(ctx)
}

func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// install puts a file where none is.
func (p *Place) install(ctx context.Context, path string) error {
	next := path + ".part"
	if err := p.copyTo(ctx, &file{next, true}); err != nil {
		return errors.Join(err, removed(next))
	}
	return os.Rename(next, path)
}

// Compare implements ripcord.Comparer: it counts the rows that are there now, in this
// form, and not at the place.
func (d *Data) Compare(ctx context.Context, with ripcord.Place) (all []ripcord.TableLoss, err error) {
	live, err := d.file(ctx)
	if err != nil {
		return nil, err
	}
	place, ok := with.(*Place)
	if !ok {
		return nil, fmt.Errorf("%s is no SQLite database", with.Name())
	}
	now, err := live.look(ctx, true)
	if err != nil {
		return nil, err
	}
	then, err := place.look(ctx, true)
	if err != nil {
		return nil, err
	}
	db, err := live.open(false)
	if err != nil {
		return nil, live.refused(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, `attach database ? as restored`, place.path); err != nil {
		return nil, live.refused(err)
	}
	for _, table := range now.Tables {
		loss := ripcord.TableLoss{Name: table.Name, Now: table.Rows, Lost: table.Rows}
		if was := then.Table(table.Name); was != nil {
			loss.Then = was.Rows
			if loss.Lost, err = missing(ctx, db, table.Name); err != nil {
				return nil, live.refused(err)
			}
			loss.Lost = max(loss.Lost, loss.Now-loss.Then) // equal rows count once above
		}
		all = append(all, loss)
	}
	return all, nil
}

// missing counts rows of now that are not in the restored table. With other columns
// than then, all of them are.
func missing(ctx context.Context, db *sql.DB, table string) (int64, error) {
	columns := func(schema string) (string, error) {
		found, err := database.Texts(ctx, db, `select group_concat(name, ',') from pragma_table_info(?, ?)`, table, schema)
		if err != nil {
			return "", err
		}
		return found[0][0], nil
	}
	now, err := columns("main")
	if err != nil {
		return 0, err
	}
	then, err := columns("restored")
	if err != nil {
		return 0, err
	}
	name := quoted(table)
	if now != then {
		return database.Number(ctx, db, `select count(*) from main.`+name)
	}
	return database.Number(ctx, db, `select count(*) from (select * from main.`+name+` except select * from restored.`+name+`)`)
}
