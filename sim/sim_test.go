package sim_test

import (
	"flag"
	"testing"

	"github.com/ripcord-dev/ripcord/sim"
)

var (
	seeds = flag.Int("seeds", 2000, "how many seeds are simulated")
	first = flag.Uint64("first", 1, "the first seed")
	seed  = flag.Uint64("seed", 0, "the seed that TestSeed replays")
)

func TestSeed(t *testing.T) {
	if *seed == 0 {
		return
	}
	r := sim.Run(sim.Options{Seed: *seed, Trace: func(line string) { t.Log(line) }})
	for _, v := range r.Violations {
		t.Error(v)
	}
}

func TestSeeds(t *testing.T) {
	total := sim.Coverage{}
	bad := 0
	for i := range *seeds {
		r := sim.Run(sim.Options{Seed: *first + uint64(i)})
		total.Add(r.Coverage)
		if len(r.Violations) > 0 {
			bad++
			if bad < 40 {
				t.Errorf("seed %d: %s", r.Seed, r.Violations[0])
			}
		}
	}
	t.Logf("%d of %d seeds; %v", bad, *seeds, total)
}
