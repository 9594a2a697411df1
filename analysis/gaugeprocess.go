package analysis

import (
	"encoding/json"
	"fmt"
	"math"
)

// MinGaugePoints is the number of points below which a GaugeProcess says nothing,
// because its guarantee is asymptotic.
const MinGaugePoints = 30

// maxCorrelation caps the correlation of neighbouring points that is corrected
// for. Beyond it a slow rise (a leak) could no longer be told from noise.
const maxCorrelation = 0.6

// GaugeProcess is the e-process for values that are no counts: memory, queue
// length, temperature. Points are differences D = canary - baseline at the same
// time, less what is tolerated; the null hypothesis is that their mean is at most
// zero. With n points
//
//	S = sum of D / sigma, V = n
//	log M = 0.5 ln(4 rho/(V+rho)) + S^2/(2(V+rho)) + ln Phi(S/sqrt(V+rho))
//	rho = v/(2 ln(1/2a) + ln(1+2 ln(1/2a))), v the number of points it is best at
//
// Source: the one-sided normal mixture of Howard et al., arXiv:1810.08240
// (confseq), with the running standard deviation for sigma, an asymptotic
// confidence sequence in the sense of Waudby-Smith et al., arXiv:2103.06476.
//
// Neighbouring points of real gauges resemble one another, which would make the
// plain formula too sure. The variance is therefore multiplied by (1+r)/(1-r),
// the long-run variance of a first-order autoregression, with r the correlation
// of neighbours, between 0 and 0.6.
type GaugeProcess struct {
	best, level float64
	n           float64
	mean, m2    float64
	last, cross float64
}

// NewGaugeProcess begins at e-value 1. best is the number of points at which it
// is most powerful, level the alpha it is tuned to.
func NewGaugeProcess(best, level float64) (GaugeProcess, error) {
	p := GaugeProcess{best: best, level: level}
	return p, p.check()
}

func (p GaugeProcess) check() error {
	if !(p.best >= 1 && p.best <= 1e9) {
		return fmt.Errorf("%w: %v points", ErrInput, p.best)
	}
	if !(p.level > 1e-12 && p.level < 0.5) {
		return fmt.Errorf("%w: an alpha of %v is not between 0 and 0.5", ErrInput, p.level)
	}
	return nil
}

// Add returns the process after one more point: the canary's excess over the
// baseline, less what is tolerated.
func (p GaugeProcess) Add(excess float64) (GaugeProcess, error) {
	if math.IsNaN(excess) || math.Abs(excess) > 1e100 {
		return p, fmt.Errorf("%w: a difference of %v", ErrInput, excess)
	}
	// Welford's update, and the products of neighbours beside it.
	if p.n > 0 {
		p.cross += (excess - p.mean) * (p.last - p.mean)
	}
	p.n++
	delta := excess - p.mean
	p.mean += delta / p.n
	p.m2 += delta * (excess - p.mean)
	p.last = excess
	return p, nil
}

// Points is the number of points so far.
func (p GaugeProcess) Points() int { return int(p.n) }

// Mean is the mean excess so far.
func (p GaugeProcess) Mean() float64 { return p.mean }

// LogE is the logarithm of the e-value; 0 below MinGaugePoints.
func (p GaugeProcess) LogE() float64 {
	if p.n < MinGaugePoints {
		return 0
	}
	variance := p.m2 / (p.n - 1)
	if r := p.correlation(); r > 0 {
		variance *= (1 + r) / (1 - r)
	}
	// A constant difference has no variance; a millionth of itself stands in.
	variance = max(variance, p.mean*p.mean*1e-12)
	if variance == 0 {
		return 0
	}
	return LogNormalMixture(p.n*p.mean/math.Sqrt(variance), p.n, p.best, p.level)
}

func (p GaugeProcess) correlation() float64 {
	if p.m2 == 0 {
		return 0
	}
	return min(p.cross/p.m2, maxCorrelation)
}

// LogNormalMixture is the logarithm of the one-sided normal mixture
// supermartingale of Howard et al., arXiv:1810.08240, for a sum s with variance
// v, most powerful at variance best for level.
func LogNormalMixture(s, v, best, level float64) float64 {
	l := 2 * math.Log(1/(2*level))
	rho := best / (l + math.Log1p(l))
	return 0.5*math.Log(4*rho/(v+rho)) + s*s/(2*(v+rho)) + logNormalCDF(s/math.Sqrt(v+rho))
}

type gaugeState struct {
	header
	Best  float64 `json:"best"`
	Level float64 `json:"level"`
	N     float64 `json:"n"`
	Mean  float64 `json:"mean"`
	M2    float64 `json:"m2"`
	Last  float64 `json:"last"`
	Cross float64 `json:"cross"`
}

// MarshalJSON writes the state; UnmarshalJSON reads exactly the same bits back.
func (p GaugeProcess) MarshalJSON() ([]byte, error) {
	return json.Marshal(gaugeState{header{stateVersion, "gauge"}, p.best, p.level, p.n, p.mean, p.m2, p.last, p.cross})
}

// UnmarshalJSON restores a state that MarshalJSON wrote; the error has ErrState
// in its chain.
func (p *GaugeProcess) UnmarshalJSON(data []byte) error {
	var s gaugeState
	if err := decodeState(data, &s); err != nil {
		return err
	}
	if err := s.check("gauge"); err != nil {
		return err
	}
	restored := GaugeProcess{best: s.Best, level: s.Level, n: s.N, mean: s.Mean, m2: s.M2, last: s.Last, cross: s.Cross}
	if err := restored.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if s.N < 0 || s.M2 < 0 || s.N != math.Trunc(s.N) || s.N > maxCount {
		return fmt.Errorf("%w: %v points with squares of %v", ErrState, s.N, s.M2)
	}
	*p = restored
	return nil
}
