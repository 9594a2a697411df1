package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// openReadOnly opens a journal without changing it. Where the state directory
// cannot be written to, SQLite cannot share its log's index with others; the
// file is then read as it is, or, when a log lies beside it that a crash left,
// from a copy.
func (s *Store) openReadOnly(ctx context.Context) error {
	path := filepath.Join(s.dir, journalFile)
	if err := refuseNetwork(existingParent(s.dir)); err != nil {
		return err
	}
	if !exists(path) {
		return ripcord.Errorf(ripcord.CodeNotFound, "there is no journal in %s", s.dir).
			WithFix("name the state directory with --state-dir, or begin with: ripcord init")
	}
	if err := unix.Access(path, unix.R_OK); err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "journal %s cannot be read by user %d: %w", path, os.Geteuid(), err).
			WithFix("run as the user who owns it")
	}
	from, err := s.readSource(path)
	if err != nil {
		return err
	}
	s.openReaders(from)
	pending, err := s.checkReadable(ctx)
	if err == nil && pending > 0 {
		return s.readUpgraded(ctx, path)
	}
	if err == nil || !diskFull(err) && !cannotOpen(err) {
		return err
	}
	// A full disk has no room for the log's index either.
	if err := s.readers.Close(); err != nil {
		return s.explain("open", err)
	}
	if from, err = s.readCopy(path); err != nil {
		return err
	}
	s.openReaders(from)
	pending, err = s.checkReadable(ctx)
	if err == nil && pending > 0 {
		err = ripcord.Errorf(ripcord.CodePlan, "the journal %s was written by an older ripcord, and the disk has no room to bring it up to date", path).
			WithFix("make room on the disk of %s", s.dir)
	}
	return err
}

// checkReadable refuses a journal that this binary does not understand, and
// counts the migrations that one of an older ripcord needs first.
func (s *Store) checkReadable(ctx context.Context) (pending int, err error) {
	steps, err := schema(migrations)
	if err != nil {
		return 0, err
	}
	if pending, err = s.checkSchema(ctx, s.readers, steps); err != nil {
		return 0, err
	}
	return pending, s.readID(ctx)
}

// readUpgraded reads the journal of an older ripcord. It is brought up to date
// where it lies, for an older executor may go on with it, or, where it may not be
// changed, in a copy.
func (s *Store) readUpgraded(ctx context.Context, path string) error {
	writable := unix.Access(s.dir, unix.W_OK) == nil && unix.Access(path, unix.W_OK) == nil
	dir := s.dir
	if !writable {
		folder, err := os.MkdirTemp("", "ripcord-journal-")
		if err != nil {
			return s.explain("copy the journal", err)
		}
		s.afterwards(func() { _ = os.RemoveAll(folder) }) // a copy in the temporary folder
		if err := s.vacuumInto(ctx, filepath.Join(folder, journalFile)); err != nil {
			return s.explain("copy the journal", err)
		}
		dir = folder
	}
	if err := s.readers.Close(); err != nil {
		return s.explain("open", err)
	}
	upgraded, err := Open(ctx, dir, Options{Now: s.options.Now, Reserve: -1, BusyTimeout: s.options.BusyTimeout})
	if err != nil {
		return err
	}
	if err := upgraded.Close(); err != nil {
		return err
	}
	s.openReaders(source(filepath.Join(dir, journalFile), "rw", s.options.BusyTimeout))
	_, err = s.checkReadable(ctx)
	return err
}

// afterwards has something done when the store is closed.
func (s *Store) afterwards(do func()) {
	before := s.cleanup
	s.cleanup = func() {
		if before != nil {
			before()
		}
		do()
	}
}

// readSource returns the data source name that suits the directory.
func (s *Store) readSource(path string) (string, error) {
	if unix.Access(s.dir, unix.W_OK) == nil {
		return s.source("rw"), nil
	}
	if info, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return s.source("ro") + "&immutable=1", nil
	}
	return s.readCopy(path)
}

// readCopy copies the journal with its log to the temporary folder.
func (s *Store) readCopy(path string) (string, error) {
	folder, err := os.MkdirTemp("", "ripcord-journal-")
	if err != nil {
		return "", s.explain("copy the journal", err)
	}
	s.afterwards(func() { _ = os.RemoveAll(folder) }) // a copy in the temporary folder
	for _, suffix := range []string{"", "-wal"} {
		err := copyFile(path+suffix, filepath.Join(folder, journalFile+suffix))
		if err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return "", s.explain("copy the journal", err)
		}
	}
	return source(filepath.Join(folder, journalFile), "rw", s.options.BusyTimeout), nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from) //nolint:gosec // the user's own state directory
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // a folder of ours
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Changed returns a number that differs from the one before when any process
// has written since. It is cheap enough to ask many times a second.
func (s *Store) Changed(ctx context.Context) (int64, error) {
	s.probeLock.Lock()
	defer s.probeLock.Unlock()
	if s.probe == nil {
		// The number belongs to one connection, so it needs one to itself.
		conn, err := s.readers.Conn(ctx)
		if err != nil {
			return 0, s.explain("watch the journal", err)
		}
		s.probe = conn
	}
	var version int64
	err := s.probe.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
	if errors.Is(err, sql.ErrConnDone) {
		return 0, errClosed
	}
	return version, s.explain("watch the journal", err)
}
