package e2e_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// servers are the processes that serve the version, by pid.
func (w *world) servers(version string) []int {
	w.Helper()
	var pids []int
	for _, p := range w.processesWith("--listen", "--version "+version+" ") {
		pids = append(pids, p.pid)
	}
	slices.Sort(pids)
	return pids
}

// TestKilledAtRest: whatever of keeper, proxy, instances and their shims is
// killed comes back, and what still lives is left alone.
func TestKilledAtRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "shop")
	w.release(0, "v1")
	was, before := w.fingerprint("v1"), w.servers("v1")
	w.kill(w.processesWith("__keeper"))
	w.until("the keeper is dead", func() bool { return len(w.processesWith("__keeper")) == 0 })
	if got := w.answer(); got != "v1" {
		t.Errorf("without a keeper the answer is %q", got)
	}
	w.must(0, "keeper", "start")
	if after := w.servers("v1"); !slices.Equal(before, after) {
		t.Errorf("the instances %v were replaced by %v", before, after)
	}
	proxy := func() []found { return w.processesWith("__proxy") }
	shims := func() []found { return w.processesWith("__shim", "/instances/") }
	instances := func() []found { return w.processesWith("--version v1 ") }
	for _, c := range []struct {
		what    string
		victims func() []found
	}{
		{"an instance", func() []found { return instances()[:1] }},
		{"all instances", instances},
		{"the proxy", proxy},
		{"all shims", shims},
		{"the proxy and all shims", func() []found { return append(proxy(), shims()...) }},
		{"everything", w.processes},
	} {
		w.kill(c.victims())
		if c.what == "everything" {
			// One that is still dying would be taken for one that lives.
			w.until("the keeper is dead", func() bool { return strings.Contains(w.must(0, "keeper", "status").stdout, "no keeper") })
			w.must(0, "keeper", "start")
		}
		w.until("all is back after the death of "+c.what, func() bool {
			return len(shims()) == 3 && len(instances()) == 2 && len(proxy()) == 1 && w.answer() == "v1"
		})
		w.same("by the death of "+c.what, "v1", was)
	}
	w.release(0, "v2")
	w.same("not at all", "v2", was)
	w.until("v1 is gone", func() bool { return len(w.servers("v1")) == 0 })
}

// TestKilledDuringRelease: a release bears the death of keeper and proxy.
func TestKilledDuringRelease(t *testing.T) {
	t.Parallel()
	for what, word := range map[string]string{"the keeper": "__keeper", "the proxy": "__proxy", "an old instance": "--version v1 "} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "shop")
			w.release(0, "v1")
			was := w.fingerprint("v1")
			w.set["watch"] = "5s" // a busy machine has to see it
			p := w.start(w.releaseArgs("v2")...)
			w.reaches(ripcord.StateWatching)
			w.kill(w.processesWith(word)[:1])
			r := p.wait()
			switch v := w.show(); {
			case r.code == 0 && v.State == ripcord.StateSucceeded:
				w.until("v2 answers", func() bool { return w.answer() == "v2" })
				w.same("by the death of "+what, "v2", was)
			case r.code == 3 && v.State == ripcord.StateRolledBack && what == "the proxy":
				w.until("v1 answers", func() bool { return w.answer() == "v1" })
				w.same("by the death of "+what, "v1", was)
			default:
				t.Errorf("the run is %s: %s", v.State, r)
			}
			w.quiet()
		})
	}
}

// TestDetached: the keeper carries a detached run out, also when its executor is
// killed, and when the keeper is killed as well.
func TestDetached(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	w.release(0, "v2", "--detach")
	w.arrives("arrived-v2")
	w.kill(w.processesWith("__execute"))
	w.until("another executor has come", func() bool { return len(w.processesWith("__execute")) == 1 })
	w.kill(append(w.processesWith("__keeper"), w.processesWith("__execute")...))
	w.until("both are dead", func() bool { return len(w.processesWith("__keeper"))+len(w.processesWith("__execute")) == 0 })
	w.must(0, "keeper", "start")
	w.write("open", "")
	w.reaches(ripcord.StateSucceeded)
	w.same("twice", "v2", was)
	w.verified()
	w.quiet()
}

// TestDetachedFromADyingKeeper: the keeper dies before it has begun with the run;
// that is told, and a person can carry the run out.
func TestDetachedFromADyingKeeper(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	w.write("open", "")
	keeper := w.processesWith("__keeper")
	if len(keeper) != 1 {
		t.Fatalf("the keepers are %v", keeper)
	}
	if err := syscall.Kill(keeper[0].pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.release(0, "v2", "--detach")
	if v := w.show(); v.Interrupted {
		t.Errorf("the run is interrupted although its keeper lives: %+v", v)
	}
	w.kill(keeper)
	w.until("the keeper is dead", func() bool { return len(w.processesWith("__keeper")) == 0 })
	if r := w.must(0, "status"); !strings.Contains(r.stdout, "ripcord recover") {
		t.Errorf("it is not told that nobody carries the run out: %s", r)
	}
	w.release(8, "v3")
	w.must(0, "recover")
	w.same("not at all", "v2", was)
	w.verified()
}

// TestHoldsDeadline: nobody answers, so the keeper goes back although the command
// line has left long ago.
func TestHoldsDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	w.write("ripcord.yaml", strings.Replace(w.read("ripcord.yaml"), "on_failure: rollback", "on_failure: {hold: 2s, then: rollback}", 1))
	was := gateWorld(w)
	w.write("broken", "")
	w.release(4, "v2")
	w.reaches(ripcord.StateRolledBack)
	w.same("not at all", "v1", was)
	w.quiet()
}

// TestContinuedByTheKeeper: with on_cancel continue, a run outlives its terminal.
func TestContinuedByTheKeeper(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	p := w.atGate()
	_ = syscall.Kill(-p.Process.Pid, syscall.SIGHUP)
	p.signal(syscall.SIGKILL)
	p.wait()
	w.write("open", "")
	w.reaches(ripcord.StateSucceeded) // after the time that a person has for recover
	w.same("once", "v2", was)
}
