package kayenta_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"

	"github.com/ripcord-dev/ripcord/analysis/kayenta"
)

// Any other file of the same form can be measured against too.
var vectorsFile = flag.String("vectors", "../testdata/vectors.json", "file with test vectors")

func TestLabelsEqualVectors(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(*vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Classifier []struct {
			Name       string
			Control    []float64
			Experiment []float64
			Params     struct {
				Tolerance     float64        `json:"tolerance"`
				Confidence    float64        `json:"confLevel"`
				Allowed       []float64      `json:"effectSizeThresholds"`
				CriticalSizes []float64      `json:"criticalThresholds"`
				Effect        kayenta.Effect `json:"effectSizeMeasure"`
				Direction     kayenta.Direction
				NaN           kayenta.NaN `json:"nanStrategy"`
				Critical      bool        `json:"isCritical"`
			}
			Expected struct {
				Label    kayenta.Label `json:"classification"`
				Critical *bool
			}
		} `json:"kayenta_classifier"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Classifier) < 20 {
		t.Fatalf("only %d vectors", len(all.Classifier))
	}
	for _, v := range all.Classifier {
		p := v.Params
		config := kayenta.Config{
			Direction: p.Direction, NaN: p.NaN, Critical: p.Critical, Effect: p.Effect,
			AllowedDecrease: p.Allowed[0], AllowedIncrease: p.Allowed[1],
			CriticalDecrease: p.CriticalSizes[0], CriticalIncrease: p.CriticalSizes[1],
			Tolerance: p.Tolerance, Confidence: p.Confidence,
		}
		got := kayenta.Classify(v.Control, v.Experiment, config)
		if got.Label != v.Expected.Label || v.Expected.Critical != nil && *v.Expected.Critical != got.Critical {
			t.Errorf("%s: %s (critical %t, shift %+v, effect %v), not %s", v.Name, got.Label, got.Critical, got.Shift, got.Effect, v.Expected.Label)
		}
		if len(v.Control) > 0 && len(v.Experiment) > 0 {
			sameAtEveryScale(t, v.Name, v.Control, v.Experiment, config, got.Label)
		}
	}
}

// sameAtEveryScale: seconds or milliseconds, the label stays.
func sameAtEveryScale(t *testing.T, name string, control, experiment []float64, c kayenta.Config, want kayenta.Label) {
	t.Helper()
	for _, scale := range []float64{1.0 / 4096, 1024} { // powers of two are exact
		got := kayenta.Classify(scaled(control, scale), scaled(experiment, scale), c)
		if got.Label != want {
			t.Errorf("%s times %v: %s, not %s", name, scale, got.Label, want)
		}
	}
}

func scaled(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * by
	}
	return out
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	ten := []float64{10, 1, 2, 9, 3, 8, 4, 7, 5, 6}
	for p, want := range map[float64]float64{0: 1, 25: 3.25, 50: 5.5, 90: 9.1, 100: 10} {
		if got := kayenta.Percentile(ten, p); math.Abs(got-want) > 1e-12 {
			t.Errorf("percentile %v: %v, not %v", p, got, want)
		}
	}
	if got := kayenta.Percentile([]float64{3}, 99); got != 3 {
		t.Errorf("of one point: %v", got)
	}
}

func TestOutliersAreRemoved(t *testing.T) {
	t.Parallel()
	control := []float64{10, 11, 12, 13, 10, 11, 12, 13, 10, 11}
	experiment := []float64{10, 11, 12, 13, 10, 11, 12, 13, 10, 11}
	low, high := kayenta.Fences(control, 1.5, false)
	if low != 10.25-1.5*1.75 || high != 12+1.5*1.75 { // quartiles 10.25 and 12
		t.Errorf("fences %v %v", low, high)
	}
	experiment[0] = 900
	r := kayenta.Classify(control, experiment, kayenta.Config{RemoveOutliers: true})
	if r.Label != kayenta.Pass {
		t.Errorf("%+v", r)
	}
}

func TestMissingData(t *testing.T) {
	t.Parallel()
	some, none := []float64{1, 2, 3}, []float64{math.NaN(), math.Inf(1)}
	tests := []struct {
		name   string
		config kayenta.Config
		want   kayenta.Result
	}{
		{"removed", kayenta.Config{}, kayenta.Result{Label: kayenta.Nodata}},
		{"critical", kayenta.Config{Critical: true}, kayenta.Result{Label: kayenta.Nodata, Critical: true}},
		{"must have", kayenta.Config{MustHaveData: true}, kayenta.Result{Label: kayenta.NodataFailMetric}},
		{"must have and critical", kayenta.Config{MustHaveData: true, Critical: true}, kayenta.Result{Label: kayenta.Nodata, Critical: true}},
	}
	for _, test := range tests {
		got := kayenta.Classify(some, none, test.config)
		if got.Label != test.want.Label || got.Critical != test.want.Critical {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
	if got := kayenta.Classify(some, nil, kayenta.Config{NaN: kayenta.NaNReplace, Critical: true}); got.Label != kayenta.Pass {
		t.Errorf("replaced: %+v", got)
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	of := func(labels ...kayenta.Label) (results []kayenta.Result) {
		for _, l := range labels {
			results = append(results, kayenta.Result{Label: l})
		}
		return results
	}
	const pass, high, low, none, failed = kayenta.Pass, kayenta.High, kayenta.Low, kayenta.Nodata, kayenta.NodataFailMetric
	tests := []struct {
		name    string
		groups  map[string][]kayenta.Result
		weights map[string]float64
		want    float64
	}{
		{"nothing", nil, nil, 0},
		{"one of four", map[string][]kayenta.Result{"a": of(pass, high, low, failed)}, nil, 25},
		{"a silent group counts full", map[string][]kayenta.Result{"a": of(pass, high, pass), "b": of(none)}, nil, 50*2.0/3 + 50},
		{"half silent", map[string][]kayenta.Result{"a": of(pass, pass), "b": of(none, none)}, nil, 0},
		{"the rest is shared", map[string][]kayenta.Result{"a": of(pass), "b": of(high), "c": of(pass)}, map[string]float64{"a": 60}, 80},
		{"critical", map[string][]kayenta.Result{"a": of(pass, pass), "b": {{Label: high, Critical: true}}}, nil, 0},
		{"critical silence", map[string][]kayenta.Result{"a": of(pass, pass), "b": {{Label: none, Critical: true}}}, nil, 0},
		{"critical and fine", map[string][]kayenta.Result{"b": {{Label: pass, Critical: true}}}, nil, 100},
	}
	for _, test := range tests {
		if got := kayenta.Score(test.groups, test.weights); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: %v, not %v", test.name, got, test.want)
		}
	}
}
