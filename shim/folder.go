package shim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

// folder is one command's folder, locked.
type folder struct {
	dir  string
	proc procfs.FS
	lock *os.File
}

// folderOf returns the folder of a key.
func folderOf(root, key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(root, hex.EncodeToString(sum[:16]))
}

func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}

// lockLimit is how long the lock of a folder is waited for. It is held while a
// command is started, and while an orphan is stopped.
const (
	lockLimit = 2 * time.Minute
	lockPause = 10 * time.Millisecond
)

func lockFolder(dir string, proc procfs.FS) (*folder, error) {
	f, err := os.OpenFile(pathIn(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock command: %w", err)
	}
	// No context ends this: who wants to stop a command comes with one that has
	// ended already.
	limit := time.NewTimer(lockLimit)
	defer limit.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return &folder{dir: dir, proc: proc, lock: f}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || waited(limit.C, lockPause) {
			return nil, fmt.Errorf("lock command in %s: %w", dir, errors.Join(err, f.Close()))
		}
	}
}

func (f *folder) unlock() { _ = f.lock.Close() }

// begin notes that a shim is about to be started; the lock is held.
func (f *folder) begin() error {
	if err := os.WriteFile(pathIn(f.dir, begunFile), nil, 0o600); err != nil {
		return fmt.Errorf("begin command: %w", err)
	}
	return nil
}

// claim writes down that the executor with this fence is in charge. A newer one
// makes it fail with ErrFenced.
func (f *folder) claim(fence uint64) error {
	newest, err := f.fence()
	if err != nil {
		return err
	}
	if newest > fence {
		return fmt.Errorf("command in %s: %w", f.dir, ripcord.ErrFenced)
	}
	if newest == fence {
		return nil
	}
	// It guards running processes only, so it need not outlive the machine.
	path := pathIn(f.dir, fenceFile)
	if err := os.WriteFile(path+".tmp", fmt.Appendf(nil, "%d\n", fence), 0o600); err != nil {
		return fmt.Errorf("fence command: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("fence command: %w", err)
	}
	return nil
}

func (f *folder) fence() (newest uint64, err error) {
	_, err = ReadJSON(f.dir, fenceFile, &newest)
	return newest, err
}

// shim returns who the folder's shim is; ok is false when none was started.
func (f *folder) shim() (id procfs.Identity, ok bool, err error) {
	if ok, err = ReadJSON(f.dir, shimFile, &id); ok || err != nil {
		return id, ok, err
	}
	if !exists(f.dir, begunFile) && !exists(f.dir, shimFile) {
		return id, false, nil
	}
	// Between its start and its first write it is found by its environment. A
	// torn file is of another boot, and so is its shim.
	tree, err := f.proc.Tree()
	if err != nil {
		return id, false, err
	}
	for _, p := range tree.WithEnv(Environment, f.dir) {
		if p.PID == p.Session {
			return tree.Identity(p), true, nil
		}
	}
	return id, exists(f.dir, shimFile), nil
}

// result reads how the command ended; ok is false when that is not known.
func result(dir string) (exit ripcord.Exit, refused *ripcord.Failure, ok bool, err error) {
	if ok, err = ReadJSON(dir, exitFile, &exit); ok || err != nil {
		return exit, nil, ok, err
	}
	refused = &ripcord.Failure{}
	if ok, err = ReadJSON(dir, refusedFile, refused); ok {
		return exit, refused, true, nil
	}
	return exit, nil, false, err
}

// stopOrphans ends what is left of the command of a dead shim.
func (f *folder) stopOrphans(grace time.Duration) {
	sweep{proc: f.proc, grace: grace, find: orphans(f.dir, f.proc)}.stop()
}
