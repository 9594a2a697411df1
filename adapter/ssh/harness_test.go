package ssh_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

// specOf is how a server is reached as root.
func specOf(s *sshd.Server) ripcord.MachineSpec {
	return ripcord.MachineSpec{SSH: "root@" + s.Address, Identity: []string{s.Key}, KnownHosts: []string{s.KnownHosts}}
}

// calm are the usual options: a busy machine is not a lost connection.
func calm() ssh.Options { return ssh.Options{Now: time.Now} }

// quick are options with which loss is noticed soon.
func quick() ssh.Options {
	return ssh.Options{Now: time.Now, Beat: 200 * time.Millisecond, Silence: 2 * time.Second, ConnectTimeout: 10 * time.Second}
}

func machineOf(t *testing.T, o ssh.Options, spec ripcord.MachineSpec) ripcord.Machine {
	t.Helper()
	return named(t, o, map[string]ripcord.MachineSpec{"app1": spec}, "app1")
}

func named(t *testing.T, o ssh.Options, specs map[string]ripcord.MachineSpec, name string) ripcord.Machine {
	t.Helper()
	m, err := poolOf(t, o).Machines(specs, nil).Machine(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// output runs a command and returns what it printed.
func output(t *testing.T, m ripcord.Machine, c ripcord.MachineCommand) string {
	t.Helper()
	var out, said bytes.Buffer
	c.Output, c.Errors = &out, &said
	exit, err := m.Run(t.Context(), c)
	if err != nil || exit.Code != 0 {
		t.Fatalf("%q: %+v, %v\n%s", c.Args, exit, err, said.String())
	}
	return out.String()
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			t.Fatalf("it did not happen that %s", what)
		}
	}
}

func poolOf(t *testing.T, o ssh.Options) *ssh.Pool {
	t.Helper()
	pool := ssh.NewPool(o)
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return pool
}
