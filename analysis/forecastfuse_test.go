package analysis_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ripcord-dev/ripcord/analysis"
)

// poisson draws a count.
func poisson(r *rand.Rand, mean float64) float64 {
	count, left := -1.0, mean
	for left >= 0 {
		left += math.Log(1 - r.Float64())
		count++
	}
	return count
}

// happens simulates a scenario until it is rolled back, so many times, and returns the
// median of the seconds.
func happens(t *testing.T, s analysis.Scenario, m analysis.Metric, releases int) float64 {
	t.Helper()
	r, all := chance(11), make([]float64, releases)
	for n := range all {
		c, err := analysis.NewComparison(m.Limits, m.Choice)
		if err != nil {
			t.Fatal(err)
		}
		f, err := analysis.NewFuseProcess(m.Limits, m.Fuse, .01)
		if err != nil {
			t.Fatal(err)
		}
		for m.Fuse.Mix(c.LogE(), f.LogE()) < math.Log(100) && all[n] < 7200 {
			all[n] += s.Look
			i := analysis.Interval{Seconds: s.Look}
			i.Counts.New.Requests, i.Counts.Old.Requests = s.Rate*s.Share*s.Look, s.Rate*(1-s.Share)*s.Look
			i.Counts.New.Failures = min(poisson(r, i.Counts.New.Requests*min(s.Baseline*s.Ratio, 1)), i.Counts.New.Requests)
			i.Counts.Old.Failures = poisson(r, i.Counts.Old.Requests*s.Baseline)
			if c, err = c.Add(i); err != nil {
				t.Fatal(err)
			}
			if f, err = f.Add(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Sort(all)
	return all[releases/2]
}

// TestForecastKnowsTheFuse: what is forecast is what happens, with windows and a fuse
// and with requests and their guard, to within a third or a look or two.
func TestForecastKnowsTheFuse(t *testing.T) {
	t.Parallel()
	metrics := map[string]analysis.Metric{
		"windows and fuse":        {},
		"a fuse for short bursts": {Fuse: analysis.Fuse{Cluster: 4}},
		"guarded requests":        {Choice: analysis.Choice{Method: analysis.MethodCounts, Guard: analysis.DefaultGuard}},
	}
	for name, m := range metrics {
		m.Name, m.Kind = "errors", analysis.KindErrors
		spec, err := analysis.Spec{Metrics: []analysis.Metric{m}}.WithDefaults()
		if err != nil {
			t.Fatal(err)
		}
		m = spec.Metrics[0]
		for _, s := range []analysis.Scenario{
			{Rate: 200, Share: .25, Baseline: .001, Ratio: 5},
			{Rate: 200, Share: .05, Baseline: .001, Ratio: 5},
			{Rate: 200, Share: .05, Baseline: .001, Ratio: 20},
			{Rate: 200, Share: .25, Baseline: .01, Ratio: 20},
			{Rate: 200, Share: .25, Baseline: .01, Ratio: 2},
			{Rate: 2000, Share: .25, Baseline: .01, Ratio: 2},
			{Rate: 20, Share: .25, Baseline: .01, Ratio: 5},
		} {
			for _, look := range []float64{2, 5} {
				s.Look = look
				f, err := m.Predict(s, .01)
				if err != nil {
					t.Fatal(err)
				}
				seen := happens(t, s, m, 61)
				t.Logf("%s %+v: forecast %.0f s, seen %.0f s", name, s, f.Seconds, seen)
				if f.Seconds > 1.4*seen+2*look || f.Seconds < seen/1.4-2*look {
					t.Errorf("%s %+v: forecast %.0f s, seen %.0f s", name, s, f.Seconds, seen)
				}
			}
		}
	}
}
