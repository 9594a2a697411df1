package analysis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// cold runs a version through two minutes, in the first half minute of which it is
// slower; the result is the last decision.
func cold(t *testing.T, m analysis.Metric) analysis.Decision {
	t.Helper()
	c := begin(t, m)
	c.look = time.Second
	arm := func(into *ripcord.Counter, requests, fast float64) ripcord.Arm {
		below := fast
		if len(into.Buckets) > 0 {
			below += into.Buckets[0].Count
		}
		into.Requests += requests
		into.Buckets = []ripcord.Bucket{{UpTo: .1, Count: below}}
		value := requests - fast
		return ripcord.Arm{Counters: []ripcord.Counter{*into}, Value: &value}
	}
	var fresh, known ripcord.Counter
	var d analysis.Decision
	for i := range 120 {
		fast := 90.0
		if i < 30 {
			fast = 70
		}
		d = c.observe(analysis.Sample{Reading: ripcord.Reading{New: arm(&fresh, 100, fast), Old: arm(&known, 100, 90)}})
		if e := d.Evidence[0]; i == 5 && m.WarmUp >= 0 && (e.Outcome != analysis.OutcomePass || !strings.Contains(e.Note, "warming up")) {
			t.Errorf("%+v", e)
		}
	}
	return d
}

// TestColdVersionStays: a new version that is slower in its first half minute is
// not rolled back for it, unless it is asked for.
func TestColdVersionStays(t *testing.T) {
	t.Parallel()
	latency := analysis.Metric{Name: "latency", Kind: analysis.KindLatency, Choice: analysis.Choice{Method: analysis.MethodCounts}}
	for _, m := range []analysis.Metric{latency, {Name: "slow", Kind: analysis.KindGauge}} {
		if d := cold(t, m); d.Verdict == analysis.VerdictRollBack {
			t.Errorf("%s: %s", m.Name, d.Reason)
		}
		m.WarmUp = -1
		if d := cold(t, m); d.Verdict != analysis.VerdictRollBack {
			t.Errorf("%s without a warm-up: %s", m.Name, d.Reason)
		}
	}
}

func TestWarmUpThatMakesNoSense(t *testing.T) {
	t.Parallel()
	for _, m := range []analysis.Metric{
		{Name: "m", Kind: analysis.KindErrors, WarmUp: 10},
		{Name: "m", Kind: analysis.KindLatency, WarmUp: 1e6},
	} {
		if _, err := analysis.New(analysis.Spec{Metrics: []analysis.Metric{m}}); err == nil {
			t.Errorf("%+v is accepted", m)
		}
	}
}
