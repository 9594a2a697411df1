package ssh_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
)

// running starts a command that would write late, and returns how it ends.
func running(t *testing.T, m ripcord.Machine) (dir string, ended <-chan error) {
	t.Helper()
	dir = t.TempDir()
	result := make(chan error, 1)
	go func() {
		_, err := m.Run(t.Context(), ripcord.MachineCommand{Args: []string{"sh", "-c", strings.ReplaceAll(late, "sleep 2", "sleep 20")}, Dir: dir})
		result <- err
	}()
	eventually(t, "it started", func() bool { return exists(dir, "started") })
	return dir, result
}

// TestLost: when the connection is cut, the result is unknown, and nothing of the
// command is left when that is said. The next command gets a new connection.
func TestLost(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	m := machineOf(t, quick(), specOf(s))
	for range 2 {
		dir, ended := running(t, m)
		s.SignalSessions(syscall.SIGKILL)
		if err := <-ended; !errors.Is(err, ripcord.ErrLost) || !strings.Contains(err.Error(), "app1") {
			t.Errorf("%v", err)
		}
		nothingLate(t, dir)
	}
}

// TestLostAndGone: the machine cannot be reached again either. Then time proves
// that nothing is left.
func TestLostAndGone(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	m := machineOf(t, quick(), specOf(s))
	dir, ended := running(t, m)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ripcord.ErrLost) {
		t.Errorf("%v", err)
	}
	nothingLate(t, dir)
}

// TestHanging: a peer that hangs is noticed, and its command ends there by itself,
// because no sign of life comes through.
func TestHanging(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	m := machineOf(t, quick(), specOf(s))
	dir, ended := running(t, m)
	_ = s.Signal(syscall.SIGSTOP)
	s.SignalSessions(syscall.SIGSTOP)
	if err := <-ended; !errors.Is(err, ripcord.ErrLost) {
		t.Errorf("%v", err)
	}
	nothingLate(t, dir)
	_ = s.Signal(syscall.SIGCONT)
	s.SignalSessions(syscall.SIGCONT)
	output(t, m, ripcord.MachineCommand{Args: []string{"true"}})
}

// TestHangingStops: who gives up on a peer that hangs does not wait for ever, and
// nothing comes late.
func TestHangingStops(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	m := machineOf(t, quick(), specOf(s))
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := m.Run(ctx, ripcord.MachineCommand{Args: []string{"sh", "-c", strings.ReplaceAll(late, "sleep 2", "sleep 20")}, Dir: dir})
		ended <- err
	}()
	eventually(t, "it started", func() bool { return exists(dir, "started") })
	_ = s.Signal(syscall.SIGSTOP)
	s.SignalSessions(syscall.SIGSTOP)
	cancel()
	if err := <-ended; err == nil {
		t.Error("it ended well")
	}
	nothingLate(t, dir)
	_ = s.Signal(syscall.SIGCONT)
	s.SignalSessions(syscall.SIGCONT)
}

// TestOwnProcessDies: the executor is gone without a word; so is its command.
func TestOwnProcessDies(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	pool := quick()
	m := machineOf(t, pool, specOf(s))
	dir, ended := running(t, m)
	for _, pid := range s.Sessions() { // its end of the connection ends, as it would
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	if err := <-ended; !errors.Is(err, ripcord.ErrLost) {
		t.Errorf("%v", err)
	}
	nothingLate(t, dir)
}

// TestDetached: what a command leaves behind on purpose stays, as on this machine.
func TestDetached(t *testing.T) {
	t.Parallel()
	for name, m := range both(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			output(t, m, ripcord.MachineCommand{Args: []string{"sh", "-c", "sleep 0.3 && touch late >/dev/null 2>&1 & echo started >&2"}, Dir: dir})
			eventually(t, "what was left behind went on", func() bool { return exists(dir, "late") })
		})
	}
}

// TestManySessions: more commands at once than a connection carries, also when the
// server allows fewer than sshd does by itself.
func TestManySessions(t *testing.T) {
	t.Parallel()
	for _, config := range []string{"", "MaxSessions 3", "MaxSessions 1"} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			s := sshd.Start(t, sshd.Options{Config: config})
			m := machineOf(t, calm(), specOf(s))
			var all sync.WaitGroup
			for range 60 {
				all.Go(func() {
					exit, err := m.Run(t.Context(), ripcord.MachineCommand{Args: []string{"sh", "-c", "exit 3"}})
					if err != nil || exit.Code != 3 {
						t.Errorf("%+v, %v", exit, err)
					}
				})
			}
			all.Wait()
			if n := strings.Count(s.Log(), "Accepted publickey"); n > 4*20 {
				t.Errorf("%d logins for 60 commands", n)
			}
		})
	}
	s := sshd.Start(t, sshd.Options{Config: "MaxSessions 0"})
	if _, err := machineOf(t, calm(), specOf(s)).Run(t.Context(), ripcord.MachineCommand{Args: []string{"true"}}); err == nil || !strings.Contains(err.Error(), "opens no session") {
		t.Errorf("%v", err)
	}
}

// TestManyLogins: many machines behind one server that takes few logins at once.
func TestManyLogins(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{Config: "MaxStartups 3:80:5"})
	specs := map[string]ripcord.MachineSpec{}
	for i := range 30 {
		specs[fmt.Sprintf("app%d", i)] = specOf(s)
	}
	pool := calm()
	var all sync.WaitGroup
	machines := poolOf(t, pool).Machines(specs, nil)
	for name := range specs {
		all.Go(func() {
			m, err := machines.Machine(t.Context(), name)
			if err == nil {
				_, err = m.Run(t.Context(), ripcord.MachineCommand{Args: []string{"true"}})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestJump: through one machine and through two, which see no key of ours.
func TestJump(t *testing.T) {
	t.Parallel()
	bastion, inner, last := sshd.Start(t, sshd.Options{}), sshd.Start(t, sshd.Options{}), sshd.Start(t, sshd.Options{})
	specs := map[string]ripcord.MachineSpec{"bastion": specOf(bastion), "inner": specOf(inner), "last": specOf(last)}
	jump := func(name, over string) {
		spec := specs[name]
		spec.Jump = over
		specs[name] = spec
	}
	jump("inner", "bastion")
	jump("last", "inner")
	m := named(t, quick(), specs, "last")
	if got := output(t, m, ripcord.MachineCommand{Args: []string{"sh", "-c", "echo $HOME"}}); strings.TrimSpace(got) != last.Home {
		t.Errorf("it ran where HOME is %s", got)
	}
	dir, ended := running(t, m)
	bastion.SignalSessions(syscall.SIGKILL)
	if err := <-ended; !errors.Is(err, ripcord.ErrLost) {
		t.Errorf("%v", err)
	}
	nothingLate(t, dir)
	output(t, m, ripcord.MachineCommand{Args: []string{"true"}})
	if err := inner.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := m.Run(t.Context(), ripcord.MachineCommand{Args: []string{"true"}})
	if err == nil || !strings.Contains(err.Error(), "inner") {
		t.Errorf("the jump host is gone: %v", err)
	}
}

// TestOddShells: servers that run something else than what they are asked to.
func TestOddShells(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		"ForceCommand /bin/false":      "does not run commands",
		"ForceCommand echo no; exit 3": "does not run commands",
	} {
		s := sshd.Start(t, sshd.Options{Config: config})
		if _, err := machineOf(t, calm(), specOf(s)).Run(t.Context(), ripcord.MachineCommand{Args: []string{"true"}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// TestWriteIsAtomic: a reader finds the old content or the new one, and a cut
// connection leaves the old.
func TestWriteIsAtomic(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	m := machineOf(t, calm(), specOf(s))
	path := filepath.Join(t.TempDir(), "file")
	texts := []string{strings.Repeat("a", 1<<20), strings.Repeat("b", 1<<20)}
	if err := m.WriteFile(t.Context(), path, []byte(texts[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != texts[0] && string(got) != texts[1] {
				t.Errorf("a reader found %d bytes, %v", len(got), err)
				return
			}
		}
	})
	for i := range 6 {
		if i%2 == 1 {
			time.AfterFunc(time.Duration(5*i)*time.Millisecond, func() { s.SignalSessions(syscall.SIGKILL) })
		}
		_ = m.WriteFile(t.Context(), path, []byte(texts[i%2]), 0o600) // half of them are cut
	}
	close(stop)
	reader.Wait()
	if err := m.WriteFile(t.Context(), path, []byte(texts[1]), 0o600); err != nil {
		t.Error(err)
	}
}
