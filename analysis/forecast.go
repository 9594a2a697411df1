package analysis

import (
	"fmt"
	"math"
)

// Scenario is a bad version to be found, for a forecast before the release.
type Scenario struct {
	// Rate is requests a second of both versions, Share the canary's share of
	// them, Baseline the old version's failure rate.
	Rate, Share, Baseline float64
	// Ratio is how many times worse the new version is.
	Ratio float64
	// Look is how many seconds are between two looks; 0 is all the time.
	Look float64
}

// Forecast is how long a bad version is expected to stay.
type Forecast struct {
	// Seconds until it is rolled back; +Inf where it never is, because the
	// tolerance or the floor allows it.
	Seconds float64
	// Harmed are the requests that fail meanwhile and would not have failed
	// with the old version.
	Harmed float64
}

// Predict forecasts when a scenario is rolled back at alpha. With l_c and l_b the
// failures a second of the versions, MethodCounts needs about
//
//	T = (ln(1/alpha) + ln J) / (l_c ln(R/R0) - (l_c+l_b) ln((1-w+wR)/(1-w+w R0)))
//
// the evidence to gather, with J grid points to pay for, over its mean growth a
// second. MethodFractions needs the same for the growth of its best stake, in
// whole windows. The floor needs its own time; the longer of the two counts.
// Source: Wald's approximation of the expected sample size.
func Predict(s Scenario, l Limits, c Choice, alpha float64) (Forecast, error) {
	if err := s.check(alpha); err != nil {
		return Forecast{}, err
	}
	if _, err := NewComparison(l, c); err != nil {
		return Forecast{}, err
	}
	if c.Method == MethodCounts {
		return s.after(secondsOfCounts(s, l, alpha)), nil
	}
	return s.after(secondsOfFractions(s, l, c, alpha)), nil
}

func (s Scenario) check(alpha float64) error {
	for _, r := range []float64{s.Share, s.Baseline} {
		if err := checkRate(r); err != nil {
			return err
		}
	}
	if !(s.Rate > 0 && s.Rate < 1e9 && s.Ratio > 0 && s.Ratio < 1e6 && alpha > 0 && alpha < 1 && s.Look >= 0 && s.Look < 1e6) {
		return fmt.Errorf("%w: %v requests a second, %v times worse, alpha %v, a look every %v s", ErrInput, s.Rate, s.Ratio, alpha, s.Look)
	}
	return nil
}

// bad is the new version's failure rate.
func (s Scenario) bad() float64 { return min(s.Baseline*s.Ratio, 1) }

// after is the forecast of a roll-back after so many seconds.
func (s Scenario) after(seconds float64) Forecast {
	harmed := max(s.bad()-s.Baseline, 0) * s.Rate * s.Share * seconds
	if math.IsNaN(harmed) { // a version that is no worse harms nobody for ever
		harmed = 0
	}
	return Forecast{Seconds: seconds, Harmed: harmed}
}

func secondsOfCounts(s Scenario, l Limits, alpha float64) float64 {
	needed := logLimit(alpha) + math.Log(ratioCount)
	bad := min(s.Baseline*s.Ratio, 1)
	canary, baseline := s.Rate*s.Share*bad, s.Rate*(1-s.Share)*s.Baseline
	w, r := s.Share, bad/s.Baseline
	growth := 0.0
	if r > l.Tolerance {
		growth = canary*math.Log(r/l.Tolerance) - (canary+baseline)*math.Log((1-w+w*r)/(1-w+w*l.Tolerance))
	}
	// The floor's likelihood ratio grows by the divergence of the two rates.
	floor := 0.0
	if bad > l.Floor {
		floor = bernoulliRatio(ArmCounts{Requests: 1, Failures: bad}, l.Floor, bad/l.Floor) * s.Rate * s.Share
	}
	return max(over(needed, growth), over(needed, floor))
}

func secondsOfFractions(s Scenario, l Limits, c Choice, alpha float64) float64 {
	needed := logLimit(alpha) + math.Log(stakeCount)
	growth, floor := growthOfFractions(s, l, c)
	windows := max(over(needed, growth), over(needed, floor))
	return math.Ceil(windows) * c.Window
}

// growthOfFractions is by how much the logarithms grow in each window, of the best
// stakes against the ratio and against the floor.
func growthOfFractions(s Scenario, l Limits, c Choice) (growth, floor float64) {
	requests := s.Rate * s.Share * c.Window
	canary, baseline := requests*s.bad(), s.Rate*(1-s.Share)*c.Window*s.Baseline
	theta := tolerated(s.Share, l.Tolerance)
	for _, kappa := range stakes() {
		sum := 0.0
		eachPair(canary, baseline, func(chance, c, b float64) {
			if c+b > 0 {
				sum += chance * math.Log1p(kappa/theta*(c/(c+b)-theta))
			}
		})
		growth = max(growth, sum)
		sum = 0
		eachCount(canary, func(chance, c float64) {
			sum += chance * math.Log1p(kappa/l.Floor*(min(c/requests, 1)-l.Floor))
		})
		floor = max(floor, sum)
	}
	return growth, floor
}

func over(needed, growth float64) float64 {
	if growth <= 0 {
		return math.Inf(1)
	}
	return needed / growth
}

// eachCount visits the likely values of a Poisson count, or of a large one nine
// points of its normal approximation, so that the work is bounded.
func eachCount(mean float64, visit func(chance, count float64)) {
	if mean > 100 {
		total := 0.0
		for z := -4.0; z <= 4; z++ {
			total += math.Exp(-z * z / 2)
		}
		for z := -4.0; z <= 4; z++ {
			visit(math.Exp(-z*z/2)/total, mean+z*math.Sqrt(mean))
		}
		return
	}
	chance := math.Exp(-mean)
	for k := 0.0; k <= mean+8*math.Sqrt(mean)+8; k++ {
		visit(chance, k)
		chance *= mean / (k + 1)
	}
}

func eachPair(a, b float64, visit func(chance, x, y float64)) {
	eachCount(a, func(p, x float64) {
		eachCount(b, func(q, y float64) { visit(p*q, x, y) })
	})
}
