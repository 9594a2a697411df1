package main

import "fmt"

// healthy are the cells in which no release should be rolled back. The small set
// has every kind of trouble once, the full one more rates and shares.
func healthy(full bool) []cell {
	var all []cell
	bases, shares, rates := []float64{.001, .01}, []float64{.05, .25}, []float64{200}
	if full {
		bases, shares, rates = []float64{.0005, .001, .01, .05}, []float64{.05, .25, .5}, []float64{20, 200, 2000}
	}
	for _, base := range bases {
		for _, share := range shares {
			for _, rate := range rates {
				all = append(all, cell{
					name: fmt.Sprintf("independent, %g %%, %g %% of %g/s", 100*base, 100*share, rate),
					base: base, ratio: 1, share: share, rate: rate,
				})
			}
		}
	}
	for _, share := range []float64{.05, .25} {
		all = append(all, cell{
			name: fmt.Sprintf("both x10 for 5 min, 0.1 %%, %g %% of 200/s", 100*share),
			base: .001, ratio: 1, share: share, rate: 200, burst: 10,
		})
	}
	all = append(all, cell{
		name: "stages 5-25-50 %, drift 0.1 to 1 %, 200/s", base: .001, ratio: 1, rate: 200, stages: []float64{.05, .25, .5}, drift: 10,
	})
	for _, base := range []float64{.001, .01} {
		for _, share := range []float64{.05, .25, .5} {
			all = append(all, cell{
				name: fmt.Sprintf("clusters up to 10 s, %g %%, %g %% of 200/s", 100*base, 100*share),
				base: base, ratio: 1, share: share, rate: 200, cluster: 10,
			})
		}
	}
	for _, c := range [][3]float64{{.05, 2, 10}, {.25, 3, 10}} {
		all = append(all, cell{
			name: fmt.Sprintf("clusters of %g on average, 1 %%, %g %% of 200/s", c[1], 100*c[0]),
			base: .01, ratio: 1, share: c[0], rate: 200, cluster: c[2], size: c[1],
		})
	}
	for _, share := range []float64{.05, .25} {
		all = append(all, cell{
			name: fmt.Sprintf("20 failures of the new version in 2 s, 0.1 %%, %g %% of 200/s", 100*share),
			base: .001, ratio: 1, share: share, rate: 200, stumbles: 1,
		})
	}
	return all
}

// bad are the cells in which every release should be. The first two have aims.
func bad(full bool) []cell {
	all := []cell{worse(.001, .005, .25, 200), worse(.01, .2, .25, 200)}
	if !full {
		return append(
			all, worse(.01, .02, .25, 200), worse(.001, .02, .05, 200), worse(.001, .005, .05, 200),
			worse(0, .05, .05, 200), worse(0, .05, .25, 200), worse(0, .01, .05, 200), worse(0, .01, .25, 200),
		)
	}
	for _, rate := range []float64{20, 200, 2000} {
		for _, share := range []float64{.05, .25} {
			for _, rates := range [][2]float64{{.001, .005}, {.001, .02}, {.01, .02}, {.01, .2}, {0, .05}, {0, .01}} {
				all = append(all, worse(rates[0], rates[1], share, rate))
			}
		}
	}
	return all
}

// worse is a cell in which the old version fails a share of its requests, and the
// new one more.
func worse(old, now, share, rate float64) cell {
	return cell{
		name: fmt.Sprintf("%g to %g %%, %g %% of %g/s", 100*old, 100*now, 100*share, rate),
		base: old, failing: now, share: share, rate: rate,
	}
}
