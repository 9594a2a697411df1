package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/ripcord-dev/ripcord/analysis"
)

// cold is a healthy version that is a fifth slower in its first half minute:
// caches are empty, connections not open yet.
const (
	coldFor    = 30.0
	coldFactor = 1.2
	coldWatch  = 600.0
)

// boundaries are those of the histogram in seconds. Durations are log-normal with
// a median of 50 ms.
func boundaries() []float64 { return []float64{.01, .025, .05, .1, .25, .5, 1} }

// slower counts of n requests those that take longer than each boundary.
func slower(r *rand.Rand, n int, factor float64) analysis.Delta {
	d := analysis.Delta{ArmCounts: analysis.ArmCounts{Requests: float64(n)}, Upper: boundaries()}
	above, chance := n, 1.0
	for _, upper := range boundaries() {
		const spread = 0.6
		now := math.Erfc(math.Log(upper/(.05*factor))/spread/math.Sqrt2) / 2
		above = binomial(r, above, now/chance)
		chance = now
		d.Slower = append(d.Slower, float64(above))
	}
	return d
}

// coldRollBack reports whether a release with a cold new version is rolled back
// within ten minutes by its latency, of which the first warmUp seconds don't count.
func coldRollBack(r *rand.Rand, c cell, choice analysis.Choice, warmUp float64) (bool, error) {
	p, err := analysis.NewLatencyProcess(analysis.Limits{
		Tolerance: analysis.DefaultLatencyTolerance, Worse: analysis.DefaultWorse, Floor: analysis.DefaultLatencyFloor,
	}, choice)
	for i := 0; err == nil && i < c.ticksIn(coldWatch); i++ {
		factor := 1.0
		at := float64(i) * c.tick
		if at < coldFor {
			factor = coldFactor
		}
		n := poisson(r, c.rate*c.tick)
		canary := binomial(r, n, c.share)
		fresh, known := slower(r, canary, factor), slower(r, n-canary, 1)
		if at < warmUp {
			continue
		}
		if p, err = p.Add(c.tick, fresh, known, false); err == nil && p.LogE() >= -math.Log(analysis.DefaultAlpha) {
			return true, nil
		}
	}
	return false, err
}

// coldTable counts, of 1,000 healthy releases, those that are rolled back because
// the new version began cold.
func coldTable(set settings) (string, error) {
	text := strings.Builder{}
	text.WriteString("| share, requests | windows, no warm-up | requests, no warm-up | windows, 20 s | requests, 20 s | windows, 30 s | requests, 30 s |\n|---|---|---|---|---|---|---|\n")
	for _, share := range []float64{.05, .25} {
		for _, rate := range []float64{20, 200, 2000} {
			_, _ = fmt.Fprintf(&text, "| %g %% of %g/s |", 100*share, rate)
			cells, err := coldCells(set, cell{share: share, rate: rate, tick: set.tick})
			if err != nil {
				return "", err
			}
			text.WriteString(cells + "\n")
		}
	}
	return text.String(), nil
}

// coldCells are the cells of one line: each warm-up with each method.
func coldCells(set settings, c cell) (string, error) {
	text := strings.Builder{}
	for _, warmUp := range []float64{0, 20, 30} {
		for _, choice := range []analysis.Choice{analysis.DefaultChoice(), {Method: analysis.MethodCounts}} {
			count := 0
			for release := range set.releases {
				back, err := coldRollBack(rand.New(rand.NewPCG(set.seed, uint64(release))), c, choice, warmUp)
				if err != nil {
					return "", err
				}
				if back {
					count++
				}
			}
			_, _ = fmt.Fprintf(&text, " %.0f |", 1000*float64(count)/float64(set.releases))
		}
	}
	return text.String(), nil
}
