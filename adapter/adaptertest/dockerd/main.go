package dockerd

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// stage tells a copy of the test binary what it is: the first process of the
// namespaces, or the tests themselves.
const (
	stage      = "RIPCORD_TEST_DOCKERD"
	stageFirst = "first:"
	stageTests = "tests:"
)

// Main runs the tests inside the namespaces and returns their exit status.
func Main(m *testing.M) int {
	is := os.Getenv(stage)
	switch {
	case strings.HasPrefix(is, stageTests):
		return m.Run()
	case strings.HasPrefix(is, stageFirst):
		return first(strings.TrimPrefix(is, stageFirst))
	}
	folder, err := os.MkdirTemp("", "ripcord-dockerd-")
	if err != nil {
		return report(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	defer forget(filepath.Base(folder))
	c := again(stageFirst + folder)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
	}
	// Whoever stops the tests stops them inside.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := c.Start(); err != nil {
		return report(fmt.Errorf("only root may run these tests: %w", err))
	}
	go func() {
		for range signals {
			_ = c.Process.Kill()
		}
	}()
	if err := c.Wait(); err != nil && c.ProcessState == nil {
		return report(err)
	}
	return c.ProcessState.ExitCode()
}

func again(is string) *exec.Cmd {
	c := exec.CommandContext(context.Background(), "/proc/self/exe", os.Args[1:]...) //nolint:gosec // this very binary
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), stage+"="+is)
	return c
}

func report(err error) int {
	fmt.Fprintln(os.Stderr, "dockerd:", err)
	return 1
}

// first is process 1 of the namespaces: it prepares them, starts the tests, and
// buries what dies.
func first(folder string) int {
	if err := prepare(); err != nil {
		return report(err)
	}
	c := again(stageTests + folder)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return report(err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return report(err)
		case pid == c.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == c.Process.Pid:
			return report(fmt.Errorf("the tests were ended by %s", status.Signal()))
		}
	}
}

// prepare gives the namespaces what an engine wants: mounts that nobody else
// sees, its own /proc and /run, and a loopback that is up.
func prepare() error {
	for _, m := range []struct {
		from, at, kind string
		flags          uintptr
	}{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		{"tmpfs", "/run", "tmpfs", 0},
	} {
		if err := unix.Mount(m.from, m.at, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	return up("lo")
}

// up brings a network interface up.
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err = net.InterfaceByName(name)
	return err
}

// forget removes the control groups that containers left.
func forget(parent string) {
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		tops, _ := filepath.Glob(pattern + parent) // the patterns are right
		for _, top := range tops {
			below, _ := filepath.Glob(top + "/*")
			for _, path := range append(below, top) {
				_ = unix.Rmdir(path) // what is still in use goes when its processes have
			}
		}
	}
}

// Folder is where the engine of these tests lives; it goes when they have ended.
func Folder() string { return strings.TrimPrefix(os.Getenv(stage), stageTests) }
