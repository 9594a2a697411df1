package analysis

import (
	"errors"
	"fmt"
	"math"
)

// ErrInput is in the chain of every error about an observation that is no
// observation: not a number, negative, more failures than requests.
var ErrInput = errors.New("not a valid observation")

// maxCount bounds requests, so that sums stay exact to the last request.
const maxCount = 1e15

// ArmCounts is what one version did in an interval: Failures of so many Requests. The
// numbers may be fractions, because some metrics systems interpolate.
type ArmCounts struct {
	Requests float64 `json:"requests"`
	Failures float64 `json:"failures"`
}

// Rate is the share of requests that failed; 0 without requests.
func (a ArmCounts) Rate() float64 {
	if a.Requests == 0 {
		return 0
	}
	return a.Failures / a.Requests
}

// Plus adds two arms.
func (a ArmCounts) Plus(b ArmCounts) ArmCounts {
	return ArmCounts{Requests: a.Requests + b.Requests, Failures: a.Failures + b.Failures}
}

// Check refuses what is no count; the error has ErrInput in its chain.
func (a ArmCounts) Check() error {
	for _, v := range []float64{a.Requests, a.Failures} {
		if math.IsNaN(v) || v < 0 || v > maxCount {
			return fmt.Errorf("%w: a count of %v", ErrInput, v)
		}
	}
	if a.Failures > a.Requests {
		return fmt.Errorf("%w: %v failures in %v requests", ErrInput, a.Failures, a.Requests)
	}
	return nil
}

// Counts is one interval of both versions.
type Counts struct {
	New ArmCounts `json:"new"`
	Old ArmCounts `json:"old"`
}

// Check refuses what is no interval; the error has ErrInput in its chain.
func (c Counts) Check() error {
	if err := c.New.Check(); err != nil {
		return fmt.Errorf("canary: %w", err)
	}
	if err := c.Old.Check(); err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	return nil
}

// Plus adds two intervals.
func (c Counts) Plus(d Counts) Counts {
	return Counts{New: c.New.Plus(d.New), Old: c.Old.Plus(d.Old)}
}

// Share is the canary's share of all requests, w in the formulas; 0 without any.
func (c Counts) Share() float64 {
	all := c.New.Requests + c.Old.Requests
	if all == 0 {
		return 0
	}
	return c.New.Requests / all
}

// Failures are those of both versions, N in the formulas.
func (c Counts) Failures() float64 { return c.New.Failures + c.Old.Failures }

// Alone reports whether the canary had requests and the baseline none, as after
// a promotion.
func (c Counts) Alone() bool { return c.New.Requests > 0 && c.Old.Requests == 0 }
