package analysis_test

import (
	"math"
	"testing"

	"github.com/ripcord-dev/ripcord/analysis"
)

// same makes an hour of the old version against itself, half and half: failures
// one by one, or in clusters of the given seconds on one of the halves.
func same(seed uint64, cluster float64) []analysis.Interval {
	r := chance(seed)
	all := make([]analysis.Interval, 720)
	for i := range all {
		all[i] = analysis.Interval{Seconds: 10, Counts: analysis.Counts{
			New: analysis.ArmCounts{Requests: 1000}, Old: analysis.ArmCounts{Requests: 1000},
		}}
	}
	add := func(at float64, onNew bool) {
		if i := int(at / 10); i < len(all) {
			if onNew {
				all[i].Counts.New.Failures++
			} else {
				all[i].Counts.Old.Failures++
			}
		}
	}
	for range 200 {
		at, onNew := r.Float64()*7200, r.IntN(2) == 0
		for range 10 {
			if cluster == 0 {
				at, onNew = r.Float64()*7200, r.IntN(2) == 0
			}
			add(at+r.Float64()*cluster, onNew)
		}
	}
	return all
}

func TestMethodFollowsDispersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		aa      []analysis.Interval
		method  analysis.Method
		windows []float64
	}{
		{"independent", same(1, 0), analysis.MethodCounts, []float64{0}},
		{"short clusters", same(2, 5), analysis.MethodFractions, []float64{30}},
		{"long clusters", same(3, 90), analysis.MethodFractions, []float64{120, 240, 480}},
		{"too short", same(1, 0)[:20], analysis.MethodFractions, []float64{30}},
		{"nothing", nil, analysis.MethodFractions, []float64{30}},
	}
	for _, test := range tests {
		got, err := analysis.Choose(test.aa)
		if err != nil {
			t.Fatal(err)
		}
		known := false
		for _, w := range test.windows {
			known = known || got.Window == w
		}
		if got.Method != test.method || !known || got.Reason == "" {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

func TestDispersionOfIndependentFailuresIsOne(t *testing.T) {
	t.Parallel()
	if d := analysis.Dispersion(same(5, 0)); math.Abs(d-1) > 0.15 {
		t.Errorf("independent: %v", d)
	}
	if d := analysis.Dispersion(same(6, 10)); d < 3 {
		t.Errorf("clusters of ten: %v", d)
	}
	if d := analysis.Dispersion(nil); !math.IsNaN(d) {
		t.Errorf("of nothing: %v", d)
	}
}

func TestForecastAgreesWithWhatHappens(t *testing.T) {
	t.Parallel()
	limits := analysis.Limits{Tolerance: 1.25, Worse: 2, Floor: .0005}
	for _, choice := range []analysis.Choice{{Method: analysis.MethodCounts}, analysis.DefaultChoice()} {
		s := analysis.Scenario{Rate: 200, Share: .25, Baseline: .01, Ratio: 4}
		f, err := analysis.Predict(s, limits, choice, .01)
		if err != nil {
			t.Fatal(err)
		}
		c, err := analysis.NewComparison(limits, choice)
		if err != nil {
			t.Fatal(err)
		}
		seconds := 0.0
		for ; c.LogE() < math.Log(100); seconds += 10 {
			// The expected counts themselves.
			c, err = c.Add(analysis.Interval{Seconds: 10, Counts: analysis.Counts{
				New: analysis.ArmCounts{Requests: 500, Failures: 20},
				Old: analysis.ArmCounts{Requests: 1500, Failures: 15},
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		if f.Seconds < seconds/2 || f.Seconds > seconds*2 || math.Abs(f.Harmed-f.Seconds*50*.03) > 1e-6 {
			t.Errorf("%s: forecast %+v, happened after %v s", choice.Method, f, seconds)
		}
	}
}

func TestForecastOfWhatIsTolerated(t *testing.T) {
	t.Parallel()
	limits := analysis.Limits{Tolerance: 1.25, Worse: 2, Floor: .0005}
	for name, s := range map[string]analysis.Scenario{
		"no worse":        {Rate: 200, Share: .25, Baseline: .01, Ratio: 1},
		"below the floor": {Rate: 200, Share: .25, Baseline: .00001, Ratio: 10},
	} {
		for _, choice := range []analysis.Choice{{Method: analysis.MethodCounts}, analysis.DefaultChoice()} {
			f, err := analysis.Predict(s, limits, choice, .01)
			if err != nil || !math.IsInf(f.Seconds, 1) {
				t.Errorf("%s, %s: %+v %v", name, choice.Method, f, err)
			}
		}
	}
	if _, err := analysis.Predict(analysis.Scenario{Rate: math.NaN(), Share: .5, Baseline: .1, Ratio: 2}, limits, analysis.DefaultChoice(), .01); err == nil {
		t.Error("NaN")
	}
}

// TestEValuesKeepTheirPromise simulates healthy canaries at the very edge of what
// is tolerated, with looks after each interval: no more than alpha may reach the
// limit. The bench does the same at length.
func TestEValuesKeepTheirPromise(t *testing.T) {
	t.Parallel()
	r := chance(11)
	const runs, looks = 200, 100
	wrong := make(map[analysis.Method]int)
	for range runs {
		comparisons := make(map[analysis.Method]analysis.Comparison)
		for _, choice := range []analysis.Choice{{Method: analysis.MethodCounts}, analysis.DefaultChoice()} {
			c, err := analysis.NewComparison(analysis.Limits{Tolerance: 1.25, Worse: 2, Floor: .0005}, choice)
			if err != nil {
				t.Fatal(err)
			}
			comparisons[choice.Method] = c
		}
		rejected := make(map[analysis.Method]bool)
		for range looks {
			var c analysis.Counts
			c.New.Requests, c.Old.Requests = 100, 300
			for range 100 {
				c.New.Failures += float64(b2i(r.Float64() < .0125))
			}
			for range 300 {
				c.Old.Failures += float64(b2i(r.Float64() < .01))
			}
			for method, comparison := range comparisons {
				next, err := comparison.Add(analysis.Interval{Seconds: 10, Counts: c})
				if err != nil {
					t.Fatal(err)
				}
				comparisons[method] = next
				rejected[method] = rejected[method] || next.LogE() >= math.Log(100)
			}
		}
		for method := range rejected {
			wrong[method] += b2i(rejected[method])
		}
	}
	for method, n := range wrong {
		if n > 8 { // 2 are expected at most; more than 8 has a chance below 0.001
			t.Errorf("%s: %d of %d", method, n, runs)
		}
	}
}

func TestExtremesStayFinite(t *testing.T) {
	t.Parallel()
	extremes := []analysis.Counts{
		{},
		{New: analysis.ArmCounts{Requests: 1e15, Failures: 1e15}, Old: analysis.ArmCounts{Requests: 1e15}},
		{New: analysis.ArmCounts{Requests: 1e15}, Old: analysis.ArmCounts{Requests: 1e15, Failures: 1e15}},
		{New: analysis.ArmCounts{Requests: 1, Failures: 1}, Old: analysis.ArmCounts{Requests: 1e15}},
		{New: analysis.ArmCounts{Requests: 5, Failures: 5}},
		{Old: analysis.ArmCounts{Requests: 5, Failures: 5}},
	}
	for _, choice := range []analysis.Choice{{Method: analysis.MethodCounts}, analysis.DefaultChoice()} {
		c, err := analysis.NewComparison(analysis.Limits{Tolerance: 1.25, Worse: 2, Floor: .0005}, choice)
		if err != nil {
			t.Fatal(err)
		}
		p, err := analysis.NewPromoteProcess(2, .0005)
		if err != nil {
			t.Fatal(err)
		}
		for i, counts := range extremes {
			if c, err = c.Add(analysis.Interval{Seconds: 40, Counts: counts}); err != nil {
				t.Fatal(err)
			}
			if p, err = p.Add(counts); err != nil {
				t.Fatal(err)
			}
			for _, v := range []float64{c.LogE(), c.LogRatio(), c.LogFloor(), p.LogE()} {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s %d: %v", choice.Method, i, v)
				}
			}
		}
		for _, bad := range []float64{math.NaN(), -1, math.Inf(1), 1e16} {
			if _, err := c.Add(analysis.Interval{Seconds: 10, Counts: analysis.Counts{New: analysis.ArmCounts{Requests: bad}}}); err == nil {
				t.Errorf("%v requests are taken", bad)
			}
			if _, err := c.Add(analysis.Interval{Seconds: bad}); err == nil {
				t.Errorf("%v seconds are taken", bad)
			}
		}
	}
}

// TestSharedRiseInAWindowIsNotTheCanarys: the share grows from 5 to 50 % within a
// window while both versions fail ten times as often.
func TestSharedRiseInAWindowIsNotTheCanarys(t *testing.T) {
	t.Parallel()
	c, err := analysis.NewComparison(analysis.Limits{Tolerance: 1, Worse: 2, Floor: 1e-6}, analysis.DefaultChoice())
	if err != nil {
		t.Fatal(err)
	}
	add := func(canary, rate float64) {
		c, err = c.Add(analysis.Interval{Seconds: 10, Counts: analysis.Counts{
			New: analysis.ArmCounts{Requests: canary, Failures: rate * canary},
			Old: analysis.ArmCounts{Requests: 2000 - canary, Failures: rate * (2000 - canary)},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		add(100, .001)
		add(1000, .01)
		add(1000, .01)
	}
	if c.LogE() > 0 {
		t.Errorf("log e-value %v", c.LogE())
	}
}

// TestBadVersionIsSeldomPromoted: twice as bad, looked at after each interval; no
// more than beta, one in twenty, may ever be promoted.
func TestBadVersionIsSeldomPromoted(t *testing.T) {
	t.Parallel()
	r := chance(12)
	const runs, looks = 150, 100
	promoted := 0
	for range runs {
		p, err := analysis.NewPromoteProcess(2, .0005)
		if err != nil {
			t.Fatal(err)
		}
		for range looks {
			var c analysis.Counts
			c.New.Requests, c.Old.Requests = 100, 300
			for range 100 {
				c.New.Failures += float64(b2i(r.Float64() < .02))
			}
			for range 300 {
				c.Old.Failures += float64(b2i(r.Float64() < .01))
			}
			if p, err = p.Add(c); err != nil {
				t.Fatal(err)
			}
			if p.LogE() >= math.Log(20) {
				promoted++
				break
			}
		}
	}
	if promoted > 17 { // 7.5 are expected at most; more than 17 has a chance below 0.001
		t.Errorf("%d of %d", promoted, runs)
	}
}
