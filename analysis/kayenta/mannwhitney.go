package kayenta

import (
	"cmp"
	"math"
	"slices"
)

// relativeTolerance of the roots, as a part of the width that they lie in.
const relativeTolerance = 1e-12

// Shift is by how much the experiment is above the control: the Hodges-Lehmann
// estimate with its confidence interval.
type Shift struct {
	Low, High, Estimate float64
}

// MannWhitney estimates the shift of x (the experiment) against y (the control),
// neither of them empty, as R's wilcox.test(exact=FALSE, correct=TRUE,
// conf.int=TRUE) does: the interval's ends are where
//
//	z(mu) = (dz - 0.5 sgn dz)/sigma, dz = R(x-mu) - m(m+1)/2 - mn/2
//	sigma^2 = mn/12 ((m+n+1) - sum(t^3-t)/((m+n)(m+n-1)))
//
// crosses the normal quantiles of the confidence, and the estimate is where it
// crosses zero. R is the sum of ranks, t the sizes of ties.
func MannWhitney(x, y []float64, confidence float64) Shift {
	q := math.Sqrt2 * math.Erfinv(confidence)
	return Shift{Low: root(x, y, q), High: root(x, y, -q), Estimate: root(x, y, 0)}
}

// Z is z(mu), the standardised rank sum of x-mu among y; 0 where all are tied.
func Z(x, y []float64, mu float64) float64 {
	m, n := float64(len(x)), float64(len(y))
	sum, ties := rankSum(x, y, mu)
	dz := sum - m*(m+1)/2 - m*n/2
	variance := m * n / 12 * ((m + n + 1) - ties/((m+n)*(m+n-1)))
	if !(variance > 0) {
		return 0
	}
	correction := 0.0
	if dz != 0 {
		correction = math.Copysign(0.5, dz)
	}
	return (dz - correction) / math.Sqrt(variance)
}

// rankSum is the sum of the ranks of x-mu among both samples, ties with their
// mean rank, and the sum of t^3-t over the ties.
func rankSum(x, y []float64, mu float64) (sum, ties float64) {
	type ranked struct {
		value float64
		ofX   bool
	}
	all := make([]ranked, 0, len(x)+len(y))
	for _, v := range x {
		all = append(all, ranked{v - mu, true})
	}
	for _, v := range y {
		all = append(all, ranked{v, false})
	}
	slices.SortFunc(all, func(a, b ranked) int { return cmp.Compare(a.value, b.value) })
	for i := 0; i < len(all); {
		j, ofX := i, 0
		for ; j < len(all) && all[j].value == all[i].value; j++ {
			if all[j].ofX {
				ofX++
			}
		}
		t := float64(j - i)
		sum += float64(ofX) * (float64(i+j+1) / 2)
		ties += t*t*t - t
		i = j
	}
	return sum, ties
}

// root is where z falls below q. z only ever falls, in steps, so bisection finds
// the step. Where many points are tied the step may be just beside zero; then the
// side matters, because whether a shift is above zero decides a label: a z at zero
// that is still above q puts the step above zero.
func root(x, y []float64, q float64) float64 {
	low, high := slices.Min(x)-slices.Max(y), slices.Max(x)-slices.Min(y)
	if Z(x, y, low) <= q {
		return low
	}
	if Z(x, y, high) >= q {
		return high
	}
	for narrow := (high - low) * relativeTolerance; high-low > narrow; {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			break
		}
		switch z := Z(x, y, middle); {
		case z == q:
			return middle
		case z > q:
			low = middle
		default:
			high = middle
		}
	}
	if low <= 0 && high >= 0 {
		switch z := Z(x, y, 0); {
		case z > q:
			return high
		case z < q:
			return low
		default:
			return 0
		}
	}
	return low + (high-low)/2
}

// CLES is the common-language effect size: the chance that a point of x is above
// one of y, (2 R - m(m+1))/(2mn).
func CLES(x, y []float64) float64 {
	m, n := float64(len(x)), float64(len(y))
	sum, _ := rankSum(x, y, 0)
	return (2*sum - m*(m+1)) / (2 * m * n)
}

// MeanRatio is the mean of x over the mean of y; NaN where that of y is 0.
func MeanRatio(x, y []float64) float64 {
	if mean(y) == 0 {
		return math.NaN()
	}
	return mean(x) / mean(y)
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
