package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

const (
	lockFile     = "keeper.lock"
	startFile    = "keeper.start" // locked by who starts a keeper
	identityFile = "keeper.json"
	logFile      = "keeper.log"
)

// lockTries is how often the lock is tried: who asks whether a keeper lives
// holds it for a moment.
const (
	lockTries = 10
	lockPause = 10 * time.Millisecond
)

// takeLock makes the caller the state directory's keeper. The error is one of
// CodeRefused when there is another.
func takeLock(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- the state directory
	if err != nil {
		return nil, fmt.Errorf("lock keeper: %w", err)
	}
	for range lockTries {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock keeper: %w", errors.Join(err, f.Close()))
		}
		pause(ctx, lockPause)
	}
	_ = f.Close()
	return nil, ripcord.Errorf(ripcord.CodeRefused, "another keeper looks after %s already", dir)
}

// lockStart waits until nobody else starts a keeper.
func lockStart(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, startFile), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- the state directory
	if err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if ctx.Err() != nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("start keeper: %w", errors.Join(ctx.Err(), err, f.Close()))
		}
		pause(ctx, lockPause)
	}
}

// locked reports whether somebody holds the keeper's lock.
func locked(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, lockFile)) // #nosec G304 -- the state directory
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for keeper: %w", err)
	}
	defer func() { _ = f.Close() }()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for keeper: %w", err)
	}
	return false, nil
}

// stillOurs reports whether the lock's file is still the one in the state
// directory: not when that was removed or replaced.
func stillOurs(f *os.File, dir string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(filepath.Join(dir, lockFile))
	return err == nil && os.SameFile(ours, there)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
