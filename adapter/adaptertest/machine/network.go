package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// cables is how many machines can be connected to this one at a time.
const cables = 1 << 14

// connect lays a cable between this machine and the booted one: a pair of network
// interfaces. Each machine has a network of its own there, within 198.18.0.0/15,
// which is meant for tests, so that machines do not meet one another. It is gone
// with the machine's last process.
func (m *Machine) connect(ctx context.Context) error {
	if m.Address != "" { // it has booted again, and keeps its address
		return m.until(ctx, "the machine's old cable is gone", func() bool { return m.lay(ctx, m.cable) == nil })
	}
	var err error
	for i := range cables {
		n := (os.Getpid()*61 + i) % cables
		if err = m.lay(ctx, n); err == nil || !strings.Contains(err.Error(), "File exists") {
			return err
		}
	}
	return err
}

// lay lays the cable of a number; its name keeps others from taking the same one.
func (m *Machine) lay(ctx context.Context, n int) error {
	name, leader := "ripcord"+strconv.Itoa(n), strconv.Itoa(m.leader)
	here, there := addressOf(4*n+1), addressOf(4*n+2)
	if err := do(ctx, "ip", "link", "add", name, "type", "veth", "peer", "name", "host0", "netns", leader); err != nil {
		return fmt.Errorf("connect the machine: %w", err)
	}
	for _, words := range [][]string{
		{"ip", "addr", "add", here + "/30", "dev", name},
		{"ip", "link", "set", name, "up"},
		{"nsenter", "-t", leader, "-n", "ip", "addr", "add", there + "/30", "dev", "host0"},
		{"nsenter", "-t", leader, "-n", "ip", "link", "set", "host0", "up"},
	} {
		if err := do(ctx, words[0], words[1:]...); err != nil {
			return fmt.Errorf("connect the machine: %w", err)
		}
	}
	m.cable, m.Address = n, there
	// While the machine is off, its address leads nowhere; the cable's own route is
	// the nearer one. The first boot has added it already.
	_ = do(ctx, "ip", append([]string{"route", "add"}, m.nowhere()...)...)
	return nil
}

// nowhere is the route to the machine while it is off.
func (m *Machine) nowhere() []string {
	return []string{"unreachable", addressOf(4*m.cable) + "/30", "metric", "4000"}
}

// disconnect removes what stays of the machine's cable.
func (m *Machine) disconnect(ctx context.Context) error {
	if m.Address == "" {
		return nil
	}
	return do(ctx, "ip", append([]string{"route", "del"}, m.nowhere()...)...)
}

func addressOf(n int) string { return fmt.Sprintf("198.%d.%d.%d", 18+n>>16, n>>8&0xff, n&0xff) }

// Plug pulls the machine's cable, or puts it back: it goes on, and nobody reaches it.
func (m *Machine) Plug(t testing.TB, in bool) {
	t.Helper()
	state := map[bool]string{true: "up", false: "down"}[in]
	if err := do(t.Context(), "ip", "link", "set", "ripcord"+strconv.Itoa(m.cable), state); err != nil {
		t.Fatal(err)
	}
}

// SSH lets the owner of a public key log in as root, starts the machine's SSH server
// now and at each boot, and returns its line for known_hosts.
func (m *Machine) SSH(t testing.TB, public string) (known string) {
	t.Helper()
	m.Write(t, filepath.Join("/", "root", ".ssh", "authorized_keys"), []byte(public), 0o600)
	m.Run(t, "systemctl", "enable", "--quiet", "--now", "ssh")
	fields := strings.Fields(m.Run(t, "cat", "/etc/ssh/ssh_host_ed25519_key.pub"))
	return m.Address + " " + fields[0] + " " + fields[1] + "\n"
}

// networked says what is missing to connect machines here.
func networked() error {
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("connecting machines needs ip: apt-get install iproute2")
	}
	return nil
}
