package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// smallDisk mounts a disk of that size.
func smallDisk(t *testing.T, w *world, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("ripcord-e2e", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		t.Fatalf("mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		w.do("keeper", "stop")
		w.killAll()
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// fill writes to a file until the disk has no byte left.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFullStateDisk: the disk of the state directory fills up in the middle of a
// release. The reserve pays for the way back, and a person is told.
func TestFullStateDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	disk := filepath.Join(w.dir, "disk")
	smallDisk(t, w, disk, "48m")
	w.state = filepath.Join(disk, "state")
	was := gateWorld(w)
	p := w.atGate()
	fill(t, filepath.Join(disk, "filler"))
	w.write("broken", "")
	r := p.ends(3, "rolled back, verified")
	if !strings.Contains(r.stderr, "full") {
		t.Errorf("nobody is told that the disk is full: %s", r)
	}
	w.same("not at all", "v1", was)
	w.verified()
	w.must(0, "status")
	w.must(0, "show")
	for range 3 { // what is left of the reserve is soon used up: refused, or gone back
		r := w.do(w.releaseArgs("v3")...)
		if r.code == 0 {
			t.Errorf("released on a full disk: %s", r)
		}
		w.same("not at all", "v1", was)
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	w.remove("broken")
	w.write("open", "")
	if v := w.show(); v.EndedAt == nil {
		w.do("recover", "--rollback")
	}
	w.release(0, "v4")
	w.same("not at all", "v4", was)
	w.verified()
}

// TestFullTargetDisk: the disk of the target fills up; nothing half-way stays.
func TestFullTargetDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	disk := filepath.Join(w.app, "site")
	smallDisk(t, w, disk, "1m")
	was := gateWorld(w)
	filler := filepath.Join(disk, "filler")
	p := w.atGate()
	fill(t, filler)
	w.write("open", "")
	r := p.wait()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	switch r.code {
	case 3: // there was room enough for the way back
	case 4:
		w.must(3, "retry") // the release has failed all the same
	default:
		t.Errorf("on a full disk: %s", r)
	}
	if v := w.show(); v.State != ripcord.StateRolledBack || !strings.Contains(r.String(), "space") {
		t.Errorf("the run is %s, and was told: %s", v.State, r)
	}
	w.same("not at all", "v1", was)
}

// TestReadOnlyState: where the state directory cannot be written to, one can
// look, and a release is refused before it begins.
func TestReadOnlyState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	w.must(0, "keeper", "stop")
	w.until("the keeper is gone", func() bool { return len(w.processes()) == 0 })
	if err := unix.Mount(w.state, w.state, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(w.state, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	if err := unix.Mount("", w.state, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"status", "show", "history", "logs", "doctor"} {
		if r := w.do(verb); r.code != 0 && verb != "doctor" || !strings.Contains(r.stdout, "v1") && verb != "logs" && verb != "doctor" {
			t.Errorf("%s: %s", verb, r)
		}
	}
	w.must(0, "journal", "verify")
	r := w.do(w.releaseArgs("v2")...)
	if r.code != 2 || !strings.Contains(r.stderr, w.state) || !strings.Contains(r.stderr, "fix:") {
		t.Errorf("the refusal is not clear: %s", r)
	}
	w.same("not at all", "v1", was)
}
