package analysis

import (
	"cmp"
	"math"
	"slices"
)

// Weighted is the evidence of one metric in a combination.
type Weighted struct {
	Name   string
	Weight float64
	LogE   float64
}

// Combine is the logarithm of the weighted mean of e-values, an e-value for "the
// canary is worse in none of the metrics" whatever their dependence (Vovk and
// Wang, arXiv:1912.06116). Without metrics it is 0.
func Combine(all []Weighted) float64 {
	logs := make([]float64, 0, len(all))
	total := 0.0
	for _, m := range all {
		total += m.Weight
		logs = append(logs, math.Log(m.Weight)+m.LogE)
	}
	if total == 0 {
		return 0
	}
	return logSumExp(logs) - math.Log(total)
}

// Culprits names the metrics that are to blame, by e-BH: the largest k such that
// the k-th largest e-value is at least M/(k alpha). At most a share alpha of the
// names is wrong on average, whatever the dependence. An e-value is weighted with
// its metric's weight over the mean weight. Source: Wang and Ramdas,
// arXiv:2009.02824. The names are in falling order of evidence.
func Culprits(all []Weighted, alpha float64) []string {
	total := 0.0
	for _, m := range all {
		total += m.Weight
	}
	if total == 0 {
		return nil
	}
	sorted := make([]Weighted, 0, len(all))
	for _, m := range all {
		m.LogE += math.Log(m.Weight * float64(len(all)) / total)
		sorted = append(sorted, m)
	}
	slices.SortStableFunc(sorted, func(a, b Weighted) int { return cmp.Compare(b.LogE, a.LogE) })
	count := 0
	for i, m := range sorted {
		k := float64(i + 1)
		if m.LogE+math.Log(k/float64(len(all))) >= logLimit(alpha) {
			count = i + 1
		}
	}
	names := make([]string, 0, count)
	for _, m := range sorted[:count] {
		names = append(names, m.Name)
	}
	return names
}
