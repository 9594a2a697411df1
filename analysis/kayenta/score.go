package kayenta

import (
	"maps"
	"slices"
)

// The scores from which a canary passes or is marginal, as Kayenta suggests.
const (
	PassScore     = 95.0
	MarginalScore = 75.0
)

// Score is from 0 to 100: the weighted share of metrics that pass. Results are by
// group, weights in per cent by group; groups without one share what the others
// leave of 100. A group without any data counts 100. A critical metric that does
// not pass, or half of all metrics without data, gives 0. Without results it is 0.
func Score(groups map[string][]Result, weights map[string]float64) float64 {
	all, silent := 0, 0
	left, unweighted := 100.0, 0
	for name, results := range groups {
		for _, r := range results {
			if r.Critical && r.Label != Pass {
				return 0
			}
			all++
			if r.Label == Nodata {
				silent++
			}
		}
		if _, ok := weights[name]; !ok {
			unweighted++
		}
	}
	if all == 0 || 2*silent >= all {
		return 0
	}
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		left -= weights[name]
	}
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		weight, ok := weights[name]
		if !ok {
			weight = max(left, 0) / float64(unweighted)
		}
		sum += groupScore(groups[name]) * weight / 100
	}
	return sum
}

func groupScore(results []Result) float64 {
	passed, judged := 0, 0
	for _, r := range results {
		if r.Label != Nodata {
			judged++
		}
		if r.Label == Pass {
			passed++
		}
	}
	if judged == 0 {
		return 100
	}
	return 100 * float64(passed) / float64(judged)
}
