package analysis

import (
	"math"
)

// fuseWindows is how many of a fuse's windows the longest burst fills.
const fuseWindows = 2.5

// FuseProcess is CountProcess and a FloorProcess by requests, with a bound on what
// a short time can prove, so that a burst does not blow it. Time is cut into
// windows of Cluster/2.5 seconds, or one interval where that is longer. With X_s
// what a window's failures multiply the e-value by,
//
//	log E = sum over windows of min(ln X_s, cap_s) / d_s
//	cap_s = min(ln(1/theta_s), 0.98 limit/k_s)
//
// theta is the canary's tolerated share of failures: no more is believed than what
// the same window, had all its failures been one event, could prove. k is how many
// windows a burst of Cluster seconds can touch: together they stay below the limit.
// d is at least 1 and known when the window begins: how much the old version's own
// failures have clustered in time so far (see bursts).
//
// Where failures were seen to be independent (Fuse.Independent) only the second bound
// of the cap is there, and each component of the mixture is capped by itself: the
// peace after a burst would take more from all of it than the burst was allowed to
// give.
//
// Proved: where failures are independent this stays an e-process, looked at any
// time, also inside a window, because min and division by d are concave, and a
// concave rising function of a supermartingale is a supermartingale. Not proved,
// but measured (bench/analysis): how seldom it blows where failures cluster.
type FuseProcess struct {
	spec  Fuse
	limit float64
	ratio CountProcess
	floor FloorProcess
	// seconds is the length of the window so far, share the largest theta in it.
	seconds, share float64
	ratioSoFar     gain
	floorSoFar     gain
	bursts         bursts
	// dullness is d of the window.
	dullness float64
	// each are the gains of the components, where failures are independent.
	each capped
}

// gain is the logarithm of an e-value that grows by at most a cap in each window.
type gain struct {
	// Wealth is its value at the window's beginning, Begin that of the process
	// without a cap.
	Wealth float64 `json:"wealth"`
	Begin  float64 `json:"begin"`
}

func (g gain) value(now, most, dullness float64) float64 {
	return g.Wealth + min(now-g.Begin, most)/dullness
}

// components is gain for each component of a mixture.
type components struct {
	Wealth [ratioCount]float64 `json:"wealth"`
	Begin  [ratioCount]float64 `json:"begin"`
}

func (c components) grown(now [ratioCount]float64, most, dullness float64) [ratioCount]float64 {
	for j := range now {
		c.Wealth[j] += min(now[j]-c.Begin[j], most) / dullness
	}
	return c.Wealth
}

func (c components) value(now [ratioCount]float64, most, dullness float64) float64 {
	grown := c.grown(now, most, dullness)
	return logMeanExp(grown[:])
}

// capped are those of both processes.
type capped struct {
	Ratio components `json:"ratio"`
	Floor components `json:"floor"`
}

func (c capped) next(ratio, floor [ratioCount]float64, most, dullness float64) capped {
	return capped{
		Ratio: components{Wealth: c.Ratio.grown(ratio, most, dullness), Begin: ratio},
		Floor: components{Wealth: c.Floor.grown(floor, most, dullness), Begin: floor},
	}
}

// NewFuseProcess begins at e-value 1. The tolerance and the floor are those of the
// limits; alpha is the judge's.
func NewFuseProcess(limits Limits, spec Fuse, alpha float64) (FuseProcess, error) {
	spec = spec.withDefaults()
	p := FuseProcess{spec: spec, limit: logLimit(alpha * spec.Part), dullness: 1}
	if err := spec.check(); err != nil {
		return p, err
	}
	var err error
	if p.ratio, err = NewCountProcess(limits.Tolerance); err != nil {
		return p, err
	}
	p.floor, err = NewFloorProcess(MethodCounts, limits.Floor)
	return p, err
}

// Add returns the process after one more interval. One in which only one of the
// versions had requests leaves it as it is.
func (p FuseProcess) Add(i Interval) (FuseProcess, error) {
	if err := i.check(); err != nil {
		return p, err
	}
	w := i.Counts.Share()
	if w == 0 || w == 1 {
		return p, nil
	}
	next := p.begin(i)
	next.share = max(next.share, tolerated(w, p.ratio.tolerance))
	next.bursts = next.bursts.add(i, p.spec.Cluster)
	var err error
	if next.ratio, err = next.ratio.Add(i.Counts); err != nil {
		return p, err
	}
	if next.floor, err = next.floor.Add(i.Counts.New); err != nil {
		return p, err
	}
	return next, nil
}

// AddAlone returns the process after an interval in which the baseline had no
// requests: the canary's rate is held against ceiling (see Ceiling). A fuse beside
// windows leaves that to them.
func (p FuseProcess) AddAlone(i Interval, ceiling float64) (FuseProcess, error) {
	if err := i.check(); err != nil {
		return p, err
	}
	if !p.spec.Independent || i.Counts.New.Requests == 0 {
		return p, nil
	}
	next := p.begin(i)
	var err error
	if next.floor, err = next.floor.Add(i.Counts.New); err != nil {
		return p, err
	}
	if ceiling < 1 {
		next.ratio, err = next.ratio.AddAlone(i.Counts.New, ceiling)
	}
	if err != nil {
		return p, err
	}
	return next, nil
}

// begin is the process at the beginning of an interval, in a window that it fits in.
func (p FuseProcess) begin(i Interval) FuseProcess {
	if full(p.seconds, p.spec.Cluster/fuseWindows) {
		p = p.nextWindow()
	}
	p.seconds += i.Seconds
	return p
}

func (p FuseProcess) nextWindow() FuseProcess {
	if p.spec.Independent {
		p.each = p.each.next(p.ratio.logs, p.floor.logs, p.most(), p.dullness)
	} else {
		p.ratioSoFar = gain{Wealth: p.LogRatio(), Begin: p.ratio.LogE()}
		p.floorSoFar = gain{Wealth: p.LogFloor(), Begin: p.floor.LogE()}
	}
	p.seconds, p.share = 0, 0
	prior := burstPrior
	if p.spec.Independent {
		prior = knownPrior
	}
	p.dullness = p.bursts.dispersion(prior)
	return p
}

// most is the window's cap. It grows with the window's length, so that inside the
// window it is at most what it will be.
func (p FuseProcess) most() float64 {
	touched := 1 + math.Ceil(p.spec.Cluster/max(p.seconds, p.spec.Cluster/fuseWindows))
	most := 0.98 * p.limit / touched
	if p.share > 0 && !p.spec.Independent {
		most = min(most, -math.Log(p.share))
	}
	return most
}

// LogRatio is the logarithm of the e-value against the tolerated ratio.
func (p FuseProcess) LogRatio() float64 {
	if p.spec.Independent {
		return p.each.Ratio.value(p.ratio.logs, p.most(), p.dullness)
	}
	return p.ratioSoFar.value(p.ratio.LogE(), p.most(), p.dullness)
}

// LogFloor is the logarithm of the e-value against the floor.
func (p FuseProcess) LogFloor() float64 {
	if p.spec.Independent {
		return p.each.Floor.value(p.floor.logs, p.most(), p.dullness)
	}
	return p.floorSoFar.value(p.floor.LogE(), p.most(), p.dullness)
}

// LogE is the smaller of the two: evidence that both are exceeded.
func (p FuseProcess) LogE() float64 { return min(p.LogRatio(), p.LogFloor()) }

func (p FuseProcess) evidence() *FuseEvidence {
	return &FuseEvidence{
		LogE: p.LogE(), Limit: p.limit, LogRatio: p.LogRatio(), LogFloor: p.LogFloor(), Dullness: p.dullness,
	}
}
