package kayenta

import (
	"math"
	"slices"
)

// NaN is what becomes of points without a value.
type NaN string

// The strategies.
const (
	// NaNRemove drops them. The default.
	NaNRemove NaN = "remove"
	// NaNReplace takes them for 0, which suits counts of rare things.
	NaNReplace NaN = "replace"
)

func (n NaN) apply(values []float64) []float64 {
	kept := make([]float64, 0, len(values))
	for _, v := range values {
		switch {
		case !math.IsNaN(v):
			kept = append(kept, v)
		case n == NaNReplace:
			kept = append(kept, 0)
		}
	}
	return kept
}

// Percentile is the p-th percentile, 0 to 100, of a sample that is not empty, by
// the method R-7: linear between the points around 1+(n-1)p/100.
func Percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := float64(len(sorted)-1) * p / 100
	below := int(math.Floor(at))
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Fences are the limits beyond which points are outliers: Q1 and Q3 less and more
// factor interquartile ranges; wide takes the 1st and 99th percentile where they
// lie further out.
func Fences(values []float64, factor float64, wide bool) (low, high float64) {
	q1, q3 := Percentile(values, 25), Percentile(values, 75)
	low, high = q1-factor*(q3-q1), q3+factor*(q3-q1)
	if wide {
		low, high = min(low, Percentile(values, 1)), max(high, Percentile(values, 99))
	}
	return low, high
}

// withoutOutliers drops what is beyond the wide fences of three ranges.
func withoutOutliers(values []float64) []float64 {
	if len(values) == 0 {
		return values
	}
	low, high := Fences(values, 3, true)
	return slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v < low || v > high })
}
