package e2e_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestPauseAndResume: a paused run starts nothing new; resume goes on.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	p := w.atGate()
	w.must(0, "pause", "--reason", "lunch")
	w.write("open", "")
	w.until("step two is applied", func() bool { return w.show().Steps[1].State == ripcord.StepIsApplied })
	if v := w.show(); v.State != ripcord.StatePaused || v.Steps[2].State != ripcord.StepIsPending {
		t.Errorf("the paused run is %s, step three %s", v.State, v.Steps[2].State)
	}
	w.must(0, "resume")
	p.ends(0, "last good")
	w.same("not at all", "v2", was)
}

// TestResumeTakesOver: where the process of a paused run has died, a pause is only
// written down, and resume says that it carries the run out from here on.
func TestResumeTakesOver(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"resume", "abort"} {
		w := newWorld(t, "gate")
		was := gateWorld(w)
		p := w.atGate()
		w.must(0, "pause", "--reason", "lunch")
		p.signal(syscall.SIGKILL)
		p.wait()
		w.write("open", "")
		w.must(6, "pause") // it is paused
		r := w.must(0, verb)
		if strings.Count(r.stdout, "this command takes the run over") != 1 {
			t.Errorf("%s: %s", verb, r)
		}
		if v := w.show(); v.EndedAt == nil {
			t.Errorf("after %s the run is %s", verb, v.State)
		}
		w.same("not at all", map[string]string{"resume": "v2", "abort": "v1"}[verb], was)
		w.verified()
	}
}

// TestAbort stops a run from another process; abort while it goes back is no
// news.
func TestAbort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	w.write("shut", "")
	p := w.atGate()
	abort := w.start("abort", "--reason", "wrong version")
	w.arrives("returning-v2")
	again := w.start("abort", "--reason", "really")
	w.until("both requests are there", func() bool { return len(w.show().Requests) == 2 })
	w.remove("shut")
	abort.ends(0, "rolled back, verified")
	again.ends(0, "rolled back, verified")
	p.ends(3, "rolled back, verified")
	w.same("not at all", "v1", was)
	w.verified()
	w.must(6, "abort", "--run", string(w.show().Run))
}

// TestRollbackOfTheRunInProgress goes back with the effect that is half-way.
func TestRollbackOfTheRunInProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	p := w.atGate()
	back := w.start("rollback", "--reason", "no")
	w.until("the rollback is asked for", func() bool { return len(w.show().Requests) == 1 })
	w.write("open", "") // other than an abort, it lets the command end
	back.ends(0, "rolled back, verified")
	p.ends(3, "rolled back, verified")
	w.same("not at all", "v1", was)
}

// TestHeldRun: a run that is held for a person can be tried again, skipped,
// closed and taken back.
func TestHeldRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		verb []string
		code int
		end  ripcord.RunState
		site string
	}{
		{"retry", []string{"retry"}, 0, ripcord.StateSucceeded, "v2"},
		{"skip", []string{"skip", "two", "--reason", "by hand"}, 0, ripcord.StateSucceeded, "v1"},
		{"rollback", []string{"rollback"}, 0, ripcord.StateRolledBack, "v1"},
		{"abort", []string{"abort"}, 0, ripcord.StateRolledBack, "v1"},
		{"close", []string{"close", "--reason", "done by hand"}, 0, ripcord.StateClosed, "v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "gate")
			w.write("ripcord.yaml", strings.Replace(w.read("ripcord.yaml"), "on_failure: rollback", "on_failure: hold", 1))
			gateWorld(w)
			w.write("broken", "")
			r := w.release(4, "v2")
			if !strings.Contains(r.stdout, "the gate is broken") {
				t.Errorf("why it is held is not told: %s", r)
			}
			w.must(6, w.releaseArgs("v3")...)
			w.remove("broken")
			w.write("open", "")
			w.must(c.code, c.verb...)
			if v := w.show(); v.State != c.end {
				t.Errorf("the run is %s, want %s", v.State, c.end)
			}
			if got := strings.TrimSpace(w.read("site/two")); got != c.site {
				t.Errorf("site/two is of %q, want %q", got, c.site)
			}
			w.verified()
			w.quiet()
			w.release(0, "v4")
		})
	}
}

// TestApproval waits for a person: yes goes on, no goes back.
func TestApproval(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb string
		code int
		end  string
	}{{"approve", 0, "last good"}, {"reject", 3, "rolled back, verified"}} {
		t.Run(c.verb, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "gate")
			w.write("open", "")
			w.write("ripcord.yaml", w.read("ripcord.yaml")+"  - approve: Go live?\n    name: go\n")
			p := w.start(w.releaseArgs("v1")...)
			w.until("the run asks", func() bool {
				r := w.do("status")
				return strings.Contains(r.stdout, "Go live?")
			})
			w.must(0, c.verb, "go", "--reason", "because")
			p.ends(c.code, c.end)
		})
	}
}

// TestSignals: what Ctrl-C and SIGTERM do stands in the plan; SIGHUP does
// nothing.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy  string
		signals []syscall.Signal
		code    int
		end     string
	}{
		{"rollback", []syscall.Signal{syscall.SIGINT}, 3, "rolled back, verified"},
		{"rollback", []syscall.Signal{syscall.SIGTERM}, 3, "rolled back, verified"},
		{"rollback", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 3, "rolled back, verified"},
		{"hold", []syscall.Signal{syscall.SIGTERM}, 4, "held"},
		{"continue", []syscall.Signal{syscall.SIGINT}, 0, "last good"},
		{"rollback", []syscall.Signal{syscall.SIGHUP}, 0, "last good"},
	} {
		t.Run(c.policy+fmt.Sprint(c.signals), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "gate")
			w.write("ripcord.yaml", strings.Replace(w.read("ripcord.yaml"), "on_cancel: rollback", "on_cancel: "+c.policy, 1))
			was := gateWorld(w)
			p := w.atGate()
			for i, s := range c.signals {
				p.signal(s)
				w.until("the run was asked", func() bool { return c.code == 0 || len(w.show().Requests) > i || len(w.show().Requests) == 1 })
			}
			if c.code == 0 {
				w.write("open", "")
			}
			p.ends(c.code, c.end)
			switch c.code {
			case 0:
				w.same("not at all", "v2", was)
			case 4:
				w.must(0, "rollback")
				fallthrough
			default:
				w.same("not at all", "v1", was)
			}
			w.verified()
			w.quiet()
		})
	}
}

// TestTwoReleasesAtOnce: the second is refused while the first lives, and after
// its death until somebody recovers it.
func TestTwoReleasesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	was := gateWorld(w)
	p := w.atGate()
	if r := w.release(6, "v3"); !strings.Contains(r.stderr, "fix:") {
		t.Errorf("no way out is told: %s", r)
	}
	p.signal(syscall.SIGKILL)
	p.wait()
	if r := w.release(8, "v3"); !strings.Contains(r.stderr, "recover") {
		t.Errorf("no way out is told: %s", r)
	}
	w.write("open", "")
	w.must(0, "recover")
	w.same("not at all", "v2", was)
	w.release(0, "v3")
}
