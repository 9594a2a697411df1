package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// crash is one way to be killed at a boundary and to go on.
type crash struct {
	name string
	// fewest is how many boundaries there are at least. One in every is taken, one in
	// sample where it is 0, and none of the first so many.
	fewest, every, without int64
	// prepare changes the world before its first release.
	prepare func(w *world)
	// scene brings the world to where the killed command begins.
	scene func(w *world, s *scene)
	// strike has a process killed; false says that it survived.
	strike func(w *world, s *scene) bool
	// recover brings the interrupted run to its end.
	recover func(w *world, s scene)
	// ends is the state that it ends in. A run that was committed before the kill
	// succeeds all the same.
	ends ripcord.RunState
}

var (
	goOn   = []string{"recover"}
	goBack = []string{"recover", "--rollback", "--reason", "it was killed"}
)

const (
	succeeded  = ripcord.StateSucceeded
	rolledBack = ripcord.StateRolledBack
)

// crashes are all of them. Every run of the tests takes each boundary on the way
// forward (the first one) and on the way back (the third one, which goes forward as
// the first does); how fewest counts, see TestKilledAtEveryBoundary.
func crashes() []crash {
	toV0 := killedAt("rollback", "--to", "v0")
	all := []crash{
		{name: "forward, then on", every: 1, fewest: 60, strike: killedRelease, recover: recoverWith(goOn, 0), ends: succeeded},
		{name: "forward, then back", every: 3, fewest: 60, strike: killedRelease, recover: recoverWith(goBack, 0, 6), ends: rolledBack},
		{name: "back, then on", every: 1, without: 60, fewest: 100, scene: failing, strike: killedRelease, recover: recoverWith(goOn, 0, 3), ends: rolledBack},
		{name: "back, then back", fewest: 100, scene: failing, strike: killedRelease, recover: recoverWith(goBack, 0), ends: rolledBack},
		{name: "unwinding, then on", fewest: 30, prepare: withoutService, scene: beforeUnwinding, strike: killedAt("rollback"), recover: recoverWith(goOn, 0), ends: succeeded},
		{name: "unwinding, then back", fewest: 30, prepare: withoutService, scene: beforeUnwinding, strike: killedAt("rollback"), recover: recoverWith(goBack, 0), ends: succeeded},
		{name: "again, then on", fewest: 60, scene: beforeAgain, strike: toV0, recover: recoverWith(goOn, 0), ends: succeeded},
		{name: "again, then back", fewest: 60, scene: beforeAgain, strike: toV0, recover: recoverWith(goBack, 0, 6), ends: rolledBack},
		{name: "detached, forward", fewest: 60, strike: killedDetached, recover: byKeeper, ends: succeeded},
		{name: "detached, back", fewest: 100, scene: failing, strike: killedDetached, recover: byKeeper, ends: rolledBack},
		{name: "adopted, forward", fewest: 60, prepare: hastyKeeper, strike: killedTwice, recover: byKeeper, ends: succeeded},
		{name: "adopted, back", fewest: 100, prepare: hastyKeeper, scene: failing, strike: killedTwice, recover: byKeeper, ends: rolledBack},
	}
	for _, first := range []string{"after 3", "before 14", "after 25", "after 36"} {
		all = append(all,
			crash{name: "recover on " + first, fewest: 6, scene: interrupted(first), strike: killedAt(goOn...), recover: recoverWith(goOn, 0), ends: succeeded},
			crash{name: "recover back " + first, fewest: 6, scene: interrupted(first), strike: killedAt(goBack...), recover: recoverWith(goOn, 0, 3), ends: rolledBack})
	}
	return all
}

// withoutService leaves only the steps that can be undone after the commit.
func withoutService(w *world) {
	w.Helper()
	text := w.read("ripcord.yaml")
	from, to := strings.Index(text, "services:"), strings.Index(text, "release:")
	text = text[:from] + text[to:]
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "web") && !strings.Contains(line, "name: passive") {
			kept = append(kept, line)
		}
	}
	w.write("ripcord.yaml", strings.Replace(strings.Join(kept, ""), `{http: "${var.look}"}`, `{command: [test, "${var.look}", "!=", "http://127.0.0.1:1/"]}`, 1))
	w.listen = ""
}

// hastyKeeper does not wait for a person before it goes on with a run.
func hastyKeeper(w *world) { w.keeperEnv = append(w.keeperEnv, "RIPCORD_ORPHAN_GRACE=-1h") }

// failing lets the release's watch fail, so that it goes back.
func failing(w *world, _ *scene) { w.healthy(false) }

// beforeUnwinding releases what the rollback undoes.
func beforeUnwinding(w *world, s *scene) {
	w.Helper()
	w.release(0, s.version)
	s.newest, s.goal, s.home = w.show().Run, s.now, s.version
}

// beforeAgain releases what the rollback replaces by the first release.
func beforeAgain(w *world, s *scene) {
	w.Helper()
	beforeUnwinding(w, s)
	s.goal = "v0"
}

// interrupted is a release that was killed already.
func interrupted(first string) func(*world, *scene) {
	return func(w *world, s *scene) {
		w.Helper()
		if !killedThere(w, first, w.releaseArgs(s.version)...) {
			w.Fatalf("the release is not killed %s", first)
		}
	}
}

// killedThere runs a command that dies at the boundary, where it has that.
func killedThere(w *world, at string, args ...string) bool {
	w.Helper()
	w.env = []string{"RIPCORD_CRASH_AT=" + at}
	defer func() { w.env = nil }()
	return w.do(args...).code == killed
}

func killedAt(args ...string) func(*world, *scene) bool {
	return func(w *world, s *scene) bool { return killedThere(w, s.at, args...) }
}

func killedRelease(w *world, s *scene) bool {
	w.Helper()
	return killedThere(w, s.at, w.releaseArgs(s.version)...)
}

// crashFile tells the keeper's next executor where to die.
func (w *world) crashFile() string { return filepath.Join(w.dir, "crash-at") }

func (w *world) crashNext(at string) {
	w.Helper()
	if err := os.WriteFile(w.crashFile(), []byte(at), 0o600); err != nil {
		w.Fatal(err)
	}
}

// crashPending says that no executor has died yet.
func (w *world) crashPending() bool {
	_, err := os.Stat(w.crashFile())
	return !errors.Is(err, fs.ErrNotExist)
}

// startKeeper starts a keeper whose executors can be told to die.
func (w *world) startKeeper() {
	w.Helper()
	w.env = append([]string{"RIPCORD_CRASH_FILE=" + w.crashFile()}, w.keeperEnv...)
	defer func() { w.env = nil }()
	w.must(0, "keeper", "start")
}

// killedDetached lets the keeper carry the release out, and its executor die.
func killedDetached(w *world, s *scene) bool {
	w.Helper()
	w.crashNext(s.at)
	w.release(0, s.version, "--detach")
	w.until("the executor has died, or the run has ended", func() bool {
		return !w.crashPending() || w.show().EndedAt != nil
	})
	if !w.crashPending() {
		return true
	}
	w.disarm()
	return false
}

// killedTwice kills the release, and then the executor that the keeper starts.
func killedTwice(w *world, s *scene) bool {
	w.Helper()
	w.crashNext(fmt.Sprintf("%s %d", []string{"after", "before"}[s.n%2], 1+s.n*7%23))
	struck := killedRelease(w, s)
	if v := w.show(); v.Run == s.newest {
		w.disarm()
	}
	return struck
}

// disarm takes back what crashNext said.
func (w *world) disarm() {
	w.Helper()
	if err := os.RemoveAll(w.crashFile()); err != nil {
		w.Fatal(err)
	}
}

// recoverWith goes on with a run by a command that ends with one of the codes; 6
// stands for one that was committed already. Now and then that is killed as well.
func recoverWith(args []string, codes ...int) func(*world, scene) {
	return func(w *world, s scene) {
		w.Helper()
		v := w.show()
		if v.EndedAt == nil && !v.Interrupted {
			w.Errorf("killed %s, the run is %s and not interrupted", s.at, v.State)
		}
		if v.EndedAt == nil && s.n%3 == 0 {
			killedThere(w, fmt.Sprintf("%s %d", []string{"before", "after"}[s.n/3%2], 1+s.n/6%16), args...)
		}
		if v = w.show(); v.EndedAt != nil {
			return
		}
		r := w.do(args...)
		if !slices.Contains(codes, r.code) || slices.Contains(codes, 6) && v.LastGood != (r.code == 6) {
			w.Errorf("killed %s, recover ended with %s", s.at, r)
		}
	}
}

// byKeeper leaves the run to the keeper; in two of three rounds a person is
// faster, or has to, because the keeper is dead as well.
func byKeeper(w *world, s scene) {
	w.Helper()
	switch s.n % 3 {
	case 0:
		w.kill(w.processesWith("__keeper"))
		w.recoverUnlessEnded(s)
		w.must(0, "keeper", "stop") // the one that recover has started
		w.startKeeper()
	case 1:
		w.recoverUnlessEnded(s)
	}
	w.untilOr("the run has ended", func() bool { return w.show().EndedAt != nil }, func() { w.Logf("killed %s", s.at) })
	w.disarm()
}

// recoverUnlessEnded goes on with the run; the keeper may be faster.
func (w *world) recoverUnlessEnded(s scene) {
	w.Helper()
	r := w.do(goOn...)
	if v := w.show(); r.code != 0 && r.code != 3 && (r.code != 2 || v.EndedAt == nil) {
		w.Errorf("killed %s, recover ended with %s", s.at, r)
	}
}
