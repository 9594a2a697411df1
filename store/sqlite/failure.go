package sqlite

import (
	"errors"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/ripcord-dev/ripcord"
)

// code returns SQLite's extended result code in err's chain, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// busy reports whether another process kept the lock for too long.
func busy(err error) bool {
	primary := code(err) & 0xff
	return primary == lib.SQLITE_BUSY || primary == lib.SQLITE_LOCKED
}

// cannotOpen reports whether a file could not be opened or made.
func cannotOpen(err error) bool { return code(err)&0xff == lib.SQLITE_CANTOPEN }

// diskFull reports whether err can come from a disk (or quota) without room.
// SQLite says so plainly for the log, and in other words for its index.
func diskFull(err error) bool {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return true
	}
	switch code(err) {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR_WRITE, lib.SQLITE_IOERR_FSYNC, lib.SQLITE_IOERR_SHMSIZE,
		lib.SQLITE_IOERR_SHMOPEN, lib.SQLITE_IOERR_SHMMAP, lib.SQLITE_IOERR_TRUNCATE:
		return true
	default:
		return false
	}
}

// explain turns an error of SQLite into one that a user can act on. Errors that
// are already ours, and nil, stay as they are.
func (s *Store) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*ripcord.Error](err); ok {
		return err
	}
	path := filepath.Join(s.dir, journalFile)
	switch code(err) & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return s.corrupt(err)
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return ripcord.Errorf(ripcord.CodeInternal, "journal %s: another process kept writing for %s: %w", path, s.options.BusyTimeout, err).
			WithFix("look for a backup or another program that holds the file (fuser %s), then try again", path)
	case lib.SQLITE_READONLY:
		return ripcord.Errorf(ripcord.CodePlan, "journal %s cannot be written to: %w", path, err).
			WithFix("check the owner and mode of %s, and that its file system is mounted writable", s.dir)
	}
	if diskFull(err) {
		return ripcord.Errorf(ripcord.CodeInternal, "journal %s: no room on the disk, or the disk fails: %w", path, err).
			WithFix("free some space on the file system of %s (df -h %s), then try again; nothing that was journaled is lost", s.dir, s.dir)
	}
	return ripcord.Errorf(ripcord.CodeInternal, "journal %s: %s: %w", path, doing, err)
}

// corrupt says what to do about a damaged file. Nothing is ever deleted.
func (s *Store) corrupt(err error) error {
	path := filepath.Join(s.dir, journalFile)
	return ripcord.Errorf(ripcord.CodeInternal, "the journal %s is damaged; nothing was changed or deleted: %w", path, err).
		WithFix("copy %s, %s-wal and %s-shm away together; then put the newest backup in the journal's place, or save what can be read: sqlite3 %s .recover", path, path, path, path)
}
