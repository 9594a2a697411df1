package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
)

// both are the machine behind a server and this one: they must behave alike.
func both(t *testing.T) map[string]ripcord.Machine {
	t.Helper()
	s := sshd.Start(t, sshd.Options{})
	specs := map[string]ripcord.MachineSpec{"app1": specOf(s)}
	return map[string]ripcord.Machine{"ssh": named(t, calm(), specs, "app1"), "local": named(t, calm(), specs, "")}
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, m := range both(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			odd := "it's \"odd\" $HOME `id` \\ * ?\n\tsecond line; é"
			for _, c := range []struct {
				what string
				c    ripcord.MachineCommand
				want string
			}{
				{"words", ripcord.MachineCommand{Args: []string{"printf", "%s|", "a b", odd, ""}}, "a b|" + odd + "||"},
				{"environment", ripcord.MachineCommand{Args: []string{"sh", "-c", `printf %s "$ODD"`}, Env: []string{"ODD=" + odd}}, odd},
				{"folder", ripcord.MachineCommand{Args: []string{"pwd"}, Dir: dir}, dir + "\n"},
				{"input", ripcord.MachineCommand{Args: []string{"cat"}, Input: strings.NewReader("a\x00b\n")}, "a\x00b\n"},
				{"no input", ripcord.MachineCommand{Args: []string{"cat"}}, ""},
				{"its own word", ripcord.MachineCommand{Args: []string{"echo", "ripcord-leash: 1 2"}}, "ripcord-leash: 1 2\n"},
			} {
				if got := output(t, m, c.c); strings.TrimSuffix(got, "|")+"|" != strings.TrimSuffix(c.want, "|")+"|" {
					t.Errorf("%s: %q, not %q", c.what, got, c.want)
				}
			}
			var out, said bytes.Buffer
			exit, err := m.Run(t.Context(), ripcord.MachineCommand{Args: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, Output: &out, Errors: &said})
			if err != nil || exit.Code != 7 || exit.Signal != "" || out.String() != "out\n" || said.String() != "err\n" {
				t.Errorf("%+v, %v, %q, %q", exit, err, out.String(), said.String())
			}
			exit, err = m.Run(t.Context(), ripcord.MachineCommand{Args: []string{"sh", "-c", "kill -TERM $$"}})
			if err != nil || exit.Signal != "terminated" {
				t.Errorf("a signal: %+v, %v", exit, err)
			}
			if _, err := m.Run(t.Context(), ripcord.MachineCommand{Args: []string{"no-such-program"}}); err == nil {
				t.Error("a program that is not there was started")
			}
		})
	}
}

// The end of the context ends the whole process group, at once.
func TestRunStops(t *testing.T) {
	t.Parallel()
	for name, m := range both(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				_, err := m.Run(ctx, ripcord.MachineCommand{Args: []string{"sh", "-c", late}, Dir: dir})
				ended <- err
			}()
			eventually(t, "it started", func() bool { return exists(dir, "started") })
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			nothingLate(t, dir)
		})
	}
}

// late starts two children that would write late, one of them in the background.
const late = `echo $$ >pid; touch started; (trap "" TERM HUP INT; sleep 2; touch late) & sleep 2; touch later; wait`

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// nothingLate proves that nobody is left in the command's process group.
func nothingLate(t *testing.T, dir string) {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if left := group(t, strings.TrimSpace(string(pid))); len(left) > 0 {
		t.Errorf("of the process group %s are left: %v", pid, left)
	}
	if exists(dir, "late") || exists(dir, "later") {
		t.Error("something came late")
	}
}

// group lists the living members of a process group.
func group(t *testing.T, id string) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 2 && fields[2] == id && fields[0] != "Z" {
			left = append(left, string(text))
		}
	}
	return left
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for name, m := range both(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, dir := t.Context(), filepath.Join(t.TempDir(), "it's a folder")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "a file")
			if _, _, err := m.ReadFile(ctx, path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no file: %v", err)
			}
			for _, want := range []string{"one", "", "two\x00\n\n", strings.Repeat("long\n", 1<<18)} {
				if err := m.WriteFile(ctx, path, []byte(want), 0o640); err != nil {
					t.Fatal(err)
				}
				got, mode, err := m.ReadFile(ctx, path)
				if err != nil || string(got) != want || mode != 0o640 {
					t.Errorf("%d bytes, not %d, %v, %v", len(got), len(want), mode, err)
				}
			}
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.WriteFile(ctx, path, []byte(strings.Repeat("long\n", 1<<18)), 0o640); err != nil {
				t.Fatal(err)
			}
			if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("a file that is as wanted was replaced: %v", err)
			}
			if _, _, err := m.ReadFile(ctx, dir); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a folder was read: %v", err)
			}
			if err := m.WriteFile(ctx, dir, nil, 0o600); err == nil {
				t.Error("a folder was replaced")
			}
			if err := m.WriteFile(ctx, filepath.Join(dir, "none", "x"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("written where there is no folder: %v", err)
			}
			if err := m.Remove(ctx, dir); err == nil {
				t.Error("a folder with a file was removed")
			}
			for range 2 {
				if err := errors.Join(m.Remove(ctx, path), m.Remove(ctx, dir)); err != nil {
					t.Error(err)
				}
				if name == "local" {
					break // its folder's folder is what it flushes
				}
			}
			if exists(filepath.Dir(dir), filepath.Base(dir)) {
				t.Error("the folder is left")
			}
		})
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	for name, m := range both(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, network := range []string{"tcp", "unix"} {
				address := "127.0.0.1:0"
				if network == "unix" {
					address = filepath.Join(t.TempDir(), "s")
				}
				l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = l.Close() }()
				go func() {
					if conn, err := l.Accept(); err == nil {
						_, _ = io.Copy(conn, conn)
						_ = conn.Close()
					}
				}()
				conn, err := m.Dial(t.Context(), network, l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := conn.(net.Conn); !ok {
					t.Errorf("%T is no net.Conn", conn)
				}
				got := make([]byte, 5)
				if _, err := conn.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
					t.Errorf("%q, %v", got, err)
				}
				_ = conn.Close()
			}
			if _, err := m.Dial(t.Context(), "unix", "/nonexistent/socket"); err == nil {
				t.Error("connected to nothing")
			}
		})
	}
}
