package analysis

import (
	"encoding/json"
	"fmt"
	"math"
)

// PromoteProcess is the evidence that the canary is good enough. It tests "the
// canary's rate is at least Worse times the baseline's and at least Floor":
// rejecting that proves it to be better than one of the two.
//
//	log A_j = sum of c ln g - N ln((1-w+w R1 g)/(1-w+w R1))      against the ratio
//	log B_j = sum of c ln g + (n_c-c) ln((1-p g)/(1-p))          against the floor
//	promote when (A+B)/2 >= 1/beta
//
// with g < 1 on a grid, R1 = Worse and p = Floor. Source: as CountProcess, with
// the alternative on the other side; the mean of two e-values for the same
// hypothesis is one.
//
// The bound is conditional on errors being independent: clusters weaken it. Keep
// watching after the promotion.
type PromoteProcess struct {
	worse, floor float64
	ratio, under [improvementCount]float64
}

// NewPromoteProcess begins at e-value 1. worse is R1, above 1; floor a rate.
func NewPromoteProcess(worse, floor float64) (PromoteProcess, error) {
	p := PromoteProcess{worse: worse, floor: floor}
	return p, p.check()
}

func (p PromoteProcess) check() error {
	if err := checkTolerance(p.worse); err != nil {
		return err
	}
	return checkRate(p.floor)
}

// Add returns the process after one more interval.
func (p PromoteProcess) Add(c Counts) (PromoteProcess, error) {
	if err := c.Check(); err != nil {
		return p, err
	}
	share := tolerated(c.Share(), p.worse)
	for j, g := range improvements() {
		if w := c.Share(); w > 0 && w < 1 {
			p.ratio[j] += c.New.Failures*math.Log(g) - c.Failures()*math.Log1p(share*(g-1))
		}
		// (1-pg)/(1-p) = 1 + p(1-g)/(1-p)
		p.under[j] += c.New.Failures*math.Log(g) +
			(c.New.Requests-c.New.Failures)*math.Log1p(p.floor*(1-g)/(1-p.floor))
	}
	return p, nil
}

// LogA is the logarithm of the e-value against the ratio.
func (p PromoteProcess) LogA() float64 { return logMeanExp(p.ratio[:]) }

// LogB is the logarithm of the e-value against the floor.
func (p PromoteProcess) LogB() float64 { return logMeanExp(p.under[:]) }

// LogE is the logarithm of the mean of the two.
func (p PromoteProcess) LogE() float64 { return logMeanExp([]float64{p.LogA(), p.LogB()}) }

type promoteState struct {
	header
	Worse float64   `json:"worse"`
	Floor float64   `json:"floor"`
	Ratio []float64 `json:"ratio"`
	Under []float64 `json:"under"`
}

// MarshalJSON writes the state; UnmarshalJSON reads exactly the same bits back.
func (p PromoteProcess) MarshalJSON() ([]byte, error) {
	return json.Marshal(promoteState{header{stateVersion, "promote"}, p.worse, p.floor, p.ratio[:], p.under[:]})
}

// UnmarshalJSON restores a state that MarshalJSON wrote; the error has ErrState
// in its chain.
func (p *PromoteProcess) UnmarshalJSON(data []byte) error {
	var s promoteState
	if err := decodeState(data, &s); err != nil {
		return err
	}
	if err := s.check("promote"); err != nil {
		return err
	}
	restored := PromoteProcess{worse: s.Worse, floor: s.Floor}
	if err := restored.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if err := fill(restored.ratio[:], s.Ratio); err != nil {
		return err
	}
	if err := fill(restored.under[:], s.Under); err != nil {
		return err
	}
	*p = restored
	return nil
}
