package analysis

import (
	"encoding/json"
	"fmt"
	"math"
)

// CountProcess is the e-process for errors that are close to independent of one
// another. Its null hypothesis: in every interval the canary's error rate is at
// most Tolerance times the baseline's, whatever that is and however it drifts.
//
//	log E_j = sum over intervals of c ln g_j - N ln((1-w+w R0 g_j)/(1-w+w R0))
//	log E   = logarithm of the mean of E_j over the grid g_j
//
// with c the canary's errors, N those of both, w the canary's share of the
// requests, R0 the tolerance. Given N, the canary's errors are at most binomial
// with R0's share; E_j is the likelihood ratio of a canary g_j times worse.
//
// Source: conditional (binomial) likelihood ratio of two Poisson or Bernoulli
// rates with a mixture over the alternative, Lindon and Malek, arXiv:2011.03567,
// and Lindon et al., arXiv:2205.14762. It is conservative where errors are not
// rare.
//
// Errors in clusters break it: use it only when Dispersion is at most 1.2.
type CountProcess struct {
	tolerance float64
	divisor   float64
	logs      [ratioCount]float64
}

// NewCountProcess begins at e-value 1. The tolerance is R0, at least 1.
func NewCountProcess(tolerance float64) (CountProcess, error) {
	return NewDividedCountProcess(tolerance, 1)
}

// NewDividedCountProcess divides each logarithm by divisor, a known dispersion of
// at least 1. By Jensen's inequality the result stays an e-process; it is slower.
func NewDividedCountProcess(tolerance, divisor float64) (CountProcess, error) {
	p := CountProcess{tolerance: tolerance, divisor: divisor}
	return p, p.check()
}

func (p CountProcess) check() error {
	if err := checkTolerance(p.tolerance); err != nil {
		return err
	}
	if !(p.divisor >= 1 && p.divisor <= 1e6) {
		return fmt.Errorf("%w: a dispersion of %v is not between 1 and 1e6", ErrInput, p.divisor)
	}
	return nil
}

// checkTolerance refuses ratios that make no sense as a tolerance.
func checkTolerance(r float64) error {
	if !(r >= 1 && r <= 1000) {
		return fmt.Errorf("%w: a tolerance of %v is not between 1 and 1000", ErrInput, r)
	}
	return nil
}

// Add returns the process after one more interval. A share of 0 or 1 and an
// interval without errors leave it as it is.
func (p CountProcess) Add(c Counts) (CountProcess, error) {
	if err := c.Check(); err != nil {
		return p, err
	}
	all, w := c.Failures(), c.Share()
	if all == 0 || w == 0 || w == 1 {
		return p, nil
	}
	for j, g := range ratios() {
		// (1-w+w R0 g)/(1-w+w R0) = 1 + s (g-1), s the tolerated share of errors.
		growth := c.New.Failures*math.Log(g) - all*math.Log1p(tolerated(w, p.tolerance)*(g-1))
		p.logs[j] += growth / p.divisor
	}
	return p, nil
}

// AddAlone returns the process after an interval in which the baseline had no
// requests, as after a promotion: the canary's rate is held against ceiling, a
// rate that the baseline's past allows (see Ceiling). The factor is that of
// FloorProcess, so the product stays an e-process under both hypotheses.
func (p CountProcess) AddAlone(canary ArmCounts, ceiling float64) (CountProcess, error) {
	if err := checkRate(ceiling); err != nil {
		return p, err
	}
	if err := canary.Check(); err != nil {
		return p, err
	}
	for j, g := range ratios() {
		p.logs[j] += bernoulliRatio(canary, ceiling, g) / p.divisor
	}
	return p, nil
}

// LogE is the logarithm of the e-value.
func (p CountProcess) LogE() float64 { return logMeanExp(p.logs[:]) }

// tolerated is the canary's largest share of all errors that the null hypothesis
// allows: w R0/(1-w+w R0).
func tolerated(w, r0 float64) float64 { return w * r0 / (1 - w + w*r0) }

type countState struct {
	header
	Tolerance float64   `json:"tolerance"`
	Divisor   float64   `json:"divisor"`
	Logs      []float64 `json:"logs"`
}

// MarshalJSON writes the state; UnmarshalJSON reads exactly the same bits back.
func (p CountProcess) MarshalJSON() ([]byte, error) {
	return json.Marshal(countState{header{stateVersion, "counts"}, p.tolerance, p.divisor, p.logs[:]})
}

// UnmarshalJSON restores a state that MarshalJSON wrote; the error has ErrState
// in its chain.
func (p *CountProcess) UnmarshalJSON(data []byte) error {
	var s countState
	if err := decodeState(data, &s); err != nil {
		return err
	}
	if err := s.check("counts"); err != nil {
		return err
	}
	restored := CountProcess{tolerance: s.Tolerance, divisor: s.Divisor}
	if err := restored.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if err := fill(restored.logs[:], s.Logs); err != nil {
		return err
	}
	*p = restored
	return nil
}
