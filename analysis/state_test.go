package analysis_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

func chance(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

func spec() analysis.Spec {
	limit := 0.5
	return analysis.Spec{Metrics: []analysis.Metric{
		{Name: "errors", Kind: analysis.KindErrors, Weight: 2},
		{Name: "errors by count", Kind: analysis.KindErrors, Choice: analysis.Choice{Method: analysis.MethodCounts}},
		{Name: "latency", Kind: analysis.KindLatency, Choice: analysis.Choice{Method: analysis.MethodCounts}},
		{Name: "memory", Kind: analysis.KindGauge},
		{Name: "queue", Kind: analysis.KindThreshold, Rules: []analysis.Rule{{Max: &limit, Breaches: 3, Of: 5}}},
	}}
}

// traffic makes cumulative counters as a source would read them, with restarts
// of series, gaps and errors of the source.
type traffic struct {
	r        *rand.Rand
	at       time.Time
	old, new ripcord.Counter
	fails    float64
}

func newTraffic(seed uint64, fails float64) *traffic {
	return &traffic{r: chance(seed), at: time.Unix(1_700_000_000, 0), fails: fails}
}

func (w *traffic) count(c *ripcord.Counter, requests int, rate, slow float64) {
	uppers := []float64{.1, .5, 1}
	if c.Buckets == nil || w.r.IntN(40) == 0 { // a restart
		*c = ripcord.Counter{Series: "instance", Buckets: []ripcord.Bucket{{UpTo: .1}, {UpTo: .5}, {UpTo: 1}}}
	}
	c.Requests += float64(requests)
	for range requests {
		if w.r.Float64() < rate {
			c.Failures++
		}
		took := w.r.ExpFloat64() * slow
		for i, upper := range uppers {
			if took <= upper {
				c.Buckets[i].Count++
			}
		}
	}
}

func (w *traffic) observe() analysis.Observation {
	w.at = w.at.Add(time.Duration(9_000+w.r.IntN(2_000)) * time.Millisecond)
	w.count(&w.old, 300, .01, .1)
	w.count(&w.new, 100, w.fails, .1+2*w.fails)
	arm := func(c ripcord.Counter) ripcord.Arm {
		c.Buckets = append([]ripcord.Bucket(nil), c.Buckets...)
		value := w.r.Float64()
		return ripcord.Arm{Counters: []ripcord.Counter{c}, Value: &value}
	}
	o := analysis.Observation{At: w.at, Samples: map[string]analysis.Sample{}}
	for _, m := range spec().Metrics {
		s := analysis.Sample{Reading: ripcord.Reading{New: arm(w.new), Old: arm(w.old)}}
		switch {
		case m.Kind == analysis.KindThreshold:
			s.Reading.New.Counters, s.Reading.Old.Counters = nil, nil
		case w.r.IntN(20) == 0:
			s.Reading.Old = ripcord.Arm{}
		case w.r.IntN(20) == 0:
			s = analysis.Sample{Err: errors.New("the metrics system is down")}
		}
		o.Samples[m.Name] = s
	}
	return o
}

// TestRestoredJudgeDecidesTheSameBits: a judge that is saved and restored after
// each observation is the same, bit for bit, as one that never was.
func TestRestoredJudgeDecidesTheSameBits(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		w := newTraffic(seed, []float64{.01, .05}[seed%2])
		steady, err := analysis.New(spec())
		if err != nil {
			t.Fatal(err)
		}
		restored, err := analysis.New(spec())
		if err != nil {
			t.Fatal(err)
		}
		for step := range 80 {
			o := w.observe()
			o.Alone = step > 60
			want, err := steady.Observe(o)
			if err != nil {
				t.Fatal(err)
			}
			state, err := restored.State()
			if err != nil {
				t.Fatal(err)
			}
			if restored, err = analysis.Restore(spec(), state); err != nil {
				t.Fatal(err)
			}
			got, err := restored.Observe(o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(encoded(t, want), encoded(t, got)); diff != "" {
				t.Fatalf("seed %d step %d (-steady +restored):\n%s", seed, step, diff)
			}
		}
		if !bytes.Equal(stateOf(t, steady), stateOf(t, restored)) {
			t.Fatalf("seed %d: the states differ", seed)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func stateOf(t *testing.T, j *analysis.Judge) []byte {
	t.Helper()
	state, err := j.State()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// TestDecisionIsBounded: what goes into the journal stays small, whatever the
// metrics systems say.
func TestDecisionIsBounded(t *testing.T) {
	t.Parallel()
	var s analysis.Spec
	for i := range 64 {
		s.Metrics = append(s.Metrics, analysis.Metric{Name: strings.Repeat("m", 90) + strconv.Itoa(i), Kind: analysis.KindErrors})
	}
	j, err := analysis.New(s)
	if err != nil {
		t.Fatal(err)
	}
	o := analysis.Observation{At: time.Unix(1, 0), Samples: map[string]analysis.Sample{}}
	for _, m := range s.Metrics {
		o.Samples[m.Name] = analysis.Sample{Err: errors.New(strings.Repeat("\u00e9", 1_000_000))}
	}
	d, err := j.Observe(o)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(encoded(t, d)); size > 80<<10 {
		t.Errorf("%d bytes", size)
	}
	if size := len(stateOf(t, j)); size > 160<<10 {
		t.Errorf("state of %d bytes", size)
	}
}

func TestForeignStateIsRefused(t *testing.T) {
	t.Parallel()
	j, err := analysis.New(spec())
	if err != nil {
		t.Fatal(err)
	}
	state := stateOf(t, j)
	other := spec()
	other.Metrics[0].Limits.Tolerance = 3
	renamed := spec()
	renamed.Metrics[0].Name = "failures"
	fewer := spec()
	fewer.Metrics = fewer.Metrics[1:]
	tests := map[string]struct {
		spec  analysis.Spec
		state []byte
	}{
		"other limits": {other, state},
		"other names":  {renamed, state},
		"fewer":        {fewer, state},
		"newer":        {spec(), bytes.Replace(state, []byte(`"v":2,"kind":"judge"`), []byte(`"v":3,"kind":"judge"`), 1)},
		"other kind":   {spec(), bytes.Replace(state, []byte(`"kind":"fractions"`), []byte(`"kind":"counts"`), 1)},
		"cut":          {spec(), state[:len(state)-2]},
		"nothing":      {spec(), nil},
	}
	for name, test := range tests {
		if _, err := analysis.Restore(test.spec, test.state); !errors.Is(err, analysis.ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := analysis.Restore(spec(), state); err != nil {
		t.Errorf("its own: %v", err)
	}
}

// FuzzRestore: no state makes a judge that panics, or one that cannot be saved.
func FuzzRestore(f *testing.F) {
	j, err := analysis.New(spec())
	if err != nil {
		f.Fatal(err)
	}
	w := newTraffic(1, .02)
	for range 10 {
		state, err := j.State()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(state)
		if _, err := j.Observe(w.observe()); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		j, err := analysis.Restore(spec(), state)
		if err != nil {
			if !errors.Is(err, analysis.ErrState) {
				t.Fatalf("not an ErrState: %v", err)
			}
			return
		}
		stateOf(t, j)
		w := newTraffic(2, .02)
		w.at = j.Decide().At.Add(time.Hour)
		for range 3 {
			if d, err := j.Observe(w.observe()); err == nil {
				encoded(t, d)
			}
		}
	})
}

// fuzzProcess: what can be read can be written, and is then read as the same.
func fuzzProcess[P any](f *testing.F, begin P) {
	f.Helper()
	seed, err := json.Marshal(begin)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		var p, q P
		if err := json.Unmarshal(data, &p); err != nil {
			return
		}
		once := encoded(t, p)
		if err := json.Unmarshal([]byte(once), &q); err != nil {
			t.Fatalf("its own state: %v\n%s", err, once)
		}
		if twice := encoded(t, q); twice != once {
			t.Fatalf("%s became %s", once, twice)
		}
	})
}

func FuzzCountProcess(f *testing.F) {
	p, err := analysis.NewCountProcess(1.25)
	if err != nil {
		f.Fatal(err)
	}
	fuzzProcess(f, p)
}

func FuzzFractionProcess(f *testing.F) {
	p, err := analysis.NewFractionProcess(1.25)
	if err != nil {
		f.Fatal(err)
	}
	fuzzProcess(f, p)
}

func FuzzFloorProcess(f *testing.F) {
	p, err := analysis.NewFloorProcess(analysis.MethodFractions, .001)
	if err != nil {
		f.Fatal(err)
	}
	fuzzProcess(f, p)
}

func FuzzPromoteProcess(f *testing.F) {
	p, err := analysis.NewPromoteProcess(2, .001)
	if err != nil {
		f.Fatal(err)
	}
	fuzzProcess(f, p)
}

func FuzzGaugeProcess(f *testing.F) {
	p, err := analysis.NewGaugeProcess(60, .01)
	if err != nil {
		f.Fatal(err)
	}
	fuzzProcess(f, p)
}

func FuzzLatencyProcess(f *testing.F) {
	p, err := analysis.NewLatencyProcess(analysis.Limits{Tolerance: 1.1, Worse: 2, Floor: .001}, analysis.DefaultChoice())
	if err != nil {
		f.Fatal(err)
	}
	fuzzProcess(f, p)
}
