package analysis_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/ripcord-dev/ripcord/analysis"
)

// Any other file of the same form can be measured against too.
var vectorsFile = flag.String("vectors", "testdata/vectors.json", "file with test vectors")

type vector struct {
	Fn    string   `json:"fn"`
	R0    *float64 `json:"R0"`
	R1    float64  `json:"R1"`
	Phi   float64  `json:"phi"`
	Floor float64  `json:"p_abs"`
	Alpha float64  `json:"alpha"`
	Steps []struct {
		NC float64 `json:"n_c"`
		NB float64 `json:"n_b"`
		C  float64 `json:"c"`
		B  float64 `json:"b"`
	} `json:"steps"`
	LogE     []float64 `json:"log_e_after_each_step"`
	LogA     []float64 `json:"log_a"`
	LogB     []float64 `json:"log_b"`
	E        []float64 `json:"e"`
	Rejected []int     `json:"rejected_indices"`
	Mean     float64   `json:"mean"`
	Reject   bool      `json:"reject"`
}

type mixtureVector struct {
	Fn   string `json:"fn"`
	Args struct {
		S        float64 `json:"s"`
		V        float64 `json:"v"`
		Best     float64 `json:"v_opt"`
		Alpha    float64 `json:"alpha_opt"`
		OneSided bool    `json:"one_sided"`
	} `json:"args"`
	Value float64 `json:"value"`
}

func readVectors(t *testing.T, into any) {
	t.Helper()
	data, err := os.ReadFile(*vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// near compares to a relative 1e-9; below 1 in size, where digits cancel out, to
// an absolute one.
func near(got, want float64) bool {
	return math.Abs(got-want) <= 1e-9*max(math.Abs(want), 1)
}

func (v vector) counts(i int) analysis.Counts {
	s := v.Steps[i]
	return analysis.Counts{
		New: analysis.ArmCounts{Requests: s.NC, Failures: s.C},
		Old: analysis.ArmCounts{Requests: s.NB, Failures: s.B},
	}
}

// process is one of the e-processes behind functions, so that a table of them
// can be walked.
type process struct {
	add  func(analysis.Counts) error
	logE func() float64
}

func (v vector) begin(t *testing.T) (process, bool) {
	t.Helper()
	r0, phi := 1.0, max(v.Phi, 1)
	if v.R0 != nil {
		r0 = *v.R0
	}
	var err error
	switch v.Fn {
	case "count_eprocess_log_e":
		p, failed := analysis.NewDividedCountProcess(r0, phi)
		err = failed
		return process{func(c analysis.Counts) (err error) { p, err = p.Add(c); return err }, func() float64 { return p.LogE() }}, check(t, err)
	case "interval_fraction_betting_log_e":
		p, failed := analysis.NewFractionProcess(r0)
		err = failed
		return process{func(c analysis.Counts) (err error) { p, err = p.Add(c); return err }, func() float64 { return p.LogE() }}, check(t, err)
	case "floor_counts_log_e", "floor_fractions_log_e":
		method := analysis.MethodCounts
		if v.Fn == "floor_fractions_log_e" {
			method = analysis.MethodFractions
		}
		p, failed := analysis.NewFloorProcess(method, v.Floor)
		err = failed
		return process{func(c analysis.Counts) (err error) { p, err = p.Add(c.New); return err }, func() float64 { return p.LogE() }}, check(t, err)
	case "promote_log_e":
		p, failed := analysis.NewPromoteProcess(v.R1, v.Floor)
		err = failed
		i := 0
		return process{func(c analysis.Counts) (err error) {
			p, err = p.Add(c)
			if !near(p.LogA(), v.LogA[i]) || !near(p.LogB(), v.LogB[i]) {
				t.Errorf("step %d: A %v, B %v, not %v, %v", i, p.LogA(), p.LogB(), v.LogA[i], v.LogB[i])
			}
			i++
			return err
		}, func() float64 { return p.LogE() }}, check(t, err)
	}
	return process{}, false
}

func check(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return true
}

func TestProcessesEqualVectors(t *testing.T) {
	t.Parallel()
	var all struct {
		Own []vector `json:"own_eprocess"`
	}
	readVectors(t, &all)
	walked := 0
	for n, v := range all.Own {
		p, ok := v.begin(t)
		if !ok {
			continue
		}
		for i, want := range v.LogE {
			if err := p.add(v.counts(i)); err != nil {
				t.Fatalf("vector %d %s: %v", n, v.Fn, err)
			}
			if !near(p.logE(), want) {
				t.Errorf("vector %d %s, step %d: %v, not %v", n, v.Fn, i, p.logE(), want)
			}
			walked++
		}
	}
	if walked < 24 {
		t.Fatalf("only %d steps", walked)
	}
}

func TestCombinationsEqualVectors(t *testing.T) {
	t.Parallel()
	var all struct {
		Own []vector `json:"own_eprocess"`
	}
	readVectors(t, &all)
	seen := 0
	for n, v := range all.Own {
		if v.Fn != "eBH" && v.Fn != "global_average" {
			continue
		}
		seen++
		var metrics []analysis.Weighted
		for i, e := range v.E {
			metrics = append(metrics, analysis.Weighted{Name: string(rune('A' + i)), Weight: 1, LogE: math.Log(e)})
		}
		if v.Fn == "global_average" {
			got := analysis.Combine(metrics)
			if !near(got, math.Log(v.Mean)) || (got >= -math.Log(v.Alpha)) != v.Reject {
				t.Errorf("vector %d: mean %v, not %v", n, math.Exp(got), v.Mean)
			}
			continue
		}
		var want []string
		for _, i := range v.Rejected {
			want = append(want, string(rune('A'+i)))
		}
		if got := slices.Sorted(slices.Values(analysis.Culprits(metrics, v.Alpha))); !slices.Equal(got, want) {
			t.Errorf("vector %d: culprits %v, not %v", n, got, want)
		}
	}
	if seen == 0 {
		t.Fatal("no vectors")
	}
}

func TestMixtureEqualsVectors(t *testing.T) {
	t.Parallel()
	var all struct {
		Mixtures []mixtureVector `json:"confseq"`
	}
	readVectors(t, &all)
	seen := 0
	for n, v := range all.Mixtures {
		if v.Fn != "normal_log_mixture" || !v.Args.OneSided {
			continue
		}
		seen++
		if got := analysis.LogNormalMixture(v.Args.S, v.Args.V, v.Args.Best, v.Args.Alpha); !near(got, v.Value) {
			t.Errorf("vector %d %+v: %v, not %v", n, v.Args, got, v.Value)
		}
	}
	if seen == 0 {
		t.Fatal("no vectors")
	}
}
