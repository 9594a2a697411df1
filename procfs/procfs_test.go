package procfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	rest := " S 1 42 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 987654 1 2 18446744073709551615\n"
	want := func(name string) Process {
		return Process{PID: 42, Name: name, State: 'S', Parent: 1, Group: 42, Session: 7, Threads: 3, Start: 987654}
	}
	for _, name := range []string{"sh", "a b", "(sd-pam)", ") R 9 9 9", "a\nb", ""} {
		got, err := ParseStat([]byte("42 (" + name + ")" + rest))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if diff := cmp.Diff(want(name), got); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
	for _, bad := range []string{"", "42", "42 (sh", "42 (sh) S 1", "x (sh)" + rest, "42 (sh) SS" + rest[2:]} {
		if _, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a b) S 1 42 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 987654 1 2 3\n"))
	f.Add([]byte(") ("))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := ParseStat(data); err == nil && p.State == 0 {
			t.Fatalf("%q gave a process without a state", data)
		}
	})
}

func TestIdentityOfAChild(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	cmd.Env = []string{"PROCFS_TEST=" + t.Name()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !Alive(id) {
		t.Fatal("a running child counts as dead")
	}
	stranger := id
	stranger.Start++
	if Alive(stranger) {
		t.Fatal("another start time counts as the same process")
	}
	if err := Signal(stranger, unix.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("a recycled pid got the signal: %v", err)
	}
	rebooted := System()
	rebooted.BootID = "another"
	if rebooted.Alive(id) {
		t.Fatal("a process outlived a reboot")
	}
	waitForEnv(t, id.PID)
	if err := Signal(id, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := System().Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if Alive(id) { // not reaped yet: a zombie
		t.Fatal("a zombie counts as alive")
	}
	_ = cmd.Wait()
	if _, err := Of(id.PID); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("identity of a reaped process: %v", err)
	}
	if err := Signal(id, unix.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("signal to a reaped process: %v", err)
	}
}

func waitForEnv(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		tree, err := System().Tree()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range tree.WithEnv("PROCFS_TEST", t.Name()) {
			if p.PID == pid {
				return
			}
		}
	}
	t.Fatalf("process %d was not found by its environment", pid)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := System().Wait(ctx, self); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

// fake writes a proc file system with processes pid: (parent, session, state, threads).
func fake(t *testing.T, processes map[int][4]string) FS {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sys/kernel/random/boot_id", "boot-1\n")
	for pid, p := range processes {
		name := strconv.Itoa(pid)
		write(name+"/stat", name+" (x y) "+p[2]+" "+p[0]+" 1 "+p[1]+" 0 0 0 0 0 0 0 0 0 0 0 0 0 "+p[3]+" 0 77 0")
		write(name+"/environ", "A=1\x00KEY=session-"+p[1]+"\x00")
	}
	return FS{Root: root}
}

func TestTree(t *testing.T) {
	t.Parallel()
	f := fake(t, map[int][4]string{
		1: {"0", "1", "S", "1"}, 10: {"1", "10", "S", "1"}, 11: {"10", "10", "R", "1"},
		12: {"11", "12", "T", "1"}, 13: {"10", "10", "Z", "1"}, 14: {"12", "12", "Z", "4"},
	})
	tree, err := f.Tree()
	if err != nil {
		t.Fatal(err)
	}
	pids := func(all []Process) (pids []int) {
		for _, p := range all {
			pids = append(pids, p.PID)
		}
		return pids
	}
	if diff := cmp.Diff([]int{11, 12, 14}, pids(tree.Descendants(10))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{12, 14}, pids(tree.Descendants(10, 11))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{10, 11}, pids(tree.Session(10))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{12, 14}, pids(tree.WithEnv("KEY", "session-12"))); diff != "" {
		t.Error(diff)
	}
	if got := tree.Identity(Process{PID: 3, Start: 4}); got != (Identity{PID: 3, Start: 4, Boot: "boot-1"}) {
		t.Errorf("got %+v", got)
	}
	if !f.Alive(Identity{PID: 14, Start: 77, Boot: "boot-1"}) || f.Alive(Identity{PID: 13, Start: 77, Boot: "boot-1"}) {
		t.Error("a process lives while one of its threads does")
	}
	if f.Alive(Identity{PID: 99, Start: 77, Boot: "boot-1"}) || f.Alive(Identity{}) {
		t.Error("nobody lives")
	}
}
