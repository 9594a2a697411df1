package analysis_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

func series(name string, requests, failures float64) ripcord.Counter {
	return ripcord.Counter{Series: name, Requests: requests, Failures: failures}
}

func TestMeterCountsSinceTheLastReading(t *testing.T) {
	t.Parallel()
	type reading struct {
		counters []ripcord.Counter
		want     analysis.ArmCounts
		outcome  analysis.Outcome
	}
	pass, none, broken := analysis.OutcomePass, analysis.OutcomeNoData, analysis.OutcomeError
	tests := map[string][]reading{
		"grows":        {{[]ripcord.Counter{series("a", 110, 3)}, analysis.ArmCounts{Requests: 10, Failures: 2}, pass}},
		"restarts":     {{[]ripcord.Counter{series("a", 40, 4)}, analysis.ArmCounts{Requests: 40, Failures: 4}, pass}},
		"a new series": {{[]ripcord.Counter{series("a", 110, 1), series("b", 5, 5)}, analysis.ArmCounts{Requests: 15, Failures: 5}, pass}},
		"a series comes back": {
			{[]ripcord.Counter{series("b", 5, 0)}, analysis.ArmCounts{Requests: 5}, pass},
			{[]ripcord.Counter{series("a", 130, 1), series("b", 5, 0)}, analysis.ArmCounts{Requests: 30}, pass},
		},
		"a gap": {
			{nil, analysis.ArmCounts{}, none},
			{[]ripcord.Counter{series("a", math.NaN(), 1)}, analysis.ArmCounts{}, none},
			{[]ripcord.Counter{series("a", 150, 2)}, analysis.ArmCounts{Requests: 50, Failures: 1}, pass},
		},
		"nonsense": {
			{[]ripcord.Counter{series("a", -1, 0)}, analysis.ArmCounts{}, broken},
			{[]ripcord.Counter{series("a", math.Inf(1), 0)}, analysis.ArmCounts{}, broken},
			{[]ripcord.Counter{series("a", 101, 1), series("a", 102, 1)}, analysis.ArmCounts{}, broken},
		},
		"read at two instants": {{[]ripcord.Counter{series("a", 101, 4)}, analysis.ArmCounts{Requests: 3, Failures: 3}, pass}},
	}
	for name, readings := range tests {
		m, _, outcome, _ := analysis.Meter{}.Advance([]ripcord.Counter{series("a", 100, 1)})
		if outcome != pass {
			t.Fatal(outcome)
		}
		for i, r := range readings {
			next, delta, outcome, note := m.Advance(r.counters)
			if outcome != r.outcome || delta.ArmCounts != r.want {
				t.Errorf("%s %d: %s %+v %s", name, i, outcome, delta.ArmCounts, note)
			}
			if outcome != pass && !cmp.Equal(encoded(t, m), encoded(t, next)) {
				t.Errorf("%s %d: the meter changed", name, i)
			}
			m = next
		}
	}
}

func TestMeterCountsBuckets(t *testing.T) {
	t.Parallel()
	with := func(requests float64, counts ...float64) []ripcord.Counter {
		c := series("a", requests, 0)
		for i, count := range counts {
			c.Buckets = append(c.Buckets, ripcord.Bucket{UpTo: float64(i + 1), Count: count})
		}
		c.Buckets = append(c.Buckets, ripcord.Bucket{UpTo: math.Inf(1), Count: requests})
		return []ripcord.Counter{c}
	}
	m, _, _, _ := analysis.Meter{}.Advance(with(100, 50, 90))
	m, d, outcome, _ := m.Advance(with(120, 60, 105))
	if outcome != analysis.OutcomePass || !cmp.Equal(d.Upper, []float64{1, 2}) || !cmp.Equal(d.Slower, []float64{10, 5}) {
		t.Errorf("%s %+v", outcome, d)
	}
	_, d, _, _ = m.Advance(with(10, 4, 10)) // it started again
	if !cmp.Equal(d.Slower, []float64{6, 0}) || d.Requests != 10 {
		t.Errorf("%+v", d)
	}
	falling := with(130, 70, 110)
	falling[0].Buckets[0].UpTo = 5
	if _, _, outcome, _ := m.Advance(falling); outcome != analysis.OutcomeError {
		t.Errorf("falling boundaries: %s", outcome)
	}
}

// FuzzMeter: whatever a source says, counts are counts.
func FuzzMeter(f *testing.F) {
	f.Add([]byte(`[[{"Series":"a","Requests":1,"Failures":1}],[{"Series":"a","Requests":3,"Failures":0}]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var readings [][]ripcord.Counter
		if json.Unmarshal(data, &readings) != nil {
			return
		}
		var m analysis.Meter
		for _, r := range readings {
			next, d, outcome, _ := m.Advance(r)
			if outcome == analysis.OutcomePass && len(r) < 100 {
				if err := d.Check(); err != nil && d.Requests <= 1e15 {
					t.Fatalf("%+v: %v", d, err)
				}
			}
			m = next
		}
	})
}
