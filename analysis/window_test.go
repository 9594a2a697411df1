package analysis

import (
	"math/rand/v2"
	"testing"
)

// looked fills a window of half a minute with looks, at shares that follow one
// another evenly.
func looked(r *rand.Rand, look, rate float64, shares ...float64) window {
	var w window
	for at := 0.0; at < 30; at += look {
		share, n := shares[int(at/30*float64(len(shares)))], 0.0
		all := rate * look
		for range int(all) {
			if r.Float64() < share {
				n++
			}
		}
		w = w.add(Interval{Seconds: look, Counts: Counts{New: ArmCounts{Requests: n}, Old: ArmCounts{Requests: all - n}}})
	}
	return w
}

// TestShareOfAWindowIsThePooledOne: however often one looks, chance is no change of
// the share, and a stage is one.
func TestShareOfAWindowIsThePooledOne(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 1))
	for _, look := range []float64{1, 2, 5, 10} {
		wrong, missed := 0, 0
		for range 300 {
			if looked(r, look, 200, .05).jumped() {
				wrong++
			}
			if w := looked(r, look, 200, .05, .05, .25); !w.jumped() || w.share() < .2 {
				missed++
			}
		}
		if wrong > 6 || missed > 0 {
			t.Errorf("a look every %v s: %d of 300 changed by chance, %d stages were missed", look, wrong, missed)
		}
	}
}

func TestShareOfAnOlderState(t *testing.T) {
	t.Parallel()
	if w := (window{Least: .05, Most: .25}); w.share() != .25 {
		t.Errorf("its share is %v", w.share())
	}
	if w := (window{Least: .05, Most: .06, Counts: Counts{New: ArmCounts{Requests: 55}, Old: ArmCounts{Requests: 945}}}); w.share() != .055 {
		t.Errorf("its share is %v", w.share())
	}
}
