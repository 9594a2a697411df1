package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// lanes is how many worlds are crashed side by side.
const lanes = 4

// sample is one in how many boundaries a story takes that does not say it.
const sample = 9

// TestKilledAtEveryBoundary kills a ten-step release, and what takes one back,
// before and after every append to the journal; whichever way it is recovered,
// the world is all new or all old, never something between. Some stories take
// only a sample of the boundaries, another one each day; with RIPCORD_SOAK set
// all take all. RIPCORD_SAMPLE=N repeats a day's.
func TestKilledAtEveryBoundary(t *testing.T) {
	t.Parallel()
	first := time.Now().Unix() / 86400
	if text := os.Getenv("RIPCORD_SAMPLE"); text != "" {
		var err error
		if first, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatalf("RIPCORD_SAMPLE: %v", err)
		}
	}
	t.Logf("RIPCORD_SAMPLE=%d", first)
	for _, c := range crashes() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			step, without, lanes := c.every, c.without, lanes
			switch {
			case os.Getenv("RIPCORD_SOAK") != "":
				step, without = 1, 0
			case step == 0:
				step, lanes = sample, 1
			}
			var taken, kills atomic.Int64
			next := func() int64 { return without + first%step + 1 + step*(taken.Add(1)-1) }
			var done sync.WaitGroup
			for lane := range lanes {
				done.Go(func() {
					w := newWorld(t, "shop")
					w.binary = filepath.Join(bin, crashBinary)
					kills.Add(w.crashAll(c, lane, next))
				})
			}
			done.Wait()
			t.Logf("%d kills", kills.Load())
			if fewest := (c.fewest - without) / step; kills.Load() < fewest {
				t.Errorf("only %d kills: the boundaries are not reached", kills.Load())
			}
		})
	}
}

// scene is one round of a story: from one good world to the next.
type scene struct {
	// n counts boundaries; at says which it is.
	n  int64
	at string
	// version is what the round releases; now is there before and want the world
	// that every version makes.
	version, now, want string
	// newest is the run before the killed command.
	newest ripcord.RunID
	// goal is there once the killed run succeeds, home once it is rolled back.
	goal, home string
}

// crashAll takes boundary after boundary until a command survives, because it has
// fewer boundaries; it returns the number of kills. Each round begins where the
// one before has ended.
func (w *world) crashAll(c crash, lane int, next func() int64) (kills int64) {
	w.set["watch"] = "1s" // a busy machine has to answer in it
	if c.prepare != nil {
		c.prepare(w)
	}
	w.startKeeper()
	w.release(0, "v0")
	now, want := "v0", w.fingerprint("v0")
	for !w.Failed() {
		n := next()
		s := scene{
			n: n, at: fmt.Sprintf("%s %d", []string{"before", "after"}[n%2], (n+1)/2),
			version: fmt.Sprintf("v%d-%d", lane, n), now: now, want: want,
		}
		s.goal, s.home = s.version, s.now
		s.newest = w.show().Run
		if c.scene != nil {
			c.scene(w, &s)
		}
		if !c.strike(w, &s) {
			w.Logf("%s is not reached any more", s.at)
			return kills
		}
		kills++
		now = w.crashed(c, s)
	}
	return kills
}

// crashed recovers the killed run and compares. It returns the version that
// there is now.
func (w *world) crashed(c crash, s scene) (now string) {
	w.Helper()
	interrupted := w.show()
	if interrupted.Run == s.newest { // it was killed before it was planned
		now = s.home
		w.truth(s.at, now, interrupted.Run)
		w.same(s.at, now, s.want)
		return now
	}
	if interrupted.EndedAt == nil {
		c.recover(w, s)
	}
	end := w.show()
	now = s.home
	if end.State == ripcord.StateSucceeded {
		now = s.goal
	}
	switch {
	case end.Run != interrupted.Run:
		w.Errorf("killed %s, run %s is followed by %s", s.at, interrupted.Run, end.Run)
	case !end.State.Ended():
		w.Errorf("killed %s, the run is %s", s.at, end.State)
	case !interrupted.LastGood && end.State != c.ends:
		w.Errorf("killed %s, the run is %s, not %s", s.at, end.State, c.ends)
	case end.State == ripcord.StateRolledBack && (end.Verified == nil || !*end.Verified):
		w.Errorf("killed %s, the way back is not verified", s.at)
	}
	w.same(s.at, now, s.want)
	w.truth(s.at, now, end.Run)
	w.verified()
	w.quiet()
	return now
}

// same fails the test unless the world is the one that the version makes.
func (w *world) same(at, version, want string) {
	w.Helper()
	if diff := cmp.Diff(want, w.fingerprint(version)); diff != "" {
		w.Errorf("killed %s, the world is not that of %s (-want +got):\n%s", at, version, diff)
	}
}

// truth fails the test unless status and history tell that nothing is going on
// and that the version is last good.
func (w *world) truth(at, version string, newest ripcord.RunID) {
	w.Helper()
	var status []app.Status
	w.tells(&status, "status")
	if len(status) != 1 || status[0].Good == nil || status[0].Good.Version != version || status[0].Run != newest || status[0].EndedAt == nil {
		w.Errorf("killed %s, there is %s after run %s, but status tells %+v", at, version, newest, status)
	}
	var history []app.View
	w.tells(&history, "history", "--limit", "0")
	good := 0
	for i, v := range history {
		if v.EndedAt == nil || v.Interrupted || i == 0 && v.Run != newest || v.LastGood && v.Version != version {
			w.Errorf("killed %s, there is %s after run %s, but history tells %+v", at, version, newest, v)
		}
		if v.LastGood {
			good++
		}
	}
	if good != 1 {
		w.Errorf("killed %s, %d runs are last good", at, good)
	}
}
