package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/ripcord-dev/ripcord/bench/figure"
)

// part is the value below which so many of the sorted values lie.
func part(sorted []float64, share float64) float64 {
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func header(cells []cell) string {
	text := strings.Builder{}
	text.WriteString("| rule |")
	for _, c := range cells {
		text.WriteString(" " + c.name + " |")
	}
	return text.String() + "\n|---|" + strings.Repeat("---|", len(cells)) + "\n"
}

func wrongTable(cells []cell, all []named, results [][]tally, releases int) string {
	text := strings.Builder{}
	text.WriteString(header(cells))
	for n, rule := range all {
		text.WriteString("| " + rule.name + " |")
		for i := range cells {
			_, _ = fmt.Fprintf(&text, " %.0f |", 1000*float64(results[i][n].rolledBack)/float64(releases))
		}
		text.WriteString("\n")
	}
	return text.String()
}

func soonTable(cells []cell, all []named, results [][]tally) string {
	text := strings.Builder{}
	text.WriteString(header(cells))
	for n, rule := range all {
		text.WriteString("| " + rule.name + " |")
		for i := range cells {
			t := results[i][n]
			_, _ = fmt.Fprintf(&text, " %s / %s [%.0f] |", seconds(part(t.seconds, .5)), seconds(part(t.seconds, .95)), part(t.harmed, .5))
		}
		text.WriteString("\n")
	}
	return text.String()
}

// wideTable shows what windows, with and without the fuse, and their peers do in
// many bad cells, a line each.
func wideTable(set settings) (string, error) {
	cells, everyone := looked(bad(true), set.tick), rules()
	all := []named{everyone[byFractionsTolerant], everyone[byDefault], everyone[byLearned], everyone[byFlagger], everyone[byArgo]}
	results, err := simulateAll(cells, all, set.releases, set.seed+1)
	if err != nil {
		return "", err
	}
	text := strings.Builder{}
	text.WriteString("| cell |")
	for _, rule := range all {
		text.WriteString(" " + rule.name + " |")
	}
	text.WriteString("\n|---|" + strings.Repeat("---|", len(all)) + "\n")
	for i, c := range cells {
		text.WriteString("| " + c.name + " |")
		for _, t := range results[i] {
			_, _ = fmt.Fprintf(&text, " %s / %s [%.0f] |", seconds(part(t.seconds, .5)), seconds(part(t.seconds, .95)), part(t.harmed, .5))
		}
		text.WriteString("\n")
	}
	return text.String(), nil
}

func seconds(v float64) string {
	if math.IsInf(v, 1) {
		return "-"
	}
	return fmt.Sprintf("%.0f", v)
}

// The rules and bad cells that have aims, by their place in rules and bad. The
// aims are those of the bare tests, which tolerate no difference; a tolerance of
// 1.25, the default, is shown beside it.
const (
	byCounts, byCountsTolerant, byFractions, byFractionsTolerant, byDefault, byLearned, byFlagger, byArgo = 0, 1, 2, 3, 4, 5, 7, 8
	fiveTimes, twentyTimes                                                                                = 0, 1
)

// figures are those with an aim. A figure over cells is that of the worst one.
func figures(fine []cell, healthy, bad [][]tally, releases int) []figure.Figure {
	wrong := func(n int, bursts bool) (each []float64) {
		for i, c := range fine {
			if (c.cluster > 0 || c.stumbles > 0) == bursts {
				each = append(each, 1000*float64(healthy[i][n].rolledBack)/float64(releases))
			}
		}
		return each
	}
	all := []figure.Figure{
		worst("healthy releases rolled back, counts, independent failures", wrong(byCounts, false)),
		worst("healthy releases rolled back, counts, tolerance 1.25", wrong(byCountsTolerant, false)),
		worst("healthy releases rolled back, fractions, clusters of a third of the window", wrong(byFractions, true)),
		worst("healthy releases rolled back, fractions, tolerance 1.25", wrong(byFractionsTolerant, true)),
		worst("healthy releases rolled back, fractions and fuse, independent failures", wrong(byDefault, false)),
		worst("healthy releases rolled back, fractions and fuse, clusters and bursts", wrong(byDefault, true)),
		worst("healthy releases rolled back, chosen by A/A, independent failures", wrong(byLearned, false)),
		worst("healthy releases rolled back, chosen by A/A, clusters and bursts", wrong(byLearned, true)),
	}
	theirs := part(bad[fiveTimes][byFlagger].harmed, .5)
	for _, named := range []struct {
		n    int
		name string
	}{{byCounts, ""}, {byCountsTolerant, ", tolerance 1.25"}, {byLearned, ", chosen by A/A"}} {
		n, name := named.n, named.name
		five, twenty := bad[fiveTimes][n], bad[twentyTimes][n]
		harmed := part(five.harmed, .5)
		all = append(
			all,
			figure.Of("0.1 % x5 is rolled back, median of the releases"+name, "s", []float64{part(five.seconds, .5)}).Below(60.5),
			figure.Of("0.1 % x5 is rolled back, 95 of 100 releases"+name, "s", []float64{part(five.seconds, .95)}).Below(150.5),
			figure.Of("1 % x20 is rolled back, 95 of 100 releases"+name, "s", []float64{part(twenty.seconds, .95)}).Below(20.5),
			figure.Of("fewer requests harmed than by a Flagger-like rule at 3x"+name, "times", []float64{theirs / max(harmed, 1)}).AtLeast(5).
				With("median of %.0f against %.0f requests", harmed, theirs),
		)
	}
	return all
}

func worst(name string, each []float64) figure.Figure {
	highest := 0.0
	for _, v := range each {
		highest = max(highest, v)
	}
	return figure.Of(name, "of 1,000", []float64{highest}).Below(18.5).With("the worst of %d cells", len(each))
}
