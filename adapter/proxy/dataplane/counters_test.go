package dataplane

import (
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	for i := range bucketCount - 1 {
		bound := uint64(boundOf(i).Microseconds())
		if below, at := bucketOf(bound-1), bucketOf(bound); below != i || at != i+1 {
			t.Errorf("bound %v of bucket %d: just below in %d, at in %d", boundOf(i), i, below, at)
		}
	}
	if got := bucketOf(0); got != 0 {
		t.Errorf("nothing is in bucket %d", got)
	}
	if got := bucketOf(1 << 60); got != bucketCount-1 {
		t.Errorf("36,000 years are in bucket %d", got)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	var c counters
	h := &c.latency
	stats := func() LatencyStats { return c.tally().stats().Latency }
	if got := stats().Quantile(.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for ms := range 100 {
		h.observe(time.Duration(ms) * time.Millisecond)
	}
	s := stats()
	if s.Count != 100 || s.Sum.Std() != 4950*time.Millisecond {
		t.Errorf("%d, %v", s.Count, s.Sum)
	}
	for q, want := range map[float64]time.Duration{.5: 50 * time.Millisecond, .99: 99 * time.Millisecond} {
		if got := s.Quantile(q); got < want*3/4 || got > want*5/4 {
			t.Errorf("quantile %v is %v; want about %v", q, got, want)
		}
	}
}
