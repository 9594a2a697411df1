package analysis

import (
	"fmt"
	"math"
)

// Predict forecasts when a scenario is rolled back by all that the metric has: windows
// and fuse together, or requests with their guard. The metric is one of failures, with
// its defaults filled in. See the function Predict for what is approximate in it.
//
// Of a fuse the expected growth of its best component in each of its windows is taken,
// with its cap. The e-values of windows and fuse, that grow at these rates, are mixed
// as the judge mixes them.
func (m Metric) Predict(s Scenario, alpha float64) (Forecast, error) {
	if m.Kind != KindErrors {
		return Forecast{}, fmt.Errorf("%w: a forecast of kind %q", ErrInput, m.Kind)
	}
	f, err := Predict(s, m.Limits, m.Choice, alpha)
	if err != nil || !m.fused() {
		return f, err
	}
	p, err := NewFuseProcess(m.Limits, m.Fuse, alpha)
	if err != nil {
		return f, err
	}
	fuse := p.growth(s)
	if p.spec.Independent {
		return s.after(fuse.seconds(p.limit)), nil
	}
	windows := growth{each: m.Choice.Window}
	windows.ratio, windows.floor = growthOfFractions(s, m.Limits, m.Choice)
	windows.cost = math.Log(stakeCount)
	return s.after(mixed(windows, fuse, p.spec, logLimit(alpha))), nil
}

// growth is by how much the logarithms of two e-values grow on average in each window
// of so many seconds. cost is what the mixture costs once.
type growth struct {
	each         float64
	ratio, floor float64
	cost         float64
}

// at is the logarithm of the smaller e-value after so many seconds.
func (g growth) at(seconds float64) float64 {
	return math.Floor(seconds/g.each+1e-9)*min(g.ratio, g.floor) - g.cost
}

// seconds is when it reaches a limit.
func (g growth) seconds(limit float64) float64 {
	return math.Ceil(over(limit+g.cost, min(g.ratio, g.floor))) * g.each
}

// mixed is when windows and fuse together reach the limit: at the end of a window of
// one of the two.
func mixed(windows, fuse growth, spec Fuse, limit float64) float64 {
	// Each alone, with its part of the mixture to pay for, is at least that late.
	latest := min(windows.seconds(limit-math.Log1p(-spec.Part)), fuse.seconds(limit-math.Log(spec.Part)))
	if math.IsInf(latest, 1) {
		return latest
	}
	earliest := 0.0
	for range 64 {
		middle := (earliest + latest) / 2
		if spec.Mix(windows.at(middle), fuse.at(middle)) >= limit {
			latest = middle
		} else {
			earliest = middle
		}
	}
	return latest
}

// growth is that of the fuse in a scenario.
func (p FuseProcess) growth(s Scenario) growth {
	g := growth{each: p.spec.Cluster / fuseWindows}
	if s.Look > 0 { // a window is as many looks as fill it
		g.each = s.Look * math.Ceil(0.95*g.each/s.Look)
	}
	p.seconds, p.share = g.each, tolerated(s.Share, p.ratio.tolerance)
	most, canaries := p.most(), s.Rate*s.Share*g.each
	theta, bad, spared := p.share, s.bad(), 0.0
	for _, ratio := range ratios() {
		grown, more := 0.0, 0.0
		eachPair(canaries*bad, s.Rate*(1-s.Share)*g.each*s.Baseline, func(chance, c, b float64) {
			gain := c*math.Log(ratio) - (c+b)*math.Log1p(theta*(ratio-1))
			grown += chance * min(gain, most)
			more += chance * max(gain-most, 0)
		})
		if grown > g.ratio {
			g.ratio, spared = grown, more
		}
		grown = 0
		eachCount(canaries*bad, func(chance, c float64) {
			arm := ArmCounts{Requests: canaries, Failures: min(c, canaries)}
			grown += chance * min(bernoulliRatio(arm, p.floor.floor, ratio), most)
		})
		g.floor = max(g.floor, grown)
	}
	g.cost = math.Log(ratioCount)
	if !p.spec.Independent && g.ratio > 0 { // what the cap cuts off pays for the mixture
		g.cost = max(0, g.cost-spared*p.limit/g.ratio)
	}
	return g
}
