package sim_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord/sim"
)

// caughtWithin is how many seeds may pass until a mutant is caught.
const caughtWithin = 2000

// TestMutants: engines that break an invariant are caught, by the check of that
// invariant, while the engine as it is passes the same seeds.
func TestMutants(t *testing.T) {
	t.Parallel()
	for _, m := range sim.Mutants() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= caughtWithin; seed++ {
				if !caught(sim.Run(sim.Options{Seed: seed, Mutant: m}), m.Breaks) {
					continue
				}
				if v := sim.Run(sim.Options{Seed: seed}).Violations; len(v) > 0 {
					t.Errorf("seed %d: the engine as it is: %v", seed, v[0])
				}
				t.Logf("caught by seed %d", seed)
				return
			}
			t.Errorf("not caught by %q within %d seeds", m.Breaks, caughtWithin)
		})
	}
}

func caught(r sim.Result, by string) bool {
	for _, v := range r.Violations {
		if v.Check == by {
			return true
		}
	}
	return false
}
