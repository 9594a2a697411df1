package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// prepareDirectory makes the state directory, or checks that it is one that a
// journal may lie in.
func prepareDirectory(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := refuseNetwork(existingParent(dir)); err != nil {
			return err
		}
		return makeDirectory(dir)
	case err != nil:
		return ripcord.Errorf(ripcord.CodePlan, "state directory %s: %w", dir, err)
	case info.Mode()&fs.ModeSymlink != 0:
		// The link's goal is what counts.
		if info, err = os.Stat(dir); err != nil {
			return ripcord.Errorf(ripcord.CodePlan, "state directory %s is a link that leads nowhere: %w", dir, err).
				WithFix("remove the link, or make the directory that it names")
		}
	}
	if !info.IsDir() {
		return ripcord.Errorf(ripcord.CodePlan, "state directory %s is not a directory", dir).
			WithFix("choose another with --state-dir")
	}
	if err := refuseNetwork(dir); err != nil {
		return err
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return refuseReadOnly(dir, err)
	}
	return closeToOthers(dir, info)
}

func refuseReadOnly(dir string, err error) error {
	if errors.Is(err, unix.EROFS) {
		return ripcord.Errorf(ripcord.CodePlan, "state directory %s is on a read-only file system; nothing can be journaled there: %w", dir, err).
			WithFix("mount it writable, or choose another directory with --state-dir")
	}
	return ripcord.Errorf(ripcord.CodePlan, "state directory %s cannot be written to by user %d: %w", dir, os.Geteuid(), err).
		WithFix("run as the user who owns it, or choose another directory with --state-dir")
}

func makeDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "cannot make the state directory %s: %w", dir, err).
			WithFix("make it by hand (mkdir -m 0700 %s), or choose another with --state-dir", dir)
	}
	// An unusual umask can take bits of ours away.
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs its execute bit
		return ripcord.Errorf(ripcord.CodePlan, "state directory %s: %w", dir, err)
	}
	return syncDirectory(filepath.Dir(dir))
}

// closeToOthers takes the rights of group and others away. It does so only where
// the directory is ours and holds a journal or nothing at all: whoever names
// /etc by mistake must not find it changed.
func closeToOthers(dir string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	owner := -1
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = int(stat.Uid)
	}
	if owner != os.Geteuid() {
		return ripcord.Errorf(ripcord.CodePlan, "state directory %s belongs to user %d and others may enter it (mode %04o); the journal could be read or changed by them",
			dir, owner, info.Mode().Perm()).WithFix("chown %d %s && chmod 0700 %s, or choose another with --state-dir", os.Geteuid(), dir, dir)
	}
	if !exists(filepath.Join(dir, journalFile)) {
		content, err := os.ReadDir(dir)
		if err != nil {
			return ripcord.Errorf(ripcord.CodePlan, "state directory %s: %w", dir, err)
		}
		if len(content) > 0 {
			return ripcord.Errorf(ripcord.CodePlan, "%s holds other files and others may enter it (mode %04o); it does not look like a state directory",
				dir, info.Mode().Perm()).WithFix("choose another with --state-dir, or, if it is meant to be one: chmod 0700 %s", dir)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs its execute bit
		return ripcord.Errorf(ripcord.CodePlan, "state directory %s: %w", dir, err)
	}
	return nil
}

// prepareFile sees to it that SQLite finds a file with the right mode, and that
// a journal that went missing is not silently begun anew.
func prepareFile(dir string) error {
	path := filepath.Join(dir, journalFile)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() > 0:
		if info.Mode().Perm()&0o077 != 0 {
			err = os.Chmod(path, 0o600)
		}
	case err == nil && exists(filepath.Join(dir, markerFile)) && stillEmpty(path):
		return ripcord.Errorf(ripcord.CodeInternal, "the journal %s is empty, but this state directory was in use: it was truncated; nothing was changed", path).
			WithFix("put the newest backup in its place; or, if its runs no longer matter, move %s away and begin anew", dir)
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) && exists(filepath.Join(dir, markerFile)):
		return ripcord.Errorf(ripcord.CodeInternal, "the journal %s is missing, but this state directory was in use; nothing was changed", path).
			WithFix("put the newest backup in its place; or, if its runs no longer matter, move %s away and begin anew", dir)
	case errors.Is(err, fs.ErrNotExist):
		err = createFile(path)
	}
	if err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "journal %s: %w", path, err)
	}
	return nil
}

// stillEmpty looks again: another process may have begun the journal between the
// first look at it and the look at the marker, which is made last.
func stillEmpty(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() == 0
}

// createFile makes an empty file for us alone. One that another process made in
// the same moment is as good: opening and closing it here would drop the locks
// that SQLite holds in this process.
func createFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user's own state directory
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// writeMarker notes in a file of its own that this directory is in use.
func writeMarker(dir, id string) error {
	path := filepath.Join(dir, markerFile)
	if exists(path) {
		return nil
	}
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil && !diskFull(err) {
		return err
	}
	return syncDirectory(dir)
}

func syncDirectory(dir string) error {
	file, err := os.Open(dir) //nolint:gosec // the user's own state directory
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// existingParent returns dir, or the nearest folder above it that exists.
func existingParent(dir string) string {
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	return dir
}
