package sim_test

import (
	"flag"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/sim"
)

var (
	seeds = flag.Int("seeds", defaultSeeds, "how many seeds TestSeeds simulates")
	first = flag.Uint64("first", 1, "the first of them")
	seed  = flag.Uint64("seed", 0, "the seed that TestSeed replays, with -v for its trace")
)

// TestSeed replays one seed and tells all that happens:
//
//	go test ./sim -run TestSeed$ -seed N -v
func TestSeed(t *testing.T) {
	t.Parallel()
	replay(t, *seed)
}

func replay(t *testing.T, seed uint64) {
	t.Helper()
	r := sim.Run(sim.Options{Seed: seed, Trace: func(line string) { t.Log(line) }})
	for _, v := range r.Violations {
		t.Errorf("seed %d: %s", seed, v)
	}
}

// TestSeeds simulates many seeds, on all cores.
func TestSeeds(t *testing.T) {
	t.Parallel()
	var left atomic.Int64
	left.Store(int64(*seeds))
	total := simulate(t, *first, func() bool { return left.Add(-1) >= 0 })
	if *seeds >= 20_000 { // some things are rare
		covers(t, total)
	}
}

// TestSoak simulates fresh seeds for as long as RIPCORD_SOAK says; a moment by
// default.
func TestSoak(t *testing.T) {
	t.Parallel()
	lasts := time.Second
	if text := os.Getenv("RIPCORD_SOAK"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatalf("RIPCORD_SOAK: %v", err)
		}
	}
	began := time.Now()
	simulate(t, uint64(began.UnixNano()), func() bool { return time.Since(began) < lasts })
}

// simulate runs seeds from first on, while more says so, and returns how many
// of them have seen what.
func simulate(t *testing.T, first uint64, more func() bool) sim.Coverage {
	t.Helper()
	var (
		wait  sync.WaitGroup
		lock  sync.Mutex
		next  atomic.Uint64
		bad   atomic.Int64
		total = sim.Coverage{}
	)
	next.Store(first - 1)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			seen := sim.Coverage{}
			for more() && bad.Load() < 10 {
				r := sim.Run(sim.Options{Seed: next.Add(1)})
				seen.Add(r.Coverage)
				if len(r.Violations) > 0 {
					bad.Add(1)
					t.Errorf("seed %d: %s\n\treplay: go test ./sim -run 'TestSeed$' -seed %d -v", r.Seed, r.Violations[0], r.Seed)
				}
			}
			lock.Lock()
			defer lock.Unlock()
			for what, count := range seen {
				total[what] += count
			}
		})
	}
	wait.Wait()
	t.Logf("%d seeds from %d on", next.Load()-first+1, first)
	return total
}
