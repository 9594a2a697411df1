package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
)

// Export writes the entries of one run as JSON lines, or those of all runs, run
// after run, where run is empty. The lines are the very bytes that were hashed,
// so ParseLine can prove them anywhere; that they are all there is Verify's to
// say. A pruned run has no lines.
func (s *Store) Export(ctx context.Context, run ripcord.RunID, w io.Writer) error {
	out := bufio.NewWriter(w)
	first, last := int64(0), int64(math.MaxInt64)
	if run != "" {
		n, err := s.readable(ctx, run)
		if err != nil {
			return err
		}
		first, last = n, n
	}
	for at := (position{run: first}); ; {
		more, err := s.exportPage(ctx, out, &at, last)
		if err != nil {
			return err
		}
		if !more {
			return out.Flush()
		}
	}
}

// position is a place in the journal, run after run: behind the append of a run
// whose first entry has this number.
type position struct{ run, first int64 }

// exportPage writes a page of appends and moves the position behind them.
func (s *Store) exportPage(ctx context.Context, out *bufio.Writer, at *position, last int64) (more bool, err error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT run, first, lines FROM appends WHERE (run, first) > (?, ?) AND run <= ? ORDER BY run, first LIMIT ?",
		at.run, at.first, last, page)
	if err != nil {
		return false, s.explain("export", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	count := 0
	for rows.Next() {
		var lines []byte
		if err := rows.Scan(&at.run, &at.first, &lines); err != nil {
			return false, s.explain("export", err)
		}
		if _, err := out.Write(append(lines, newline...)); err != nil {
			return false, err
		}
		count++
	}
	return count == page, s.explain("export", rows.Err())
}

// Backup writes a consistent copy of the journal to path, which must not exist
// yet, while others go on writing. The copy can take the place of journal.db.
func (s *Store) Backup(ctx context.Context, path string) error {
	if exists(path) {
		return ripcord.Errorf(ripcord.CodePlan, "%s exists already; a backup never overwrites", path).WithFix("choose another name")
	}
	partial := path + ".partial"
	// SQLite accepts an empty file; this one is ours alone.
	file, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // named by the user
	if err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "backup: %w", err).WithFix("choose a folder that you can write to")
	}
	err = s.vacuumInto(ctx, partial)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(partial, path)
	}
	if err != nil {
		return errors.Join(s.explain("backup to "+path, err), os.Remove(partial))
	}
	return syncDirectory(filepath.Dir(path))
}

// vacuumInto copies the journal over a connection of its own, for those of the
// readers may write nothing at all.
func (s *Store) vacuumInto(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", s.from)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	return errors.Join(err, db.Close())
}
