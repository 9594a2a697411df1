package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"io"
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
	first, last := int64(0), int64(1<<31-1)
	if run != "" {
		n, err := s.readable(ctx, run)
		if err != nil {
			return err
		}
		first, last = n, n
	}
	for from := entryID(first, 0); ; {
		next, err := s.exportPage(ctx, out, from, entryID(last, maxEntries))
		if err != nil {
			return err
		}
		if next == 0 {
			return out.Flush()
		}
		from = next
	}
}

// exportPage writes a page of entries; next is where to go on, 0 at the end.
func (s *Store) exportPage(ctx context.Context, out *bufio.Writer, from, to int64) (next int64, err error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT id, line FROM entries WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", from, to, page)
	if err != nil {
		return 0, s.explain("export", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	count := 0
	for rows.Next() {
		var id int64
		var line []byte
		if err := rows.Scan(&id, &line); err != nil {
			return 0, s.explain("export", err)
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return 0, err
		}
		count++
		next = id + 1
	}
	if count < page {
		next = 0
	}
	return next, s.explain("export", rows.Err())
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
