package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// commandsOnly leaves only the gate itself in the plan: a committed release of
// commands can be unwound.
func (w *world) commandsOnly() {
	w.Helper()
	var kept []string
	for line := range strings.Lines(w.read("ripcord.yaml")) {
		if !strings.Contains(line, "- files:") && !strings.Contains(line, "name: one") && !strings.Contains(line, "name: three") {
			kept = append(kept, line)
		}
	}
	w.write("ripcord.yaml", strings.Join(kept, ""))
}

// TestUnwind takes committed releases back one by one, down to nothing.
func TestUnwind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	w.commandsOnly()
	w.write("open", "")
	empty := w.fingerprint("v0")
	w.release(0, "v1")
	v1 := w.fingerprint("v1")
	w.release(0, "v2")
	w.must(0, "rollback", "--reason", "it was bad")
	w.same("not at all", "v1", v1)
	if v := w.show(); v.Purpose != ripcord.PurposeRollback || v.State != ripcord.StateSucceeded {
		t.Errorf("the run is a %s, %s", v.Purpose, v.State)
	}
	w.must(0, "rollback")
	w.same("not at all", "v0", empty)
	w.must(2, "rollback")
	w.release(0, "v4")
	w.same("not at all", "v4", v1)
	w.verified()
}

// TestUnwindKilled: a rollback run that is killed goes on.
func TestUnwindKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	w.commandsOnly()
	was := gateWorld(w)
	w.write("open", "")
	w.release(0, "v2")
	w.write("shut", "")
	p := w.start("rollback")
	w.arrives("returning-v2")
	p.signal(syscall.SIGKILL)
	p.wait()
	w.release(8, "v3")
	w.remove("shut")
	w.must(0, "recover")
	w.same("once", "v1", was)
	w.verified()
	w.quiet()
}

// TestRollbackAgain: when what the undo needs was dropped after the commit, the
// earlier release's plan is executed again from its bundle, whatever lies in the
// folder by now.
func TestRollbackAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "shop")
	w.release(0, "v1")
	was := w.fingerprint("v1")
	w.release(0, "v2")
	w.write("conf/app.conf", "something else\n")
	w.write("conf/more", "more\n")
	w.write("publish.sh", "#!/bin/sh\nexit 1\n")
	r := w.must(0, "rollback", "--to", "v1", "--yes")
	if !strings.Contains(r.stdout, "executing that release's plan again") {
		t.Errorf("which way it goes is not said: %s", r)
	}
	w.same("not at all", "v1", was)
	w.verified()
	w.quiet()
}

// TestBundle: the scripts were changed or deleted since the release began; the
// way back uses those of its start, and says so.
func TestBundle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		harm func(w *world)
	}{
		{"changed", func(w *world) { w.write("back.sh", "#!/bin/sh\nrm -rf site; exit 0\n") }},
		{"deleted", func(w *world) {
			for _, name := range []string{"back.sh", "pass.sh", "passed.sh", "ripcord.yaml"} {
				w.remove(name)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "gate")
			was := gateWorld(w)
			p := w.atGate()
			p.signal(syscall.SIGKILL)
			p.wait()
			c.harm(w)
			r := w.must(0, "recover", "--rollback")
			if !strings.Contains(r.stdout, "bundle") && !strings.Contains(r.stdout, "release began") {
				t.Errorf("it is not said where the undo comes from: %s", r)
			}
			w.same("not at all", "v1", was)
		})
	}
}

// TestAdopt: what runs today becomes last good without being touched; the first
// release returns to it.
func TestAdopt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	w.commandsOnly()
	w.write("site/two", "by hand\n")
	before := w.fingerprint("v1")
	w.must(0, "adopt", "--version", "v1", "--reason", "since spring")
	w.same("not at all", "v1", before)
	w.write("open", "")
	w.release(0, "v2")
	w.must(0, "rollback")
	w.same("not at all", "v1", before)
	w.verified()
}

// TestTwoStateDirectories: a target that belongs to another state directory is
// left alone until it is taken over with a reason.
func TestTwoStateDirectories(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	w.write("open", "")
	first := w.state
	w.state = filepath.Join(w.dir, "second")
	r := w.do(w.releaseArgs("v2")...)
	if r.code != 6 || !strings.Contains(r.String(), "take-over") {
		t.Errorf("the second state directory is not refused clearly: %s", r)
	}
	w.same("not at all", "v1", was)
	w.must(0, "adopt", "--version", "v1", "--take-over", "--reason", "the first is gone")
	w.release(0, "v3")
	w.same("not at all", "v3", was)
	w.must(0, "keeper", "stop")
	w.state = first
	if r := w.do(w.releaseArgs("v4")...); r.code != 6 {
		t.Errorf("the first state directory is not refused: %s", r)
	}
	w.same("not at all", "v3", was)
}

// TestTwoProxies: the proxy's address is taken by another state directory.
func TestTwoProxies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "shop")
	w.release(0, "v1")
	was := w.fingerprint("v1")
	first, app := w.state, w.app
	w.state, w.app = filepath.Join(w.dir, "second"), filepath.Join(w.dir, "other")
	if err := os.CopyFS(w.app, os.DirFS(filepath.Join("testdata", "shop"))); err != nil {
		t.Fatal(err)
	}
	r := w.do(w.releaseArgs("v2")...)
	if r.code != 6 || !strings.Contains(r.String(), "take-over") {
		t.Errorf("want exit 6 and who it belongs to: %s", r)
	}
	if r := w.do("history", "-o", "json"); strings.TrimSpace(r.stdout) != "[]" {
		t.Errorf("a run began: %s", r)
	}
	if w.quiet(); len(w.servers("v2")) > 0 {
		t.Errorf("instances of v2 are left: %v", w.commands())
	}
	w.state, w.app = first, app
	w.same("not at all", "v1", was)
}
