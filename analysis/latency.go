package analysis

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// maxCompared is how many boundaries of a histogram are compared; of more, these
// many are taken evenly.
const maxCompared = 16

// LatencyProcess is the e-process for a latency histogram: one Comparison of the
// requests slower than each bucket boundary, and the mean of their e-values. The
// null hypothesis is that at every boundary the canary is at most Tolerance times
// as often slower, a stochastic order with a margin. A mean of e-values is an
// e-value whatever their dependence, so many boundaries cost little and there is
// no correction for multiplicity (Vovk and Wang, arXiv:1912.06116).
type LatencyProcess struct {
	limits Limits
	choice Choice
	upper  []float64
	each   []Comparison
}

// NewLatencyProcess begins at e-value 1; the first interval fixes the boundaries.
func NewLatencyProcess(limits Limits, choice Choice) (LatencyProcess, error) {
	_, err := NewComparison(limits, choice)
	return LatencyProcess{limits: limits, choice: choice}, err
}

// Add returns the process after one more interval of both arms. It refuses an
// interval that lacks one of the boundaries it began with.
func (p LatencyProcess) Add(seconds float64, canary, baseline Delta, alone bool) (LatencyProcess, error) {
	next := LatencyProcess{limits: p.limits, choice: p.choice, upper: p.upper, each: slices.Clone(p.each)}
	if next.each == nil {
		var err error
		if next, err = next.begin(canary, baseline, alone); err != nil {
			return p, err
		}
	}
	for k, upper := range next.upper {
		i := Interval{Seconds: seconds}
		var err error
		if i.Counts.New, err = canary.slowerThan(upper); err != nil {
			return p, fmt.Errorf("canary: %w", err)
		}
		if !alone {
			if i.Counts.Old, err = baseline.slowerThan(upper); err != nil {
				return p, fmt.Errorf("baseline: %w", err)
			}
		}
		if next.each[k], err = next.each[k].Add(i); err != nil {
			return p, err
		}
	}
	return next, nil
}

func (p LatencyProcess) begin(canary, baseline Delta, alone bool) (LatencyProcess, error) {
	var both []float64
	for _, upper := range canary.Upper {
		if alone || slices.Contains(baseline.Upper, upper) {
			both = append(both, upper)
		}
	}
	if len(both) == 0 {
		return p, fmt.Errorf("%w: the versions have no latency boundary in common", ErrInput)
	}
	p.upper = evenly(both, maxCompared)
	for range p.upper {
		c, err := NewComparison(p.limits, p.choice)
		if err != nil {
			return p, err
		}
		p.each = append(p.each, c)
	}
	return p, nil
}

// evenly takes at most n of the values, the first and the last among them.
func evenly(values []float64, n int) []float64 {
	if len(values) <= n {
		return slices.Clone(values)
	}
	taken := make([]float64, n)
	for i := range taken {
		taken[i] = values[i*(len(values)-1)/(n-1)]
	}
	return taken
}

func (d Delta) slowerThan(upper float64) (ArmCounts, error) {
	i, found := slices.BinarySearch(d.Upper, upper)
	if !found {
		return ArmCounts{}, fmt.Errorf("%w: the boundary of %v s is gone", ErrInput, upper)
	}
	return ArmCounts{Requests: d.Requests, Failures: d.Slower[i]}, nil
}

// LogE is the logarithm of the mean e-value over the boundaries.
func (p LatencyProcess) LogE() float64 {
	if len(p.each) == 0 {
		return 0
	}
	logs := make([]float64, len(p.each))
	for k, c := range p.each {
		logs[k] = c.LogE()
	}
	return logMeanExp(logs)
}

// Worst is the boundary in seconds with the most evidence, and its comparison;
// false before the first interval.
func (p LatencyProcess) Worst() (float64, Comparison, bool) {
	worst := -1
	for k, c := range p.each {
		if worst < 0 || c.LogE() > p.each[worst].LogE() {
			worst = k
		}
	}
	if worst < 0 {
		return 0, Comparison{}, false
	}
	return p.upper[worst], p.each[worst], true
}

type latencyState struct {
	header
	Limits Limits       `json:"limits"`
	Choice Choice       `json:"choice"`
	Upper  []float64    `json:"upper,omitempty"`
	Each   []Comparison `json:"each,omitempty"`
}

// MarshalJSON writes the state; UnmarshalJSON reads exactly the same bits back.
func (p LatencyProcess) MarshalJSON() ([]byte, error) {
	return json.Marshal(latencyState{header{stateVersion, "latency"}, p.limits, p.choice, p.upper, p.each})
}

// UnmarshalJSON restores a state that MarshalJSON wrote; the error has ErrState
// in its chain.
func (p *LatencyProcess) UnmarshalJSON(data []byte) error {
	var s latencyState
	if err := decodeState(data, &s); err != nil {
		return err
	}
	if err := s.check("latency"); err != nil {
		return err
	}
	restored, err := NewLatencyProcess(s.Limits, s.Choice)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if len(s.Upper) != len(s.Each) || len(s.Upper) > maxCompared || !slices.IsSorted(s.Upper) {
		return fmt.Errorf("%w: %d boundaries with %d comparisons", ErrState, len(s.Upper), len(s.Each))
	}
	for _, c := range s.Each {
		if c.limits != s.Limits || c.choice != s.Choice {
			return fmt.Errorf("%w: a comparison belongs to another process", ErrState)
		}
	}
	if slices.ContainsFunc(s.Upper, math.IsNaN) {
		return fmt.Errorf("%w: a boundary is no number", ErrState)
	}
	restored.upper, restored.each = s.Upper, s.Each
	*p = restored
	return nil
}
