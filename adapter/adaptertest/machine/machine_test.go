package machine_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

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

// TestNetwork: this machine reaches the other ones at addresses of their own, also
// after a reboot, and not while their cable is pulled.
func TestNetwork(t *testing.T) {
	t.Parallel()
	one, two := machine.Start(t, machine.Options{Network: true}), machine.Start(t, machine.Options{Network: true})
	if one.Address == two.Address {
		t.Fatalf("both machines have the address %s", one.Address)
	}
	greets := func(m *machine.Machine, patience time.Duration) error {
		c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", net.JoinHostPort(m.Address, "22"))
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_, err = io.ReadFull(c, make([]byte, 4))
		return err
	}
	for _, m := range []*machine.Machine{one, two} {
		if known := m.SSH(t, "ssh-ed25519 AAAA nobody\n"); !strings.HasPrefix(known, m.Address+" ssh-ed25519 ") {
			t.Errorf("known as %q", known)
		}
		if err := greets(m, time.Minute); err != nil {
			t.Errorf("at %s: %v", m.Address, err)
		}
	}
	one.Plug(t, false)
	if err := greets(one, time.Second); err == nil {
		t.Error("it answers without its cable")
	}
	one.Plug(t, true)
	if err := errors.Join(greets(one, time.Minute), greets(two, time.Minute)); err != nil {
		t.Error(err)
	}
	was := one.Address
	if err := one.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := greets(one, time.Minute); err != nil || one.Address != was {
		t.Errorf("after a reboot at %s, was %s: %v", one.Address, was, err)
	}
}
