package keeper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// logLimit is the size at which keeper.log is begun anew, in bytes; the one
// before is kept.
const logLimit = 4 << 20

// openLog opens a log for appending; a full one becomes "path.1" first.
func openLog(path string, limit int64) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() >= limit {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("rotate log: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) // #nosec G304 -- our own log
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// rotateOwnLog begins the keeper's log anew when it is full and both outputs of
// this process go there. It puts the new file in the place of the old one, so
// that even the runtime's last words land in it.
func rotateOwnLog(dir string) {
	path := filepath.Join(dir, logFile)
	there, err := os.Stat(path)
	if err != nil || there.Size() < logLimit {
		return
	}
	ours, err := os.Stderr.Stat()
	if err != nil || !os.SameFile(there, ours) {
		return
	}
	f, err := openLog(path, logLimit)
	if err != nil {
		return // it grows on; the next round tries again
	}
	for _, target := range []*os.File{os.Stdout, os.Stderr} {
		err = errors.Join(err, unix.Dup3(int(f.Fd()), int(target.Fd()), 0))
	}
	_ = errors.Join(err, f.Close())
}
