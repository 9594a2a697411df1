package ssh_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

// deployer makes a user who may log in to a server of its own, until the test ends.
func deployer(t *testing.T, name string) ripcord.MachineSpec {
	t.Helper()
	for _, words := range [][]string{{"useradd", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", name}, {"usermod", "--password", "*", name}} {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", words, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("userdel", name).CombinedOutput(); err != nil {
			t.Errorf("userdel: %v: %s", err, out)
		}
	})
	keys, err := os.MkdirTemp("", "keys") //nolint:usetesting // t.TempDir lies where the user may not read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(keys) })
	s := sshd.Start(t, sshd.Options{Config: "AuthorizedKeysFile " + filepath.Join(keys, "authorized")})
	text, err := os.ReadFile(filepath.Join(s.Dir, "authorized_keys"))
	if err := errors.Join(err, os.WriteFile(filepath.Join(keys, "authorized"), text, 0o600),
		os.Chmod(filepath.Join(keys, "authorized"), 0o644), os.Chmod(keys, 0o755)); err != nil {
		t.Fatal(err)
	}
	spec := specOf(s)
	spec.SSH = name + "@" + s.Address
	return spec
}

// trusted lets a user become root without a password.
func trusted(t *testing.T, name string) {
	t.Helper()
	path := "/etc/sudoers.d/" + name
	if err := os.WriteFile(path, []byte(name+" ALL=(root) NOPASSWD: /bin/sh\n"), 0o440); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
}

func TestSudo(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("ripcord-%d", os.Getpid())
	spec := deployer(t, name)
	id := ripcord.MachineCommand{Args: []string{"id", "-un"}}
	if got := output(t, machineOf(t, calm(), spec), id); got != name+"\n" {
		t.Errorf("without sudo it is %q", got)
	}
	spec.Sudo = true
	m := machineOf(t, calm(), spec)
	_, err := m.Run(t.Context(), id)
	refused, ok := errors.AsType[*ripcord.Error](err)
	if !ok || !errors.Is(err, ssh.ErrRefused) || !strings.Contains(refused.Message, "password is required") || !strings.Contains(refused.Fix, "NOPASSWD") {
		t.Errorf("nobody trusts it: %v", err)
	}
	trusted(t, name)
	id.Env, id.Dir, id.Input = []string{"WORD=it's \"a\"\nword"}, "/etc", strings.NewReader("typed")
	id.Args = []string{"sh", "-c", `id -un; pwd; echo "$WORD"; cat`}
	if got := output(t, m, id); got != "root\n/etc\nit's \"a\"\nword\ntyped" {
		t.Errorf("with sudo: %q", got)
	}
	path := filepath.Join(t.TempDir(), "file") // a folder of root's
	if err := m.WriteFile(t.Context(), path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if data, _, err := m.ReadFile(t.Context(), path); err != nil || string(data) != "secret" {
		t.Errorf("read: %q, %v", data, err)
	}
	if exit, err := m.Run(t.Context(), ripcord.MachineCommand{Args: []string{"sh", "-c", "exit 7"}}); err != nil || exit.Code != 7 {
		t.Errorf("exit %+v, %v", exit, err)
	}
}

// TestSudoLeash: what root runs ends with its connection, and when it must.
func TestSudoLeash(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("ripcordl-%d", os.Getpid())
	spec := deployer(t, name)
	trusted(t, name)
	spec.Sudo = true
	for _, how := range []string{"cancelled", "lost"} {
		pool := ssh.NewPool(quick())
		m, err := pool.Machines(map[string]ripcord.MachineSpec{"app1": spec}, nil).Machine(t.Context(), "app1")
		if err != nil {
			t.Fatal(err)
		}
		marker := filepath.Join(t.TempDir(), "pid")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := m.Run(ctx, ripcord.MachineCommand{Args: []string{"sh", "-c", `sleep 1000 & echo $! >"$0"; wait`, marker}})
			ended <- err
		}()
		eventually(t, "the command runs", func() bool { text, err := os.ReadFile(marker); return err == nil && len(text) > 1 })
		text, err := os.ReadFile(marker)
		if err != nil {
			t.Fatal(err)
		}
		if cancel(); how == "lost" {
			_ = pool.Close()
		}
		if err := <-ended; err == nil {
			t.Errorf("%s: no error", how)
		}
		eventually(t, how+": nothing of it runs", func() bool {
			_, err := os.Stat("/proc/" + strings.TrimSpace(string(text)))
			return errors.Is(err, os.ErrNotExist)
		})
		_ = pool.Close()
	}
}
