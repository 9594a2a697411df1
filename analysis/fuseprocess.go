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
	next := p
	if full(p.seconds, p.spec.Cluster/fuseWindows) {
		next = p.nextWindow()
	}
	next.seconds += i.Seconds
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

func (p FuseProcess) nextWindow() FuseProcess {
	p.ratioSoFar = gain{Wealth: p.LogRatio(), Begin: p.ratio.LogE()}
	p.floorSoFar = gain{Wealth: p.LogFloor(), Begin: p.floor.LogE()}
	p.seconds, p.share = 0, 0
	p.dullness = p.bursts.dispersion()
	return p
}

// most is the window's cap. It grows with the window's length, so that inside the
// window it is at most what it will be.
func (p FuseProcess) most() float64 {
	touched := 1 + math.Ceil(p.spec.Cluster/max(p.seconds, p.spec.Cluster/fuseWindows))
	most := 0.98 * p.limit / touched
	if p.share > 0 {
		most = min(most, -math.Log(p.share))
	}
	return most
}

// LogRatio is the logarithm of the e-value against the tolerated ratio.
func (p FuseProcess) LogRatio() float64 {
	return p.ratioSoFar.value(p.ratio.LogE(), p.most(), p.dullness)
}

// LogFloor is the logarithm of the e-value against the floor.
func (p FuseProcess) LogFloor() float64 {
	return p.floorSoFar.value(p.floor.LogE(), p.most(), p.dullness)
}

// LogE is the smaller of the two: evidence that both are exceeded.
func (p FuseProcess) LogE() float64 { return min(p.LogRatio(), p.LogFloor()) }

func (p FuseProcess) evidence() *FuseEvidence {
	return &FuseEvidence{
		LogE: p.LogE(), Limit: p.limit, LogRatio: p.LogRatio(), LogFloor: p.LogFloor(), Dullness: p.dullness,
	}
}
