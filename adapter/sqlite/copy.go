package sqlite

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"modernc.org/sqlite"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// copier is what the driver's connections can do.
type copier interface {
	NewBackup(to string) (*sqlite.Backup, error)
	NewRestore(from string) (*sqlite.Backup, error)
}

// Backup implements ripcord.Data: a copy of one moment is checked, then kept.
func (d *Data) Backup(ctx context.Context, b *ripcord.Backup, to ripcord.Sink) (err error) {
	from, err := d.file(ctx)
	if err != nil {
		return err
	}
	work, err := d.work(b.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	copied := &file{filepath.Join(work, "copy.db"), true}
	if err := from.copyTo(ctx, copied); err != nil {
		return err
	}
	b.At = d.scope.Now().UTC()
	if err := copied.check(ctx); err != nil {
		return err
	}
	if b.View, err = copied.look(ctx, true); err != nil {
		return err
	}
	return to.Stream(ctx, func(_ context.Context, w io.Writer) error {
		open, err := os.Open(copied.path)
		if err != nil {
			return err
		}
		defer func() { _ = open.Close() }() // it was read only
		_, err = io.Copy(w, &stoppable{ctx, open})
		return err
	})
}

// stoppable ends with its context.
type stoppable struct {
	ctx  context.Context //nolint:containedctx // a reader has no other place for it
	from io.Reader
}

func (s *stoppable) Read(into []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.from.Read(into)
}

// copyTo copies the database as of one moment to a new file.
func (f *file) copyTo(ctx context.Context, to *file) error {
	return f.raw(ctx, false, func(c copier) (*sqlite.Backup, error) { return c.NewBackup(to.path) })
}

// take puts a file's content into this database, in one transaction: whoever has it
// open sees the old content until its end, and then the new.
func (f *file) take(ctx context.Context, from *file) error {
	return f.raw(ctx, true, func(c copier) (*sqlite.Backup, error) { return c.NewRestore(from.path) })
}

// raw runs the backup interface of a connection to its end. Done in one step it
// cannot be overtaken by a writer.
func (f *file) raw(ctx context.Context, write bool, begin func(c copier) (*sqlite.Backup, error)) (err error) {
	db, err := f.open(write)
	if err != nil {
		return f.refused(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return f.refused(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.Raw(func(driver any) error {
		c, ok := driver.(copier)
		if !ok {
			return errors.New("the SQLite driver cannot copy")
		}
		run, err := begin(c)
		if err != nil {
			return err
		}
		for more := true; more; {
			if more, err = run.Step(-1); err != nil {
				return errors.Join(err, run.Finish())
			}
		}
		return run.Finish()
	})
	if err != nil {
		return f.refused(err)
	}
	return ctx.Err()
}

// check lets SQLite look for damage.
func (f *file) check(ctx context.Context) (err error) {
	db, err := f.open(false)
	if err != nil {
		return f.refused(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	said, err := database.Texts(ctx, db, `pragma quick_check(5)`)
	if err != nil {
		return f.refused(err)
	}
	if len(said) != 1 || said[0][0] != "ok" {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "the database is damaged: " + said[0][0], Final: true}
	}
	return nil
}
