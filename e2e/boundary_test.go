package e2e_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

// lanes is how many worlds are crashed side by side.
const lanes = 4

// crash is one way to be killed at a boundary and to go on.
type crash struct {
	name string
	// broken makes the release's watch fail, so that it goes back.
	broken bool
	// back asks recover to go back.
	back bool
	// new says that the world is all new in the end.
	new bool
	// code is that of recover: 0 it went as was asked for, 3 the release failed
	// and was rolled back, 6 it was committed already.
	code []int
}

// TestKilledAtEveryBoundary kills a ten-step release before and after every
// append to the journal, forward and on the way back; whichever way recover goes,
// the world is all new or all old, never something between.
func TestKilledAtEveryBoundary(t *testing.T) {
	t.Parallel()
	for _, c := range []crash{
		{name: "forward, then on", new: true, code: []int{0}},
		{name: "forward, then back", back: true, code: []int{0, 6}},
		{name: "back, then on", broken: true, code: []int{0, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var next, kills atomic.Int64
			var done sync.WaitGroup
			for lane := range lanes {
				done.Go(func() {
					w := newWorld(t, "shop")
					w.binary = filepath.Join(bin, crashBinary)
					kills.Add(w.crashAll(c, lane, &next))
				})
			}
			done.Wait()
			t.Logf("%d kills", kills.Load())
			if kills.Load() < 60 {
				t.Errorf("only %d kills: the boundaries are not reached", kills.Load())
			}
		})
	}
}

// crashAll takes boundary after boundary until a release survives, because it
// has fewer boundaries; it returns the number of kills. Each release begins where
// the one before has ended.
func (w *world) crashAll(c crash, lane int, next *atomic.Int64) (kills int64) {
	w.must(0, "keeper", "start")
	w.release(0, "v0")
	now, want := "v0", w.fingerprint("v0")
	for {
		n := next.Add(1)
		at := fmt.Sprintf("%s %d", []string{"before", "after"}[n%2], (n+1)/2)
		version := fmt.Sprintf("v%d-%d", lane, n)
		w.env = []string{"RIPCORD_CRASH_AT=" + at}
		w.healthy(!c.broken)
		r := w.do(w.releaseArgs(version)...)
		w.env = nil
		if n%3 == 0 && r.code == killed {
			kills += w.recoverKilled(c, n/3)
		}
		if r.code != killed {
			w.Logf("%s is not reached any more", at)
			return kills
		}
		kills++
		now = w.crashed(c, at, now, version, want)
		if w.Failed() {
			return kills
		}
	}
}

// crashed recovers the killed release and compares. It returns the version that
// there is now.
func (w *world) crashed(c crash, at, before, version, want string) string {
	w.Helper()
	interrupted, _ := w.look()
	if interrupted.Version != version { // it was killed before it was planned
		w.same(at, before, want)
		return before
	}
	if interrupted.EndedAt == nil {
		w.recovered(c, at, interrupted.LastGood)
	}
	now := w.show()
	after := before
	if now.State == ripcord.StateSucceeded {
		after = version
	}
	switch {
	case !interrupted.LastGood && (now.State == ripcord.StateSucceeded) != c.new:
		w.Errorf("killed %s, the run is %s", at, now.State)
	case now.State == ripcord.StateRolledBack && (now.Verified == nil || !*now.Verified):
		w.Errorf("killed %s, the way back is not verified", at)
	}
	w.same(at, after, want)
	w.verified()
	w.quiet()
	return after
}

// recoverArgs are those that go on with the interrupted run.
func (c crash) recoverArgs() []string {
	if c.back {
		return []string{"recover", "--rollback", "--reason", "it was killed"}
	}
	return []string{"recover"}
}

// recoverKilled kills a recover as well, at one of its first boundaries.
func (w *world) recoverKilled(c crash, n int64) (kills int64) {
	w.Helper()
	if v, _ := w.look(); v.EndedAt != nil {
		return 0
	}
	w.env = []string{fmt.Sprintf("RIPCORD_CRASH_AT=%s %d", []string{"before", "after"}[n%2], 1+n/2%16)}
	defer func() { w.env = nil }()
	if w.do(c.recoverArgs()...).code == killed {
		kills = 1
	}
	return kills
}

// recovered goes on with the interrupted run.
func (w *world) recovered(c crash, at string, committed bool) {
	w.Helper()
	r := w.do(c.recoverArgs()...)
	if !slices.Contains(c.code, r.code) || c.back && committed != (r.code == 6) {
		w.Fatalf("killed %s, recover ended with %s", at, r)
	}
}

// same fails the test unless the world is the one that the version makes.
func (w *world) same(at, version, want string) {
	w.Helper()
	if diff := cmp.Diff(want, w.fingerprint(version)); diff != "" {
		w.Errorf("killed %s, the world is not that of %s (-want +got):\n%s", at, version, diff)
	}
}
