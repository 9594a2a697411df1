package machine_test

import (
	"io"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/machine"
)

// TestMachine: files stay over a reboot and a power cut, two machines do not
// meet, and their networks are their own.
func TestMachine(t *testing.T) {
	t.Parallel()
	m, other := machine.Start(t, machine.Options{}), machine.Start(t, machine.Options{})
	m.Write(t, "/var/lib/here/it", []byte("stays"), 0o600)
	boots := map[string]bool{}
	boot := func() {
		t.Helper()
		id := m.Run(t, "cat", "/proc/sys/kernel/random/boot_id")
		state, _ := m.Command(t.Context(), "systemctl", "is-system-running").Output()
		if strings.TrimSpace(string(state)) != "running" {
			t.Errorf("the machine is %s: %s", state, m.Run(t, "systemctl", "--failed"))
		}
		if got := m.Run(t, "cat", "/var/lib/here/it"); got != "stays" {
			t.Errorf("the file holds %q", got)
		}
		boots[id+m.Run(t, "systemctl", "show", "-p", "UserspaceTimestampMonotonic")] = true
	}
	boot()
	if err := m.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	boot()
	if err := m.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	boot()
	if len(boots) != 3 {
		t.Errorf("the machine says that it booted at %v", boots)
	}
	if out, err := other.Command(t.Context(), "cat", "/var/lib/here/it").CombinedOutput(); err == nil {
		t.Errorf("the other machine has the file: %s", out)
	}
	m.Run(t, "systemctl", "start", "ssh")
	if _, err := other.DialContext(t.Context(), "tcp", "127.0.0.1:22"); err == nil {
		t.Error("both machines answer to one address")
	}
	c, err := m.DialContext(t.Context(), "tcp", "127.0.0.1:22")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	hello := make([]byte, 4)
	if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "SSH-" {
		t.Errorf("sshd says %q, %v", hello, err)
	}
}
