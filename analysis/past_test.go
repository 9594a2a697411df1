package analysis_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// alone is the old version by itself: a thousand requests in each ten seconds, and
// failures of clusters of that size and length in seconds, at a rate that triples.
func alone(seed uint64, spans, clusters, size int, length float64) []analysis.Stretch {
	r := chance(seed)
	s := analysis.Stretch{Spans: make([]analysis.Span, spans)}
	for i := range s.Spans {
		s.Spans[i] = analysis.Span{Seconds: 10, ArmCounts: analysis.ArmCounts{Requests: 1000}}
	}
	for range clusters {
		at := r.Float64()
		if r.Float64() < at { // twice as likely at the end
			at = 1 - at
		}
		for range size {
			if i := int(at*float64(spans) + r.Float64()*length/10); i < spans {
				s.Spans[i].Failures++
			}
		}
	}
	return []analysis.Stretch{s}
}

func TestMethodFollowsThePastAlone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		past   []analysis.Stretch
		method analysis.Method
		least  float64 // window
		most   float64
	}{
		{"independent", alone(1, 360, 400, 1, 0), analysis.MethodCounts, 0, 0},
		{"independent, in two stretches", append(alone(1, 180, 200, 1, 0), alone(2, 180, 200, 1, 0)...), analysis.MethodCounts, 0, 0},
		{"pairs", alone(3, 360, 400, 2, 2), analysis.MethodFractions, 30, 30},
		{"short clusters", alone(4, 360, 100, 20, 8), analysis.MethodFractions, 30, 60},
		{"long clusters", alone(5, 1440, 100, 20, 90), analysis.MethodFractions, 120, 480},
		{"few failures", alone(6, 360, 99, 1, 0), analysis.MethodFractions, 30, 30},
		{"too short", alone(7, 80, 400, 1, 0), analysis.MethodFractions, 30, 30},
		{"nothing", nil, analysis.MethodFractions, 30, 30},
	}
	for _, test := range tests {
		got, err := analysis.ChooseAlone(test.past)
		if err != nil {
			t.Fatal(err)
		}
		if got.Method != test.method || got.Window < test.least || got.Window > test.most || got.Reason == "" {
			t.Errorf("%s: %+v", test.name, got)
		}
		if (got.Guard == analysis.DefaultGuard) != (test.method == analysis.MethodCounts) {
			t.Errorf("%s: its guard is %v", test.name, got.Guard)
		}
	}
}

func TestPastThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, span := range []analysis.Span{
		{Seconds: 0, ArmCounts: analysis.ArmCounts{Requests: 1}},
		{Seconds: 10, ArmCounts: analysis.ArmCounts{Requests: 1, Failures: 2}},
		{Seconds: math.NaN()},
		{Seconds: 10, ArmCounts: analysis.ArmCounts{Requests: -1}},
	} {
		if _, err := analysis.ChooseAlone([]analysis.Stretch{{Spans: []analysis.Span{span}}}); !errors.Is(err, analysis.ErrInput) {
			t.Errorf("%+v: %v", span, err)
		}
	}
}

// guardedJudge judges as after an A/A comparison that found independent failures.
func guardedJudge(t *testing.T) (analysis.Spec, *analysis.Judge) {
	t.Helper()
	choice, err := analysis.ChooseAlone(alone(1, 360, 400, 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	spec := analysis.Spec{Metrics: []analysis.Metric{{Name: "errors", Kind: analysis.KindErrors, Choice: choice}}}
	j, err := analysis.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return spec, j
}

// traffic are counters of both versions that grow with each look.
type guardedTraffic struct {
	at       time.Time
	new, old ripcord.Counter
}

func (g *guardedTraffic) look(newRequests, newFailures, oldRequests, oldFailures float64) analysis.Observation {
	g.at = g.at.Add(2 * time.Second)
	g.new.Requests += newRequests
	g.new.Failures += newFailures
	g.old.Requests += oldRequests
	g.old.Failures += oldFailures
	return analysis.Observation{At: g.at, Samples: map[string]analysis.Sample{"errors": {Reading: ripcord.Reading{
		New: ripcord.Arm{Counters: []ripcord.Counter{g.new}}, Old: ripcord.Arm{Counters: []ripcord.Counter{g.old}},
	}}}}
}

// TestGuardHoldsABurst: one burst, however many requests fail in it, is no proof;
// failures that go on are.
func TestGuardHoldsABurst(t *testing.T) {
	t.Parallel()
	_, j := guardedJudge(t)
	g := guardedTraffic{at: time.Unix(1_800_000_000, 0)}
	see := func(newRequests, newFailures, oldRequests, oldFailures float64) analysis.Decision {
		d, err := j.Observe(g.look(newRequests, newFailures, oldRequests, oldFailures))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	see(0, 0, 0, 0)
	for range 30 {
		see(100, 0, 300, 0)
	}
	for range 2 { // four seconds
		if d := see(100, 100, 300, 0); d.Verdict == analysis.VerdictRollBack {
			t.Fatalf("a burst rolled back: %s", d.Reason)
		}
	}
	for range 30 {
		if d := see(100, 0, 300, 0); d.Verdict == analysis.VerdictRollBack {
			t.Fatalf("after a burst it rolled back: %s", d.Reason)
		}
	}
	looks := 0
	for ; j.Decide().Verdict != analysis.VerdictRollBack && looks < 20; looks++ {
		see(100, 5, 300, 0)
	}
	if looks > 8 {
		t.Errorf("5 %% were rolled back after %d looks", looks)
	}
}

// TestGuardGoesOnAlone: after a promotion the canary's rate is still judged, and what
// is restored decides as it would have.
func TestGuardGoesOnAlone(t *testing.T) {
	t.Parallel()
	spec, j := guardedJudge(t)
	g := guardedTraffic{at: time.Unix(1_800_000_000, 0)}
	var d analysis.Decision
	for i := range 100 {
		o := g.look(100, 0, 300, float64(i%2))
		if i >= 60 {
			o = g.look(400, 4, 0, 0)
			o.Alone = true
		}
		state, err := j.State()
		if err != nil {
			t.Fatal(err)
		}
		restored, err := analysis.Restore(spec, state)
		if err != nil {
			t.Fatal(err)
		}
		want, err := restored.Observe(o)
		if err != nil {
			t.Fatal(err)
		}
		if d, err = j.Observe(o); err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(d)
		if diff := cmp.Diff(string(a), string(b)); diff != "" {
			t.Fatalf("look %d: %s", i, diff)
		}
		if i < 60 && d.Verdict == analysis.VerdictRollBack {
			t.Fatalf("look %d: %s", i, d.Reason)
		}
	}
	if d.Verdict != analysis.VerdictRollBack {
		t.Errorf("six times the failures were not rolled back: %+v", d.Evidence[0])
	}
}

// TestGuardIsAnEProcess: over all that may happen in a moment it does not grow on
// average, with failures that are independent and at the tolerated ratio.
func TestGuardIsAnEProcess(t *testing.T) {
	t.Parallel()
	limits := analysis.Limits{Tolerance: 1.25, Worse: 2, Floor: .0005}
	spec := analysis.Fuse{Part: 1, Cluster: analysis.DefaultGuard, Independent: true}
	const share, releases, looks = .25, 4000, 60
	r, mean := chance(9), 0.0
	for range releases {
		f, err := analysis.NewFuseProcess(limits, spec, .01)
		if err != nil {
			t.Fatal(err)
		}
		for range looks {
			var c analysis.Counts
			c.New.Requests, c.Old.Requests = 250, 750
			for range 3 { // the tolerated share of the failures
				if r.Float64() < share*1.25/(1-share+share*1.25) {
					c.New.Failures++
				} else {
					c.Old.Failures++
				}
			}
			if f, err = f.Add(analysis.Interval{Seconds: 5, Counts: c}); err != nil {
				t.Fatal(err)
			}
		}
		mean += math.Exp(f.LogRatio()) / releases
	}
	if mean > 1.1 {
		t.Errorf("the mean is %v", mean)
	}
}

// TestChosenMethodKeepsItsPromise: from the A/A comparison to the verdict, healthy
// releases whose failures come one by one, in pairs, or in clusters, on one of the
// versions, are rolled back no more often than promised.
func TestChosenMethodKeepsItsPromise(t *testing.T) {
	t.Parallel()
	const releases, looks, share = 100, 240, .25
	for name, size := range map[string]int{"one by one": 1, "pairs": 2, "clusters of five": 5, "clusters of twenty": 20} {
		wrong, counted := 0, 0
		for release := range releases {
			choice, err := analysis.ChooseAlone(alone(uint64(1000+release), 180, 400/size, size, 8))
			if err != nil {
				t.Fatal(err)
			}
			if choice.Method == analysis.MethodCounts {
				counted++
			}
			j, err := analysis.New(analysis.Spec{Metrics: []analysis.Metric{{Name: "errors", Kind: analysis.KindErrors, Choice: choice}}})
			if err != nil {
				t.Fatal(err)
			}
			if rolledBack(t, j, uint64(release), looks, size, share) {
				wrong++
			}
		}
		if wrong > 5 { // of 100 with a chance of 1 in 100 each: less than 1 in 1,000 runs
			t.Errorf("%s: %d of %d healthy releases were rolled back", name, wrong, releases)
		}
		if (size == 1) != (counted > releases*3/4) || size > 1 && counted > 3 {
			t.Errorf("%s: %d of %d were judged by requests", name, counted, releases)
		}
	}
}

// rolledBack simulates a healthy release: a failure in a hundred requests, in clusters
// of that size, each of eight seconds on one of the versions.
func rolledBack(t *testing.T, j *analysis.Judge, seed uint64, looks, size int, share float64) bool {
	t.Helper()
	r := chance(seed)
	newFailures, oldFailures := make([]float64, looks), make([]float64, looks)
	for range looks * 20 / size {
		at, into := r.IntN(looks), oldFailures
		if r.Float64() < share {
			into = newFailures
		}
		for range size {
			if i := at + r.IntN(5); i < looks {
				into[i]++
			}
		}
	}
	g := guardedTraffic{at: time.Unix(1_800_000_000, 0)}
	for i := range looks {
		d, err := j.Observe(g.look(2000*share, min(newFailures[i], 2000*share), 2000*(1-share), oldFailures[i]))
		if err != nil {
			t.Fatal(err)
		}
		if d.Verdict == analysis.VerdictRollBack {
			return true
		}
	}
	return false
}

// FuzzPast: what was kept of old versions, in any form, makes a choice or an error.
func FuzzPast(f *testing.F) {
	for _, past := range [][]analysis.Stretch{alone(1, 200, 200, 1, 0), alone(2, 200, 20, 20, 8), nil} {
		data, err := json.Marshal(past)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var past []analysis.Stretch
		if json.Unmarshal(data, &past) != nil {
			return
		}
		choice, err := analysis.ChooseAlone(past)
		if err != nil && !errors.Is(err, analysis.ErrInput) {
			t.Fatal(err)
		}
		if _, err := analysis.New(analysis.Spec{Metrics: []analysis.Metric{{Name: "errors", Kind: analysis.KindErrors, Choice: choice}}}); err != nil {
			t.Fatalf("%+v: %v", choice, err)
		}
	})
}
