package procfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Signal sends a signal to exactly this process, never to one that got its pid
// later. The error wraps os.ErrProcessDone when the process is gone, and
// fs.ErrPermission when it belongs to somebody else.
func (f FS) Signal(id Identity, sig unix.Signal) error {
	fd, err := f.open(id)
	switch {
	case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM):
		return f.signalByPID(id, sig)
	case err != nil:
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return signalled(id, unix.PidfdSendSignal(fd, sig, nil, 0))
}

// open returns a descriptor that names the process whatever happens to its pid.
func (f FS) open(id Identity) (int, error) {
	if id.PID <= 0 {
		return -1, fmt.Errorf("process %d: %w", id.PID, os.ErrProcessDone)
	}
	fd, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) { // EINVAL: the number is a thread's now
		err = os.ErrProcessDone
	}
	if err != nil {
		return -1, fmt.Errorf("process %d: %w", id.PID, err)
	}
	// The descriptor names whoever had the pid a moment ago. Only when that is
	// the process that we mean, it stays so.
	if !f.Alive(id) {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("process %d: %w", id.PID, os.ErrProcessDone)
	}
	return fd, nil
}

// signalByPID is for kernels and sandboxes without process descriptors. Between
// the look and the signal lies a moment in which the pid could change hands.
func (f FS) signalByPID(id Identity, sig unix.Signal) error {
	if !f.Alive(id) {
		return fmt.Errorf("process %d: %w", id.PID, os.ErrProcessDone)
	}
	return signalled(id, unix.Kill(id.PID, sig))
}

func signalled(id Identity, err error) error {
	if errors.Is(err, unix.ESRCH) {
		err = os.ErrProcessDone
	}
	if err != nil {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}

// pollLive is how often Wait looks where the kernel can't tell it, and how long
// it goes without looking at the context where it can.
const pollLive = 50 * time.Millisecond

// Wait returns nil when the process has ended, or the context's error.
func (f FS) Wait(ctx context.Context, id Identity) error {
	fd, err := f.open(id)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err == nil {
		defer func() { _ = unix.Close(fd) }()
	}
	for ctx.Err() == nil {
		if !f.Alive(id) {
			return nil
		}
		if err == nil {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(pollLive.Milliseconds())) // #nosec G115 -- descriptors are small
			continue
		}
		pause(ctx, pollLive)
	}
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
