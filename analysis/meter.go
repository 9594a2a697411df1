package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// maxSeries and maxBoundaries bound what one arm of a metric may hold.
const (
	maxSeries     = 500
	maxBoundaries = 100
)

// mark is how far a series has been counted.
type mark struct {
	Requests float64   `json:"requests"`
	Failures float64   `json:"failures"`
	Upper    []float64 `json:"upper,omitempty"`
	Counts   []float64 `json:"counts,omitempty"`
}

// Meter turns cumulative counters into what happened since the last reading. A
// series whose numbers went down has started again and is counted from zero, and
// so is one that appears after the first reading. A series that is missing keeps
// its mark, so that what it did meanwhile is counted when it comes back.
//
// Each arm is metered by itself, but both advance together: where one of them
// has no data, neither is counted, and the next reading covers the gap for both.
// Only then are the two compared over the same time.
type Meter struct {
	// Series are the marks by name; nil before the first reading.
	Series map[string]mark `json:"series,omitempty"`
}

// Delta is what one arm did since its last reading.
type Delta struct {
	ArmCounts
	// Upper are the boundaries of the latency buckets in seconds, Slower how many
	// requests took longer than each.
	Upper  []float64
	Slower []float64
}

// Started reports whether there was a first reading.
func (m Meter) Started() bool { return m.Series != nil }

// Advance returns the meter after the reading and what happened since the last
// one. The first reading only sets the marks: nothing has happened since. A number that is none (NaN, and
// nothing at all) is an OutcomeNoData, an impossible one an OutcomeError; the
// meter is then unchanged and the text says what was wrong.
func (m Meter) Advance(counters []ripcord.Counter) (Meter, Delta, Outcome, string) {
	if len(counters) == 0 {
		return m, Delta{}, OutcomeNoData, "there is no series"
	}
	next := Meter{Series: make(map[string]mark, len(counters)+len(m.Series))}
	maps.Copy(next.Series, m.Series)
	var sum Delta
	seen := map[string]bool{}
	for i, c := range counters {
		if outcome, what := checkCounter(c); outcome != OutcomePass {
			return m, Delta{}, outcome, what
		}
		if seen[c.Series] {
			return m, Delta{}, OutcomeError, fmt.Sprintf("the series %.80q is there twice", c.Series)
		}
		seen[c.Series] = true
		delta, now := since(m.Series[c.Series], c)
		next.Series[c.Series] = now
		if i == 0 {
			sum = delta
		} else {
			sum = sum.plus(delta)
		}
	}
	if len(next.Series) > maxSeries {
		return m, Delta{}, OutcomeError, fmt.Sprintf("more than %d series", maxSeries)
	}
	if !m.Started() {
		return next, Delta{}, OutcomePass, ""
	}
	return next, sum, OutcomePass, ""
}

func checkCounter(c ripcord.Counter) (Outcome, string) {
	values := []float64{c.Requests, c.Failures}
	for i, b := range c.Buckets {
		if math.IsNaN(b.UpTo) || i > 0 && !(b.UpTo > c.Buckets[i-1].UpTo) {
			return OutcomeError, "the latency buckets are not in rising order"
		}
		values = append(values, b.Count)
	}
	if len(c.Buckets) > maxBoundaries {
		return OutcomeError, fmt.Sprintf("more than %d latency buckets", maxBoundaries)
	}
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			return OutcomeNoData, "a counter is not a number"
		case v < 0 || v > maxCount:
			return OutcomeError, fmt.Sprintf("a counter is %v", v)
		}
	}
	return OutcomePass, ""
}

// since counts from the mark, or from zero where the series has started again.
func since(from mark, c ripcord.Counter) (Delta, mark) {
	now := mark{Requests: c.Requests, Failures: c.Failures}
	for _, b := range c.Buckets {
		if !math.IsInf(b.UpTo, 1) { // what all requests are below says nothing
			now.Upper, now.Counts = append(now.Upper, b.UpTo), append(now.Counts, b.Count)
		}
	}
	again := now.Requests < from.Requests || now.Failures < from.Failures
	same := slices.Equal(now.Upper, from.Upper)
	for i := range now.Counts {
		again = again || same && now.Counts[i] < from.Counts[i]
	}
	if again {
		from, same = mark{}, false
	}
	d := Delta{Upper: now.Upper, Slower: make([]float64, len(now.Upper))}
	d.Failures = now.Failures - from.Failures
	// The two are not read at the same instant; a failure is a request.
	d.Requests = max(now.Requests-from.Requests, d.Failures)
	for i, count := range now.Counts {
		if same {
			count -= from.Counts[i]
		} else if from.Requests > 0 { // new boundaries begin with the next reading
			count = d.Requests
		}
		d.Slower[i] = max(d.Requests-count, 0)
	}
	return d, now
}

// plus adds a series; of the boundaries those stay that both have.
func (d Delta) plus(e Delta) Delta {
	sum := Delta{ArmCounts: d.Plus(e.ArmCounts)}
	for i, upper := range d.Upper {
		if j, found := slices.BinarySearch(e.Upper, upper); found {
			sum.Upper = append(sum.Upper, upper)
			sum.Slower = append(sum.Slower, d.Slower[i]+e.Slower[j])
		}
	}
	return sum
}
