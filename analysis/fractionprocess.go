package analysis

import (
	"encoding/json"
	"fmt"
	"math"
)

// FractionProcess is the e-process for errors that come in clusters. Its null
// hypothesis is that of CountProcess, but it makes one bet for each window,
// however many errors the window holds, on the canary's fraction of them:
//
//	log E_k = sum over windows with N>0 of ln(1 + (kappa_k/theta)(c/N - theta))
//	theta   = w R0/(1-w+w R0)
//	log E   = logarithm of the mean of E_k over the stakes kappa_k
//
// Source: betting on the mean of a bounded variable, Waudby-Smith and Ramdas,
// arXiv:2010.09686, applied to the fraction of errors. A cluster of any size
// inside one window counts once; its safety therefore needs windows longer than
// the clusters.
type FractionProcess struct {
	tolerance float64
	logs      [stakeCount]float64
}

// NewFractionProcess begins at e-value 1. The tolerance is R0, at least 1.
func NewFractionProcess(tolerance float64) (FractionProcess, error) {
	return FractionProcess{tolerance: tolerance}, checkTolerance(tolerance)
}

// Add returns the process after one more window. A share of 0 or 1 and a window
// without errors leave it as it is.
func (p FractionProcess) Add(c Counts) (FractionProcess, error) {
	return p.AddShare(c, c.Share())
}

// AddShare is Add with the canary's share of the requests given: the largest of
// a window in which the share changed. Pooled over the change, a rise of the
// baseline's own rate would look like the canary's.
func (p FractionProcess) AddShare(c Counts, share float64) (FractionProcess, error) {
	if err := c.Check(); err != nil {
		return p, err
	}
	if !(share >= 0 && share <= 1) {
		return p, fmt.Errorf("%w: a share of %v", ErrInput, share)
	}
	all := c.Failures()
	if all == 0 || share == 0 || share == 1 {
		return p, nil
	}
	return p.bet(c.New.Failures/all, tolerated(share, p.tolerance)), nil
}

// AddAlone returns the process after a window in which the baseline had no
// requests: the bet is on the canary's own rate against ceiling (see Ceiling).
func (p FractionProcess) AddAlone(canary ArmCounts, ceiling float64) (FractionProcess, error) {
	if err := checkRate(ceiling); err != nil {
		return p, err
	}
	if err := canary.Check(); err != nil {
		return p, err
	}
	if canary.Requests == 0 {
		return p, nil
	}
	return p.bet(canary.Rate(), ceiling), nil
}

// bet stakes each share of the wealth on x having a mean above m.
func (p FractionProcess) bet(x, m float64) FractionProcess {
	for k, kappa := range stakes() {
		p.logs[k] += math.Log1p(kappa / m * (x - m))
	}
	return p
}

// LogE is the logarithm of the e-value.
func (p FractionProcess) LogE() float64 { return logMeanExp(p.logs[:]) }

type fractionState struct {
	header
	Tolerance float64   `json:"tolerance"`
	Logs      []float64 `json:"logs"`
}

// MarshalJSON writes the state; UnmarshalJSON reads exactly the same bits back.
func (p FractionProcess) MarshalJSON() ([]byte, error) {
	return json.Marshal(fractionState{header{stateVersion, "fractions"}, p.tolerance, p.logs[:]})
}

// UnmarshalJSON restores a state that MarshalJSON wrote; the error has ErrState
// in its chain.
func (p *FractionProcess) UnmarshalJSON(data []byte) error {
	var s fractionState
	if err := decodeState(data, &s); err != nil {
		return err
	}
	if err := s.check("fractions"); err != nil {
		return err
	}
	restored := FractionProcess{tolerance: s.Tolerance}
	if err := checkTolerance(s.Tolerance); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if err := fill(restored.logs[:], s.Logs); err != nil {
		return err
	}
	*p = restored
	return nil
}
