package machine

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/child"
)

//go:embed start.sh
var start string

// patience is how long a boot or a shutdown may take.
const patience = 60 * time.Second

// Options are what a machine can have.
type Options struct {
	// Binds shows folders or files of this machine inside, read-only: inside
	// path to outside path.
	Binds map[string]string
	// Network connects it with this machine, which reaches it at Address.
	Network bool
}

// Machine is one booted machine.
type Machine struct {
	// Address is where this machine reaches it; empty where it has no network but
	// its own.
	Address string

	cable   int
	network bool

	name string
	dir  string
	cmd  *exec.Cmd
	// boot takes a line for each boot.
	boot    io.WriteCloser
	console *console
	ended   <-chan struct{}
	leader  int
	stop    sync.Once
}

// console keeps what the machine prints while it boots and stops.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// Start boots a machine that is thrown away when the test ends.
func Start(t testing.TB, o Options) *Machine {
	t.Helper()
	m, err := boot(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the machine's console:\n%s", m.console)
		}
	})
	return m
}

// boot makes a machine and waits until it is up.
func boot(ctx context.Context, o Options) (*Machine, error) {
	from, err := root(ctx)
	if err != nil {
		return nil, err
	}
	if o.Network {
		if err := networked(); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "ripcord-machine-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // other users live inside
		return nil, err
	}
	m := &Machine{name: filepath.Base(dir), dir: dir, network: o.Network, console: &console{}}
	args := []string{"--mount", "--propagation", "private", "--pid", "--mount-proc", "--fork", "--kill-child", "--", "sh", "-c", start, "machine", from, dir, m.name}
	for inside, outside := range o.Binds {
		args = append(args, "--bind-ro="+outside+":"+inside)
	}
	m.cmd = exec.Command("unshare", args...) //nolint:gosec,noctx // Stop ends it, in order
	m.cmd.Stdout, m.cmd.Stderr = m.console, m.console
	if m.boot, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if m.ended, err = child.Start(m.cmd, syscall.SIGKILL); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	if err := m.Boot(ctx); err != nil {
		return nil, errors.Join(err, m.Stop()) //nolint:contextcheck // also when ctx has ended
	}
	return m, nil
}

// Boot switches a machine on that is off, and waits until it is up.
func (m *Machine) Boot(ctx context.Context) error {
	if _, err := io.WriteString(m.boot, "on\n"); err != nil {
		return fmt.Errorf("switch the machine on: %w\n%s", err, m.console)
	}
	return m.up(ctx, 0)
}

// Reboot shuts the machine down in order and waits until it is up again.
func (m *Machine) Reboot(ctx context.Context) error {
	before := m.leader
	if out, err := m.Command(ctx, "systemctl", "reboot").CombinedOutput(); err != nil && exists(before) {
		return fmt.Errorf("systemctl reboot: %w: %s", err, out)
	}
	return m.up(ctx, before)
}

// Cut ends every process of the machine at once, as the loss of its power
// would. It is off then; its files stay.
func (m *Machine) Cut(ctx context.Context) error {
	leader := m.leader
	if err := syscall.Kill(leader, syscall.SIGKILL); err != nil {
		return fmt.Errorf("cut the machine's power: %w", err)
	}
	return m.until(ctx, "the machine is off", func() bool { return !exists(leader) && m.nspawn() == 0 })
}

// Stop throws the machine away. Stopping twice is safe.
func (m *Machine) Stop() error {
	var err error
	m.stop.Do(func() {
		_ = m.boot.Close()
		_ = syscall.Kill(m.cmd.Process.Pid, syscall.SIGKILL) // everything of it dies with its namespace
		<-m.ended
		err = errors.Join(m.forget(), os.Remove(m.dir))
	})
	return err
}

// forget removes the machine's control groups, as soon as they are empty, and what
// is left of its cable.
func (m *Machine) forget() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, part := range []string{"", "systemd", "unified", "memory", "pids", "cpu", "cpuacct"} {
		tree := filepath.Join("/sys/fs/cgroup", part, m.name)
		for !prune(tree) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("processes of the machine are left in %s", tree)
			case <-tick.C:
			}
		}
	}
	return m.disconnect(ctx)
}

// prune removes a tree of control groups and reports whether it is gone.
func prune(tree string) bool {
	entries, err := os.ReadDir(tree)
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	for _, entry := range entries {
		if entry.IsDir() {
			prune(filepath.Join(tree, entry.Name()))
		}
	}
	return os.Remove(tree) == nil
}

// up waits until another leader than before has booted the machine.
func (m *Machine) up(ctx context.Context, before int) error {
	connected := !m.network
	return m.until(ctx, "the machine is up", func() bool {
		leader := m.findLeader()
		if leader == 0 || leader == before {
			return false
		}
		m.leader = leader
		if !connected && m.connect(ctx) != nil {
			return false
		}
		connected = true
		out, err := m.Command(ctx, "systemctl", "is-system-running", "--wait").Output()
		state := strings.TrimSpace(string(out))
		return err == nil || state == "degraded"
	})
}

func (m *Machine) until(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("in %s it did not happen that %s\n%s", patience, what, m.console)
		case <-m.ended:
			if !holds() {
				return fmt.Errorf("the machine ended before %s\n%s", what, m.console)
			}
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// nspawn is the process that runs the machine; 0 while it is off.
func (m *Machine) nspawn() int {
	for _, shell := range children(m.cmd.Process.Pid) {
		for _, child := range children(shell) {
			if name(child) == "systemd-nspawn" {
				return child
			}
		}
	}
	return 0
}

// findLeader is the machine's first process, seen from here; 0 for none.
func (m *Machine) findLeader() int {
	for _, child := range children(m.nspawn()) {
		if name(child) == "systemd" {
			return child
		}
	}
	return 0
}

func children(pid int) []int {
	if pid == 0 {
		return nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for word := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func name(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }
