package main

import (
	"math"
	"math/rand/v2"

	"github.com/ripcord-dev/ripcord/analysis"
)

const hour = 3600.0 // seconds

// cell is one situation that releases are simulated in.
type cell struct {
	name string
	// base is the old version's failure rate, ratio how many times worse the new
	// one is, share its part of the requests, rate requests a second of both.
	base, ratio, share, rate float64
	// failing is the new version's failure rate, instead of a ratio.
	failing float64
	// stages are shares that follow one another, a third of the hour each.
	stages []float64
	// burst multiplies both versions' rates for five minutes; drift multiplies
	// them at the end of the hour, growing evenly.
	burst, drift float64
	// cluster is how long in seconds clusters of failures last at most; between
	// them there are no failures.
	cluster float64
	// size is how many failures a cluster has on average; 0 is 20.
	size float64
	// stumbles are bursts of twenty failures within two seconds, of the new version
	// alone, each at any time of the hour.
	stumbles int
	// tick is how many seconds are between two looks.
	tick float64
	// past is what the old version did alone before the release.
	past analysis.Stretch
}

// ticks are those of the hour.
func (c cell) ticks() int { return c.ticksIn(hour) }

func (c cell) ticksIn(seconds float64) int { return int(seconds / c.tick) }

func (c cell) shareAt(i int) float64 {
	if len(c.stages) == 0 {
		return c.share
	}
	return c.stages[min(i*len(c.stages)/c.ticks(), len(c.stages)-1)]
}

func (c cell) baseAt(i, burstAt int) float64 {
	base := c.base
	if c.burst > 0 && i >= burstAt && i < burstAt+c.ticksIn(300) {
		base *= c.burst
	}
	if c.drift > 0 {
		base *= 1 + (c.drift-1)*float64(i)/float64(c.ticks())
	}
	return min(base, 1)
}

// look is what happened in one tick.
type look struct {
	newRequests, newFailures float64
	oldRequests, oldFailures float64
	// excess are the new version's failures that the old one would not have had.
	excess float64
}

// hourOf simulates one release.
func (c cell) hourOf(r *rand.Rand) []look {
	looks := make([]look, c.ticks())
	burstAt := r.IntN(c.ticks() - c.ticksIn(300))
	for i := range looks {
		n := poisson(r, c.rate*c.tick)
		canary := binomial(r, n, c.shareAt(i))
		looks[i] = look{newRequests: float64(canary), oldRequests: float64(n - canary)}
		if c.cluster > 0 {
			continue
		}
		base := c.baseAt(i, burstAt)
		bad := min(base*c.ratio, 1)
		if c.failing > 0 {
			bad = c.failing
		}
		looks[i].newFailures = float64(binomial(r, canary, bad))
		looks[i].oldFailures = float64(binomial(r, n-canary, base))
		looks[i].excess = looks[i].newFailures - float64(canary)*base
	}
	if c.cluster > 0 {
		c.addClusters(r, looks)
	}
	for range c.stumbles {
		c.addCluster(r, looks, burst{at: r.Float64() * hour, length: 2, size: 20, onNew: true})
	}
	return looks
}

// pastOf simulates what the old version did alone, for so many seconds, in spans of
// ten seconds or one look. Of the cell's troubles it has had the clusters only.
func (c cell) pastOf(r *rand.Rand, seconds float64) analysis.Stretch {
	c.stages, c.share, c.burst, c.drift, c.stumbles, c.failing, c.ratio = nil, 0, 0, 0, 0, 0, 1
	var stretch analysis.Stretch
	for stretch.Spans == nil || float64(len(stretch.Spans))*c.tick < seconds {
		for _, l := range c.hourOf(r) {
			stretch.Spans = append(stretch.Spans, analysis.Span{
				Seconds: c.tick, ArmCounts: analysis.ArmCounts{Requests: l.oldRequests, Failures: l.oldFailures},
			})
		}
	}
	stretch.Spans = stretch.Spans[:int(seconds/c.tick)]
	return stretch
}

// addClusters lays clusters of failures over the hour, on the new version with
// the chance of its share: an instance that stumbles. Each has a size of its own
// (geometric, mean 20) and spreads over up to c.cluster seconds. There are so
// many that the mean rate is c.base.
func (c cell) addClusters(r *rand.Rand, looks []look) {
	mean := c.size
	if mean == 0 {
		mean = 20
	}
	for range poisson(r, c.base*c.rate*hour/mean) {
		at, length := r.Float64()*hour, c.cluster*(0.25+0.75*r.Float64())
		onNew := r.Float64() < c.shareAt(min(c.ticksIn(at), c.ticks()-1))
		size := 1 + int(math.Log1p(-r.Float64())/math.Log(1-1/mean))
		c.addCluster(r, looks, burst{at, length, size, onNew})
	}
}

// burst are so many failures of one version, evenly over its length in seconds.
type burst struct {
	at, length float64
	size       int
	onNew      bool
}

func (c cell) addCluster(r *rand.Rand, looks []look, b burst) {
	for range b.size {
		i := c.ticksIn(b.at + r.Float64()*b.length)
		if i >= len(looks) {
			continue
		}
		if l := &looks[i]; b.onNew {
			l.newFailures = min(l.newFailures+1, l.newRequests)
		} else {
			l.oldFailures = min(l.oldFailures+1, l.oldRequests)
		}
	}
}

// binomial counts successes by the gaps between them where they are rare, else
// by the normal approximation where there are many, else one by one.
func binomial(r *rand.Rand, n int, p float64) int {
	switch mean := float64(n) * p; {
	case n == 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(r, n, 1-p)
	case mean > 200:
		return min(max(int(math.Round(mean+math.Sqrt(mean*(1-p))*r.NormFloat64())), 0), n)
	default:
		count, at, log := 0, 0.0, math.Log1p(-p)
		for {
			at += 1 + math.Floor(math.Log(1-r.Float64())/log)
			if at > float64(n) {
				return count
			}
			count++
		}
	}
}

func poisson(r *rand.Rand, mean float64) int {
	if mean > 500 {
		return max(int(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())), 0)
	}
	count, left := -1, mean
	for left >= 0 {
		left += math.Log(1 - r.Float64())
		count++
	}
	return count
}
