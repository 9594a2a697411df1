package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

const (
	// soakRounds is how many rounds there are without RIPCORD_SOAK.
	soakRounds = 6
	// soakWorld is how many rounds one world lives.
	soakWorld = 12
)

// TestSoak lets random things die at random moments of random releases, with
// random requests of people in between and users asking all the time, for as long
// as RIPCORD_SOAK says; without it a few rounds. Then the world is recovered, and
// has to be all old or all new. A round that fails prints its seed:
//
//	RIPCORD_SOAK_SEED=N go test ./e2e -run TestSoak$ -v
//
// lets its dice fall the same way in a new world; what meets what at which moment
// is the machine's.
func TestSoak(t *testing.T) {
	t.Parallel()
	var next, rounds atomic.Int64
	more := func() bool { return rounds.Add(1) <= soakRounds }
	lanes := 1
	without := func(seed int64) bool { return seed%4 == 0 }
	began := time.Now()
	if text := os.Getenv("RIPCORD_SOAK"); text != "" {
		lasts, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("RIPCORD_SOAK: %v", err)
		}
		next.Store(began.Unix() * 1000)
		more = func() bool { return time.Since(began) < lasts }
		lanes = runtime.GOMAXPROCS(0)
	}
	if text := os.Getenv("RIPCORD_SOAK_SEED"); text != "" {
		number, plain := strings.CutSuffix(text, unwindable)
		seed, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			t.Fatalf("RIPCORD_SOAK_SEED: %v", err)
		}
		without = func(int64) bool { return plain }
		next.Store(seed - 1)
		lanes, more = 1, func() bool { return rounds.Add(1) <= 1 }
	}
	total := newTally()
	var done sync.WaitGroup
	for range lanes { //nolint:paralleltest // lanes are beside one another, worlds of a lane after one another
		done.Go(func() {
			for total.failed.Load() < 5 && more() {
				seed := next.Add(1)
				t.Run(fmt.Sprintf("from %d", seed), func(t *testing.T) {
					soakOne(t, seed, without(seed), &next, more, total)
				})
			}
		})
	}
	done.Wait()
	t.Logf("%s\n%s", time.Since(began).Round(time.Second), total)
}

// unwindable ends a seed whose world has no service: what is released there can be
// unwound.
const unwindable = "u"

// soakOne plays a world's rounds.
func soakOne(t *testing.T, seed int64, without bool, next *atomic.Int64, more func() bool, total *tally) {
	t.Helper()
	w := newWorld(t, "shop")
	w.binary = filepath.Join(bin, userBinary)
	mark := ""
	if without {
		withoutService(w)
		mark = unwindable
	}
	w.must(0, "keeper", "start")
	w.release(0, "v0")
	s := soak{world: w, now: "v0", want: w.fingerprint("v0"), total: total}
	for range soakWorld {
		s.seed, s.dice = seed, rand.New(rand.NewPCG(uint64(seed), 0))
		s.round()
		if t.Failed() {
			total.failed.Add(1)
			t.Logf("replay: RIPCORD_SOAK_SEED=%d%s go test ./e2e -run 'TestSoak$' -v", seed, mark)
			return
		}
		if !more() {
			return
		}
		seed = next.Add(1)
	}
}

// tally counts what happened.
type tally struct {
	failed atomic.Int64
	mu     sync.Mutex
	counts map[string]int
}

func newTally() *tally { return &tally{counts: make(map[string]int)} }

func (t *tally) add(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what] += n
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t.counts)) {
		fmt.Fprintf(&b, "%8d  %s\n", t.counts[what], what)
	}
	return b.String()
}

// soak is a world in which anything may die.
type soak struct {
	*world
	seed  int64
	dice  *rand.Rand
	total *tally
	// now is the version that is there, want the world that every version makes.
	now, want string
	// log tells what happened in this round, running what still runs.
	log     []string
	running []*process
	began   time.Time
	// outages are times in which nobody could answer. hurt counts the instances
	// that were killed, by version.
	outages []outage
	hurt    map[string]int
	// harmed says that even a good release may fail, and willed that somebody
	// asked for the way back.
	harmed, willed bool
}

func (s *soak) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%6d ms: ", time.Since(s.began).Milliseconds())+fmt.Sprintf(format, args...))
}

// chance is true n times of a hundred.
func (s *soak) chance(n int) bool { return s.dice.IntN(100) < n }

// newRuns returns those after the run, oldest first.
func (s *soak) newRuns(after ripcord.RunID) []past {
	s.Helper()
	var all []past
	s.tells(&all, "history", "--limit", "0")
	at := slices.IndexFunc(all, func(r past) bool { return r.Run == after })
	if at < 0 {
		s.Fatalf("run %s is not in history any more", after)
	}
	slices.Reverse(all[:at])
	return all[:at]
}
