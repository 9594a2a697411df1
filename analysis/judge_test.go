package analysis_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// canary drives a judge with exact numbers of requests.
type canary struct {
	t        *testing.T
	judge    *analysis.Judge
	at       time.Time
	new, old ripcord.Counter
	alone    bool
	look     time.Duration
}

func begin(t *testing.T, metrics ...analysis.Metric) *canary {
	t.Helper()
	j, err := analysis.New(analysis.Spec{Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	c := &canary{t: t, judge: j, at: time.Unix(0, 0), look: 10 * time.Second}
	c.step(0, 0, 0, 0)
	return c
}

// step is ten seconds with so many requests and failures of both versions.
func (c *canary) step(newRequests, newFailures, oldRequests, oldFailures float64) analysis.Decision {
	c.new.Requests += newRequests
	c.new.Failures += newFailures
	c.old.Requests += oldRequests
	c.old.Failures += oldFailures
	return c.observe(analysis.Sample{Reading: ripcord.Reading{
		New: ripcord.Arm{Counters: []ripcord.Counter{c.new}},
		Old: ripcord.Arm{Counters: []ripcord.Counter{c.old}},
	}})
}

// observe hands the same sample to every metric.
func (c *canary) observe(s analysis.Sample) analysis.Decision {
	c.t.Helper()
	c.at = c.at.Add(c.look)
	samples := map[string]analysis.Sample{}
	for _, m := range c.judge.Spec().Metrics {
		samples[m.Name] = s
	}
	d, err := c.judge.Observe(analysis.Observation{At: c.at, Alone: c.alone, Samples: samples})
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

func (c *canary) values(canary, baseline float64) analysis.Decision {
	c.t.Helper()
	return c.observe(analysis.Sample{Reading: ripcord.Reading{New: ripcord.Arm{Value: &canary}, Old: ripcord.Arm{Value: &baseline}}})
}

func counted() analysis.Metric {
	return analysis.Metric{Name: "errors", Kind: analysis.KindErrors, Choice: analysis.Choice{Method: analysis.MethodCounts}}
}

func TestBadVersionGoesBackAndStaysBack(t *testing.T) {
	t.Parallel()
	for _, m := range []analysis.Metric{counted(), {Name: "errors", Kind: analysis.KindErrors}} {
		c := begin(t, m)
		var d analysis.Decision
		for range 60 {
			if d = c.step(500, 10, 1500, 2); d.Verdict == analysis.VerdictRollBack {
				break
			}
		}
		if d.Verdict != analysis.VerdictRollBack || !slices.Equal(d.Culprits, []string{"errors"}) || d.MayAdvance {
			t.Fatalf("%+v", d)
		}
		reason := d.Reason
		for range 200 {
			d = c.step(500, 0, 1500, 2)
		}
		if d.Verdict != analysis.VerdictRollBack || d.Reason != reason {
			t.Errorf("it came back: %+v", d)
		}
	}
}

func TestGoodVersionIsPromotedOverStages(t *testing.T) {
	t.Parallel()
	c := begin(t, counted())
	var d analysis.Decision
	for i := range 90 {
		share := []float64{100, 500, 1000}[i/30]
		d = c.step(share, .0008*share, 2000-share, .0008*(2000-share))
		if d.Verdict == analysis.VerdictRollBack {
			t.Fatalf("step %d: %+v", i, d)
		}
	}
	if d.Verdict != analysis.VerdictPromote || !d.MayAdvance {
		t.Errorf("%+v", d)
	}
}

// TestHarmlessRateIsNotRolledBack: ten times worse, and still below the floor.
func TestHarmlessRateIsNotRolledBack(t *testing.T) {
	t.Parallel()
	c := begin(t, counted())
	for i := range 300 {
		failures := float64(b2i(i%50 == 0)) // 1 in 50,000 against 1 in 500,000
		d := c.step(1000, failures, 3000, float64(b2i(i%150 == 75)))
		if d.Verdict == analysis.VerdictRollBack {
			t.Fatalf("step %d: %+v", i, d)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestSilenceIsNeitherGoodNorBad(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	silences := map[string]struct {
		sample analysis.Sample
		want   analysis.Outcome
	}{
		"nothing":  {analysis.Sample{}, analysis.OutcomeNoData},
		"an error": {analysis.Sample{Err: errors.New("connection refused")}, analysis.OutcomeError},
		"NaN": {analysis.Sample{Reading: ripcord.Reading{
			New: ripcord.Arm{Counters: []ripcord.Counter{{Requests: nan}}},
			Old: ripcord.Arm{Counters: []ripcord.Counter{{Requests: 5}}},
		}}, analysis.OutcomeNoData},
		"negative": {analysis.Sample{Reading: ripcord.Reading{
			New: ripcord.Arm{Counters: []ripcord.Counter{{Requests: -1}}},
			Old: ripcord.Arm{Counters: []ripcord.Counter{{Requests: 5}}},
		}}, analysis.OutcomeError},
	}
	reactions := map[analysis.Reaction]analysis.Verdict{
		"":                        analysis.VerdictHold,
		analysis.ReactionHold:     analysis.VerdictHold,
		analysis.ReactionContinue: analysis.VerdictContinue,
		analysis.ReactionFail:     analysis.VerdictRollBack,
	}
	for name, silence := range silences {
		for reaction, want := range reactions {
			m := counted()
			m.NoData = analysis.Policy{Do: reaction, After: 60}
			m.Error = m.NoData
			c := begin(t, m)
			c.step(100, 0, 100, 0)
			for range 5 { // 50 seconds
				d := c.observe(silence.sample)
				if d.Verdict != analysis.VerdictContinue || d.MayAdvance || d.Evidence[0].Outcome != silence.want {
					t.Fatalf("%s %s, too early: %+v", name, reaction, d)
				}
			}
			if d := c.observe(silence.sample); d.Verdict != want {
				t.Errorf("%s %s: %+v", name, reaction, d)
			}
		}
	}
}

func TestNoTrafficIsNoData(t *testing.T) {
	t.Parallel()
	c := begin(t, counted())
	var d analysis.Decision
	for range 12 {
		d = c.step(0, 0, 1000, 1)
	}
	if d.Verdict != analysis.VerdictHold || d.Evidence[0].Outcome != analysis.OutcomeNoData {
		t.Errorf("%+v", d)
	}
	// When requests come back, the gap is counted on both sides.
	if d = c.step(100, 0, 1000, 1); d.Evidence[0].Total.Old.Requests != 13000 || d.Verdict != analysis.VerdictContinue {
		t.Errorf("%+v", d)
	}
}

func TestWatchAfterPromotionStillRollsBack(t *testing.T) {
	t.Parallel()
	for _, m := range []analysis.Metric{counted(), {Name: "errors", Kind: analysis.KindErrors}} {
		c := begin(t, m)
		for range 60 {
			c.step(500, 1, 1500, 3)
		}
		c.alone = true
		for i := range 30 {
			if d := c.step(2000, 4, 0, 0); d.Verdict == analysis.VerdictRollBack {
				t.Fatalf("%s: a healthy one, after %d: %+v", m.Choice.Method, i, d)
			}
		}
		var d analysis.Decision
		for range 30 {
			if d = c.step(2000, 100, 0, 0); d.Verdict == analysis.VerdictRollBack {
				break
			}
		}
		if d.Verdict != analysis.VerdictRollBack {
			t.Errorf("%s: %+v", m.Choice.Method, d)
		}
	}
}

func TestLeakShowsAfterMinutes(t *testing.T) {
	t.Parallel()
	c := begin(t, analysis.Metric{Name: "memory", Kind: analysis.KindGauge})
	r := chance(3)
	at := -1
	for i := range 120 {
		leak := max(0, float64(i-20)) * 4
		if d := c.values(200+leak+10*r.NormFloat64(), 200+10*r.NormFloat64()); d.Verdict == analysis.VerdictRollBack {
			at = i
			break
		}
	}
	if at < 20 || at > 80 {
		t.Errorf("rolled back at point %d", at)
	}
}

func TestGaugeNeedsThirtyPoints(t *testing.T) {
	t.Parallel()
	p, err := analysis.NewGaugeProcess(60, .01)
	if err != nil {
		t.Fatal(err)
	}
	r := chance(4)
	for i := range 30 {
		if p.LogE() != 0 {
			t.Fatalf("it speaks after %d points", i)
		}
		if p, err = p.Add(100 + r.NormFloat64()); err != nil {
			t.Fatal(err)
		}
	}
	if p.LogE() < 10 {
		t.Errorf("after 30 points: %v", p.LogE())
	}
	if _, err := p.Add(math.NaN()); !errors.Is(err, analysis.ErrInput) {
		t.Errorf("NaN: %v", err)
	}
}

func TestSlowVersionGoesBack(t *testing.T) {
	t.Parallel()
	m := analysis.Metric{Name: "latency", Kind: analysis.KindLatency, Choice: analysis.Choice{Method: analysis.MethodCounts}}
	c := begin(t, m)
	arm := func(n, slow float64) ripcord.Arm {
		return ripcord.Arm{Counters: []ripcord.Counter{{Requests: n, Buckets: []ripcord.Bucket{
			{UpTo: .1, Count: n * .9}, {UpTo: .5, Count: n - slow}, {UpTo: 1, Count: n}, {UpTo: math.Inf(1), Count: n},
		}}}}
	}
	c = &canary{t: t, judge: c.judge, at: c.at, look: c.look}
	var d analysis.Decision
	for i := 1.0; i < 40; i++ { // half a per cent of the new version's is slower
		d = c.observe(analysis.Sample{Reading: ripcord.Reading{New: arm(500*i, 2.5*i), Old: arm(1500*i, 0)}})
		if d.Verdict == analysis.VerdictRollBack {
			break
		}
	}
	if d.Verdict != analysis.VerdictRollBack || d.Evidence[0].Boundary != .5 {
		t.Errorf("%+v", d)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	two, half := 2.0, 0.5
	tests := []struct {
		name   string
		rule   analysis.Rule
		values [][2]float64 // canary, baseline
		want   analysis.Verdict
		warns  bool
	}{
		{"max at once", analysis.Rule{Max: &two}, [][2]float64{{2, 0}, {2.1, 0}}, analysis.VerdictRollBack, false},
		{"at the limit", analysis.Rule{Max: &two, Min: &two}, [][2]float64{{2, 0}}, analysis.VerdictContinue, false},
		{"min", analysis.Rule{Min: &half}, [][2]float64{{.4, 9}}, analysis.VerdictRollBack, false},
		{"warns", analysis.Rule{Max: &two, Action: analysis.ActionWarn}, [][2]float64{{3, 0}}, analysis.VerdictContinue, true},
		{"ratio", analysis.Rule{Max: &two, Against: analysis.AgainstRatio}, [][2]float64{{3, 1}}, analysis.VerdictRollBack, false},
		{"ratio to zero is no data", analysis.Rule{Max: &two, Against: analysis.AgainstRatio}, [][2]float64{{3, 0}}, analysis.VerdictContinue, false},
		{"difference", analysis.Rule{Max: &two, Against: analysis.AgainstDifference}, [][2]float64{{13, 10}}, analysis.VerdictRollBack, false},
		{"two in a row", analysis.Rule{Max: &two, Breaches: 2}, [][2]float64{{3, 0}, {1, 0}, {3, 0}}, analysis.VerdictContinue, false},
		{"two of three", analysis.Rule{Max: &two, Breaches: 2, Of: 3}, [][2]float64{{3, 0}, {1, 0}, {3, 0}}, analysis.VerdictRollBack, false},
		{"two of three, too far apart", analysis.Rule{Max: &two, Breaches: 2, Of: 3}, [][2]float64{{3, 0}, {1, 0}, {1, 0}, {3, 0}}, analysis.VerdictContinue, false},
	}
	for _, test := range tests {
		c := begin(t, analysis.Metric{Name: "queue", Kind: analysis.KindThreshold, Rules: []analysis.Rule{test.rule}})
		c.judge, _ = analysis.New(c.judge.Spec()) // without the empty first reading
		var d analysis.Decision
		for _, v := range test.values {
			d = c.values(v[0], v[1])
		}
		if d.Verdict != test.want || (len(d.Warnings) > 0) != test.warns {
			t.Errorf("%s: %+v", test.name, d)
		}
	}
}

func TestObservationMustBeNewer(t *testing.T) {
	t.Parallel()
	c := begin(t, counted())
	before := stateOf(t, c.judge)
	if _, err := c.judge.Observe(analysis.Observation{At: c.at}); !errors.Is(err, analysis.ErrNotNewer) {
		t.Errorf("%v", err)
	}
	if string(before) != string(stateOf(t, c.judge)) {
		t.Error("it changed the judge")
	}
}

func TestBadSpecIsRefused(t *testing.T) {
	t.Parallel()
	one := 1.0
	bad := map[string]analysis.Spec{
		"no metric":      {},
		"alpha":          {Alpha: 2, Metrics: []analysis.Metric{counted()}},
		"twice":          {Metrics: []analysis.Metric{counted(), counted()}},
		"no name":        {Metrics: []analysis.Metric{{Kind: analysis.KindErrors}}},
		"kind":           {Metrics: []analysis.Metric{{Name: "a", Kind: "error"}}},
		"no rule":        {Metrics: []analysis.Metric{{Name: "a", Kind: analysis.KindThreshold}}},
		"empty rule":     {Metrics: []analysis.Metric{{Name: "a", Kind: analysis.KindThreshold, Rules: []analysis.Rule{{}}}}},
		"rule elsewhere": {Metrics: []analysis.Metric{{Name: "a", Kind: analysis.KindErrors, Rules: []analysis.Rule{{Max: &one}}}}},
		"weight":         {Metrics: []analysis.Metric{{Name: "a", Kind: analysis.KindErrors, Weight: -1}}},
		"NaN":            {Metrics: []analysis.Metric{{Name: "a", Kind: analysis.KindErrors, Limits: analysis.Limits{Tolerance: math.NaN()}}}},
		"method":         {Metrics: []analysis.Metric{{Name: "a", Kind: analysis.KindErrors, Choice: analysis.Choice{Method: "x"}}}},
		"policy":         {Metrics: []analysis.Metric{{Name: "a", Kind: analysis.KindErrors, NoData: analysis.Policy{Do: "pass"}}}},
	}
	for name, s := range bad {
		if _, err := analysis.New(s); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%s: %v", name, err)
		}
	}
}
