package analysis

import (
	"encoding/json"
	"fmt"
	"math"
)

// FloorProcess is the e-process of the absolute floor. Its null hypothesis: in
// every interval the canary's error rate is at most Floor, a rate that is
// harmless whatever the baseline's is. A roll-back needs this hypothesis rejected
// as well as that of the ratio: the smaller of the two e-values counts, which is
// an e-value for "one of the two holds".
//
// For independent errors (MethodCounts) it is a mixture of likelihood ratios of
// Bernoulli rates q_j = min(g_j p, (1+p)/2) against p:
//
//	log F_j = sum of c ln(q_j/p) + (n-c) ln((1-q_j)/(1-p))
//
// which for every smaller true rate is a supermartingale too, because the ratio
// grows with c. For clusters (MethodFractions) it bets once a window on the
// canary's rate:
//
//	log F_k = sum of ln(1 + (kappa_k/p)(c/n - p))
//
// Source: as CountProcess and FractionProcess; sequential likelihood ratio of
// Wald, mixture of Robbins.
type FloorProcess struct {
	method Method
	floor  float64
	logs   [ratioCount]float64
}

// NewFloorProcess begins at e-value 1. The floor is a rate between 0 and 1.
func NewFloorProcess(method Method, floor float64) (FloorProcess, error) {
	p := FloorProcess{method: method, floor: floor}
	return p, p.check()
}

func (p FloorProcess) check() error {
	if !p.method.known() {
		return fmt.Errorf("%w: the method %q", ErrInput, p.method)
	}
	return checkRate(p.floor)
}

// checkRate refuses what is no rate between 0 and 1, both excluded.
func checkRate(r float64) error {
	if !(r >= 1e-12 && r <= 1-1e-12) {
		return fmt.Errorf("%w: a rate of %v is not between 0 and 1", ErrInput, r)
	}
	return nil
}

// Add returns the process after one more interval (MethodCounts) or window
// (MethodFractions) of the canary.
func (p FloorProcess) Add(canary ArmCounts) (FloorProcess, error) {
	if err := canary.Check(); err != nil {
		return p, err
	}
	if canary.Requests == 0 {
		return p, nil
	}
	if p.method == MethodCounts {
		for j, g := range ratios() {
			p.logs[j] += bernoulliRatio(canary, p.floor, g)
		}
		return p, nil
	}
	for k, kappa := range stakes() {
		p.logs[k] += math.Log1p(kappa / p.floor * (canary.Rate() - p.floor))
	}
	return p, nil
}

// LogE is the logarithm of the e-value.
func (p FloorProcess) LogE() float64 { return logMeanExp(usedLogs(&p)) }

// usedLogs are those of the process's logarithms that its method has.
func usedLogs(p *FloorProcess) []float64 {
	if p.method == MethodCounts {
		return p.logs[:]
	}
	return p.logs[:stakeCount]
}

// bernoulliRatio is the logarithm of the likelihood of the arm at g times the
// rate, or half-way from the rate to 1 where that is less, over that at the rate.
func bernoulliRatio(a ArmCounts, rate, g float64) float64 {
	q := min(g*rate, (1+rate)/2)
	// (1-q)/(1-p) = 1 - (q-p)/(1-p)
	return a.Failures*math.Log(q/rate) + (a.Requests-a.Failures)*math.Log1p(-(q-rate)/(1-rate))
}

type floorState struct {
	header
	Method Method    `json:"method"`
	Floor  float64   `json:"floor"`
	Logs   []float64 `json:"logs"`
}

// MarshalJSON writes the state; UnmarshalJSON reads exactly the same bits back.
func (p FloorProcess) MarshalJSON() ([]byte, error) {
	return json.Marshal(floorState{header{stateVersion, "floor"}, p.method, p.floor, usedLogs(&p)})
}

// UnmarshalJSON restores a state that MarshalJSON wrote; the error has ErrState
// in its chain.
func (p *FloorProcess) UnmarshalJSON(data []byte) error {
	var s floorState
	if err := decodeState(data, &s); err != nil {
		return err
	}
	if err := s.check("floor"); err != nil {
		return err
	}
	restored := FloorProcess{method: s.Method, floor: s.Floor}
	if err := restored.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if err := fill(usedLogs(&restored), s.Logs); err != nil {
		return err
	}
	*p = restored
	return nil
}
