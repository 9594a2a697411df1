package analysis

import (
	"encoding/json"
	"fmt"
	"math"
)

// Limits are what a comparison of two failure rates tolerates.
type Limits struct {
	// Tolerance is R0: a canary at most so many times as bad is not rolled back.
	Tolerance float64 `json:"tolerance"`
	// Worse is R1: a canary proved to be less than so many times as bad is
	// promoted.
	Worse float64 `json:"worse"`
	// Floor is p_abs: a rate that is harmless whatever the baseline's is. Below
	// it nothing is rolled back; proved to be below it, the canary is promoted.
	Floor float64 `json:"floor"`
}

// Comparison is the evidence against the canary from one kind of event: the
// ratio and the floor by the chosen method, and the baseline's past for the time
// when the canary is alone.
//
// Intervals in which the baseline has no requests, after a promotion, go on with
// the same process against the rate that the baseline's past allows.
type Comparison struct {
	limits Limits
	choice Choice
	counts CountProcess
	bets   FractionProcess
	floor  FloorProcess
	total  Counts
	window window
	alone  window
}

// NewComparison begins at e-value 1.
func NewComparison(limits Limits, choice Choice) (Comparison, error) {
	c := Comparison{limits: limits, choice: choice}
	if choice.Method == MethodFractions && !(choice.Window > 0 && choice.Window <= 86400) {
		return c, fmt.Errorf("%w: a window of %v seconds", ErrInput, choice.Window)
	}
	var err error
	if c.counts, err = NewCountProcess(limits.Tolerance); err != nil {
		return c, err
	}
	if c.bets, err = NewFractionProcess(limits.Tolerance); err != nil {
		return c, err
	}
	if c.floor, err = NewFloorProcess(choice.Method, limits.Floor); err != nil {
		return c, err
	}
	return c, checkTolerance(limits.Worse)
}

// Add returns the comparison after one more interval.
func (c Comparison) Add(i Interval) (Comparison, error) {
	if err := i.check(); err != nil {
		return c, err
	}
	before := c.total
	next := c
	next.total = before.Plus(i.Counts)
	var err error
	switch {
	case c.choice.Method == MethodCounts:
		next, err = next.addCounts(before, i.Counts)
	case i.Counts.Alone():
		next, err = next.addAlone(before, i)
	default:
		next, err = next.addPaired(i)
	}
	if err != nil {
		return c, err
	}
	return next, nil
}

func (c Comparison) addCounts(before, now Counts) (Comparison, error) {
	var err error
	if c.floor, err = c.floor.Add(now.New); err != nil {
		return c, err
	}
	if !now.Alone() {
		c.counts, err = c.counts.Add(now)
	} else if ceiling := c.limits.Ceiling(before.Old); ceiling < 1 {
		c.counts, err = c.counts.AddAlone(now.New, ceiling)
	}
	return c, err
}

func (c Comparison) addPaired(i Interval) (Comparison, error) {
	w := c.window.add(i)
	if !full(w.Seconds, c.choice.Window) {
		c.window = w
		return c, nil
	}
	c.window = window{}
	var err error
	if c.floor, err = c.floor.Add(w.Counts.New); err != nil {
		return c, err
	}
	c.bets, err = c.bets.AddShare(w.Counts, w.share())
	return c, err
}

func (c Comparison) addAlone(before Counts, i Interval) (Comparison, error) {
	w := c.alone.add(i)
	if !full(w.Seconds, c.choice.Window) {
		c.alone = w
		return c, nil
	}
	c.alone = window{}
	var err error
	if c.floor, err = c.floor.Add(w.Counts.New); err != nil {
		return c, err
	}
	if ceiling := c.limits.Ceiling(before.Old); ceiling < 1 {
		c.bets, err = c.bets.AddAlone(w.Counts.New, ceiling)
	}
	return c, err
}

// Ceiling is the rate that a canary alone is held against: Worse times an upper
// bound of the baseline's rate in all its past, and at least Floor. With the
// baseline gone a drift of both can't be told from the canary's own, so Worse
// takes the place of Tolerance, and this part of the bound is not a guarantee.
// The bound of the rate adds two standard deviations of a Poisson count, and two.
// 1 or more says that too little is known.
func (l Limits) Ceiling(old ArmCounts) float64 {
	if old.Requests == 0 {
		return math.Inf(1)
	}
	upper := (old.Failures + 2*math.Sqrt(old.Failures+1) + 2) / old.Requests
	return max(l.Floor, l.Worse*upper)
}

// LogRatio is the logarithm of the e-value against the tolerated ratio.
func (c Comparison) LogRatio() float64 {
	if c.choice.Method == MethodCounts {
		return c.counts.LogE()
	}
	return c.bets.LogE()
}

// LogFloor is the logarithm of the e-value against the floor.
func (c Comparison) LogFloor() float64 { return c.floor.LogE() }

// LogE is the smaller of the two: evidence that both are exceeded.
func (c Comparison) LogE() float64 { return min(c.LogRatio(), c.LogFloor()) }

// Total are the counts of all intervals so far.
func (c Comparison) Total() Counts { return c.total }

type comparisonState struct {
	header
	Limits Limits           `json:"limits"`
	Choice Choice           `json:"choice"`
	Counts *CountProcess    `json:"count_process,omitempty"`
	Bets   *FractionProcess `json:"fraction_process,omitempty"`
	Floor  FloorProcess     `json:"floor_process"`
	Total  Counts           `json:"total"`
	Window window           `json:"window,omitzero"`
	Alone  window           `json:"alone,omitzero"`
}

// MarshalJSON writes the state; UnmarshalJSON reads exactly the same bits back.
func (c Comparison) MarshalJSON() ([]byte, error) {
	s := comparisonState{
		header: header{stateVersion, "comparison"}, Limits: c.limits, Choice: c.choice,
		Floor: c.floor, Total: c.total, Window: c.window, Alone: c.alone,
	}
	if c.choice.Method == MethodCounts {
		s.Counts = &c.counts
	} else {
		s.Bets = &c.bets
	}
	return json.Marshal(s)
}

// UnmarshalJSON restores a state that MarshalJSON wrote; the error has ErrState
// in its chain.
func (c *Comparison) UnmarshalJSON(data []byte) error {
	var s comparisonState
	if err := decodeState(data, &s); err != nil {
		return err
	}
	if err := s.check("comparison"); err != nil {
		return err
	}
	restored, err := NewComparison(s.Limits, s.Choice)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if s.Floor.method != s.Choice.Method || s.Floor.floor != s.Limits.Floor {
		return fmt.Errorf("%w: its floor belongs to another comparison", ErrState)
	}
	for _, counts := range []Counts{s.Total, s.Window.Counts, s.Alone.Counts} {
		if err := counts.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrState, err)
		}
	}
	restored.floor, restored.total, restored.window, restored.alone = s.Floor, s.Total, s.Window, s.Alone
	switch {
	case s.Choice.Method == MethodCounts && s.Counts != nil && s.Counts.tolerance == s.Limits.Tolerance:
		restored.counts = *s.Counts
	case s.Choice.Method == MethodFractions && s.Bets != nil && s.Bets.tolerance == s.Limits.Tolerance:
		restored.bets = *s.Bets
	default:
		return fmt.Errorf("%w: the process of its method is missing", ErrState)
	}
	*c = restored
	return nil
}
