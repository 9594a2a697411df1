package dataplane

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// counters are those of one side since it was put.
type counters struct {
	requests atomic.Uint64
	classes  [6]atomic.Uint64 // by first digit of the status; 0 is none
	own      atomic.Uint64
	upstream atomic.Uint64
	// failed counts requests that the side answered with 5xx, or not, or not to
	// the end; left those that it failed and another side got.
	failed     atomic.Uint64
	left       atomic.Uint64
	cancelled  atomic.Uint64
	replays    atomic.Uint64
	inFlight   atomic.Int64
	websockets atomic.Int64
	upgraded   atomic.Uint64
	bytesIn    atomic.Uint64
	bytesOut   atomic.Uint64
	latency    histogram
}

func (c *counters) status(code int) {
	class := code / 100
	if class < 0 || class >= len(c.classes) {
		class = 0
	}
	c.classes[class].Add(1)
}

// The histogram's buckets are log-linear: four equal ones to each power of two
// of microseconds, from 64 us to 134 s.
const (
	smallestBits = 6
	largestBits  = 27
	perPower     = 4
	bucketCount  = (largestBits-smallestBits)*perPower + 2
)

// histogram counts durations.
type histogram struct {
	buckets [bucketCount]atomic.Uint64
	sum     atomic.Uint64 // microseconds
}

func (h *histogram) observe(d time.Duration) {
	us := uint64(max(d.Microseconds(), 0))
	h.buckets[bucketOf(us)].Add(1)
	h.sum.Add(us)
}

// bucketOf returns the bucket whose bound is the smallest one above us.
func bucketOf(us uint64) int {
	if us < 1<<smallestBits {
		return 0
	}
	if us >= 1<<largestBits {
		return bucketCount - 1
	}
	power := bits.Len64(us) - 1
	part := int(us>>(power-2)) & (perPower - 1) //nolint:gosec // two bits
	return (power-smallestBits)*perPower + part + 1
}

// boundOf returns the exclusive upper bound of bucket i; the last has none.
func boundOf(i int) time.Duration {
	if i == 0 {
		return (1 << smallestBits) * time.Microsecond
	}
	power, part := smallestBits+(i-1)/perPower, (i-1)%perPower
	us := int64(1)<<power + int64(part+1)<<(power-2)
	return time.Duration(us) * time.Microsecond
}
