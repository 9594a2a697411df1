package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// TestKilledAtRandomMoments kills in the middle of effects, forward, on the way
// back and while recovering: ripcord alone, with its session, with the shims, or
// all together.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	var done sync.WaitGroup
	for lane := range 2 {
		done.Go(func() {
			seed := uint64(lane + 1)
			t.Logf("lane %d has seed %d", lane, seed)
			w := newWorld(t, "shop")
			w.killAtRandom(rand.New(rand.NewPCG(seed, seed)), lane)
		})
	}
	done.Wait()
}

const randomRounds = 10

func (w *world) killAtRandom(r *rand.Rand, lane int) {
	w.must(0, "keeper", "start")
	w.release(0, "v0")
	now, want := "v0", w.fingerprint("v0")
	for round := range randomRounds {
		version := fmt.Sprintf("v%d-%d", lane, round)
		w.healthy(r.IntN(2) == 0)
		what := []string{w.killRandomly(r, w.start(w.releaseArgs(version)...), 1500)}
		for range r.IntN(3) {
			if w.show().EndedAt != nil {
				break
			}
			what = append(what, w.killRandomly(r, w.start("recover"), 800))
		}
		if v := w.show(); v.Version == version && v.EndedAt == nil {
			if end := w.do("recover"); end.code != 0 && end.code != 3 {
				w.Errorf("killed %s, recover ended with %s", what, end)
				return
			}
		}
		if v := w.show(); v.Version == version && v.State == ripcord.StateSucceeded {
			now = version
		}
		w.same(strings.Join(what, ", then "), now, want)
		w.verified()
		w.quiet()
		if w.Failed() {
			return
		}
	}
}

// killRandomly lets the command run for a while, then kills it in one of four
// ways. It tells how.
func (w *world) killRandomly(r *rand.Rand, p *process, most int) string {
	w.Helper()
	delay, how := time.Duration(r.IntN(most))*time.Millisecond, r.IntN(4)
	select {
	case <-p.done:
		return "not at all"
	case <-time.After(delay):
	}
	commands := func() []found { return w.processesWith("__shim", "/commands/") }
	switch how {
	case 0:
		p.signal(syscall.SIGKILL)
	case 1: // its whole group
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
	case 2: // the shims first, then ripcord
		w.kill(commands())
		p.signal(syscall.SIGKILL)
	case 3: // ripcord first, then the shims
		p.signal(syscall.SIGKILL)
		w.kill(commands())
	}
	p.wait()
	return fmt.Sprintf("%s after %s (way %d)", strings.Join(p.Args[1:2], " "), delay, how)
}
