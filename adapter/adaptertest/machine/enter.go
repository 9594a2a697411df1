package machine

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Command is a command inside the machine, run as its root, in its root folder.
func (m *Machine) Command(ctx context.Context, argv ...string) *exec.Cmd {
	args := append([]string{"-t", strconv.Itoa(m.leader), "-m", "-u", "-i", "-p", "-n", "--wdns=/", "--"}, argv...)
	cmd := exec.CommandContext(ctx, "nsenter", args...) //nolint:gosec // a test's own command
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
	}
	return cmd
}

// Run runs a command inside and returns what it printed; the test fails when
// the command does.
func (m *Machine) Run(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := m.Command(t.Context(), argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// Write puts a file into the machine, and the folders above it.
func (m *Machine) Write(t testing.TB, path string, data []byte, mode os.FileMode) {
	t.Helper()
	const script = `mkdir -p "$1" && cat >"$2" && chmod "$3" "$2"`
	cmd := m.Command(t.Context(), "sh", "-c", script, "write", filepath.Dir(path), path, fmt.Sprintf("%o", mode))
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("write %s: %v\n%s", path, err, out)
	}
}

// DialContext connects to an address of the machine's own network, for example
// "127.0.0.1:8080". The host must be a numeric address.
func (m *Machine) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// The thread is never unlocked: it ends with the goroutine instead of
		// serving others in the wrong network.
		runtime.LockOSThread()
		if err := enterNetwork(m.leader); err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// enterNetwork moves the calling thread into the network of a process.
func enterNetwork(pid int) error {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the machine's network: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the machine's network: %w", err)
	}
	return nil
}
