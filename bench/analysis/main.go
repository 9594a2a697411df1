// Command analysis measures the decisions from metrics: thousands of simulated
// releases, each an hour long, are judged by Ripcord's tests and by rules like
// those of Flagger, Argo Rollouts and Kayenta, all fed with the same requests.
//
// Healthy releases count how often a rule is wrong; bad ones how soon it is right
// and how many requests were harmed until then. Everything follows from the seed.
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/ripcord-dev/ripcord/bench/figure"
)

func main() {
	releases := flag.Int("releases", 1000, "how many releases are simulated in each cell")
	seed := flag.Uint64("seed", 1, "what all chance follows from")
	full := flag.Bool("full", false, "simulate more rates and shares")
	tick := flag.Float64("look", 5, "how many seconds are between two looks: 1, 2, 5 or 10")
	cold := flag.Bool("cold", false, "simulate nothing but new versions that begin cold")
	wide := flag.Bool("wide", false, "simulate nothing but many bad versions, at 20, 200 and 2,000 requests a second")
	flag.Parse()
	if err := run(os.Stdout, settings{*releases, *seed, *full, *tick}, *cold, *wide); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/analysis:", err)
		os.Exit(1)
	}
}

// tally is what one rule did in one cell.
type tally struct {
	rolledBack int
	// seconds until the roll-back, +Inf without one; harmed until then.
	seconds, harmed []float64
}

// settings are what is simulated.
type settings struct {
	releases int
	seed     uint64
	full     bool
	tick     float64
}

func run(to io.Writer, set settings, cold, wide bool) error {
	if !slices.Contains([]float64{1, 2, 5, 10}, set.tick) {
		return fmt.Errorf("a look every %v seconds", set.tick)
	}
	var table string
	var err error
	switch {
	case cold:
		table, err = coldTable(set)
	case wide:
		table, err = wideTable(set)
	default:
		return measure(to, set)
	}
	if err == nil {
		_, err = io.WriteString(to, table)
	}
	return err
}

func measure(to io.Writer, set settings) error {
	all := rules()
	fineCells, badCells := looked(healthy(set.full), set.tick), looked(bad(set.full), set.tick)
	conditions := figure.Now(os.TempDir())
	fine, err := simulateAll(fineCells, all, set.releases, set.seed)
	if err != nil {
		return err
	}
	worse, err := simulateAll(badCells, all, set.releases, set.seed+1)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(to, "seed %d, %d releases a cell, an hour each, a look every %.0f s\n\nrolled back of 1,000 healthy releases:\n\n%s\nseconds to roll back a bad one, median / 95 of 100 [requests harmed, median]:\n\n%s\n",
		set.seed, set.releases, set.tick, wrongTable(fineCells, all, fine, set.releases), soonTable(badCells, all, worse))
	if err != nil {
		return err
	}
	return figure.Report(to, conditions, figures(fineCells, fine, worse, set.releases)...)
}

func looked(cells []cell, tick float64) []cell {
	for i := range cells {
		cells[i].tick = tick
	}
	return cells
}

// simulateAll simulates each cell, so many at once as there are processors. The
// result does not depend on their number: each release has a generator of its own.
func simulateAll(cells []cell, all []named, releases int, seed uint64) ([][]tally, error) {
	results := make([][]tally, len(cells))
	failures := make([]error, len(cells))
	var group sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU())
	for i, c := range cells {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i], failures[i] = simulate(c, all, releases, seed<<32|uint64(i))
		})
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// pastSeconds is for how long the old version is known before a release.
const pastSeconds = hour / 2

func simulate(c cell, all []named, releases int, seed uint64) ([]tally, error) {
	tallies := make([]tally, len(all))
	for release := range releases {
		// Another generator, so that the release is the same whatever was before it.
		c.past = c.pastOf(rand.New(rand.NewPCG(^seed, uint64(release))), pastSeconds)
		looks := c.hourOf(rand.New(rand.NewPCG(seed, uint64(release))))
		for n, named := range all {
			r, err := named.make(c)
			if err != nil {
				return nil, err
			}
			seconds, harmed, err := judge(r, c.tick, looks)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", c.name, named.name, err)
			}
			if !math.IsInf(seconds, 1) {
				tallies[n].rolledBack++
			}
			tallies[n].seconds = append(tallies[n].seconds, seconds)
			tallies[n].harmed = append(tallies[n].harmed, harmed)
		}
	}
	for n := range tallies {
		slices.Sort(tallies[n].seconds)
		slices.Sort(tallies[n].harmed)
	}
	return tallies, nil
}

func judge(r rule, tick float64, looks []look) (seconds, harmed float64, err error) {
	for i, l := range looks {
		harmed += l.excess
		rollBack, err := r.look(i, l)
		if err != nil {
			return 0, 0, err
		}
		if rollBack {
			return float64(i+1) * tick, harmed, nil
		}
	}
	return math.Inf(1), harmed, nil
}
