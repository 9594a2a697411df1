// Package machine is the machine that Ripcord itself runs on, for adapters that
// work through ripcord.Machine.
package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// Local is the machine that Ripcord runs on. Its zero value is ready.
type Local struct{}

// Name is empty: the machine that Ripcord runs on.
func (Local) Name() string { return "" }

// Run runs a command, which does not outlive its executor: nothing of it may
// come late.
func (Local) Run(ctx context.Context, c ripcord.MachineCommand) (ripcord.Exit, error) {
	if err := ctx.Err(); err != nil {
		return ripcord.Exit{}, err
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // the adapter's own commands
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Dir, c.Input, c.Output, c.Errors
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// The kernel sends the signal of Pdeathsig when this very thread ends.
	runtime.LockOSThread()
	err := cmd.Run()
	runtime.UnlockOSThread()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		exit := ripcord.Exit{Code: ended.ExitCode()}
		if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			exit.Signal = status.Signal().String()
		}
		return exit, ctx.Err()
	}
	return ripcord.Exit{}, err
}

// ReadFile returns a file's content and mode.
func (Local) ReadFile(_ context.Context, path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", path)
	}
	data, err := os.ReadFile(path) //nolint:gosec // the adapter's own files
	return data, info.Mode().Perm(), err
}

// WriteFile replaces a file: a reader finds the old one or the new one, also
// after a crash. A file that is as wanted is left alone.
func (Local) WriteFile(_ context.Context, path string, data []byte, mode fs.FileMode) error {
	old, err := os.ReadFile(path) //nolint:gosec // the adapter's own files
	if info, errInfo := os.Stat(path); err == nil && errInfo == nil && info.Mode().Perm() == mode && bytes.Equal(old, data) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ripcord-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// Remove removes a file or an empty folder.
func (Local) Remove(_ context.Context, path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, syncFolder(filepath.Dir(path)))
}

func syncFolder(path string) error {
	f, err := os.Open(path) //nolint:gosec // the adapter's own folders
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Dial connects.
func (Local) Dial(ctx context.Context, network, address string) (io.ReadWriteCloser, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
