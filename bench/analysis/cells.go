package main

import "fmt"

// healthy are the cells in which no release should be rolled back. The small set
// has every kind of trouble once, the full one more rates and shares.
func healthy(full bool) []cell {
	var all []cell
	bases, shares, rates := []float64{.001, .01}, []float64{.05, .25}, []float64{200}
	if full {
		bases, shares, rates = []float64{.0005, .001, .01, .05}, []float64{.05, .25, .5}, []float64{20, 200}
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
	return append(all,
		cell{name: "both x10 for 5 min, 0.1 %, 25 % of 200/s", base: .001, ratio: 1, share: .25, rate: 200, burst: 10},
		cell{name: "stages 5-25-50 %, drift 0.1 to 1 %, 200/s", base: .001, ratio: 1, rate: 200, stages: []float64{.05, .25, .5}, drift: 10},
		cell{name: "clusters up to 10 s, 0.1 %, 5 % of 200/s", base: .001, ratio: 1, share: .05, rate: 200, cluster: 10},
		cell{name: "clusters up to 10 s, 0.1 %, 25 % of 200/s", base: .001, ratio: 1, share: .25, rate: 200, cluster: 10},
		cell{name: "clusters up to 10 s, 1 %, 50 % of 200/s", base: .01, ratio: 1, share: .5, rate: 200, cluster: 10},
	)
}

// bad are the cells in which every release should be.
func bad(full bool) []cell {
	all := []cell{
		{name: "0.1 % x5, 25 % of 200/s", base: .001, ratio: 5, share: .25, rate: 200},
		{name: "1 % x20, 25 % of 200/s", base: .01, ratio: 20, share: .25, rate: 200},
		{name: "1 % x2, 25 % of 200/s", base: .01, ratio: 2, share: .25, rate: 200},
		{name: "0.1 % x20, 5 % of 200/s", base: .001, ratio: 20, share: .05, rate: 200},
	}
	if full {
		all = append(all,
			cell{name: "0.1 % x5, 5 % of 200/s", base: .001, ratio: 5, share: .05, rate: 200},
			cell{name: "1 % x20, 5 % of 200/s", base: .01, ratio: 20, share: .05, rate: 200},
			cell{name: "1 % x1.5, 25 % of 200/s", base: .01, ratio: 1.5, share: .25, rate: 200},
			cell{name: "0.1 % x20, 25 % of 20/s", base: .001, ratio: 20, share: .25, rate: 20},
		)
	}
	return all
}
