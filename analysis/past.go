package analysis

import (
	"fmt"
	"math"
	"time"
)

// Span is what one version did in a piece of time.
type Span struct {
	Seconds float64 `json:"seconds"`
	ArmCounts
}

// Stretch is a version alone with itself for a while: spans that follow one another
// without a gap.
type Stretch struct {
	// Ended is when its last span did.
	Ended time.Time `json:"ended"`
	Spans []Span    `json:"spans"`
}

// check refuses what is no stretch; the error has ErrInput in its chain.
func (s Stretch) check() error {
	for _, p := range s.Spans {
		if err := (Interval{Seconds: p.Seconds, Counts: Counts{Old: p.ArmCounts}}).check(); err != nil {
			return err
		}
	}
	return nil
}

// DefaultGuard is the longest burst of failures in seconds that must not decide by
// itself, although failures were independent as long as one has looked. What is
// rare enough is not seen in an hour.
const DefaultGuard = 4.0

// What ChooseAlone looks at.
const (
	// shortScale is the shortest block in seconds.
	shortScale = 10.0
	// fewMargin is how many standard errors a longer block may be above the limit:
	// there are fewer of them, and a cluster shows in the short ones too.
	fewMargin = 2.0
	// stillGrows is by how much the part of a dispersion above 1 grows with twice the
	// block as long as blocks cut clusters in pieces.
	stillGrows = 1.5
	// clustersInWindow is how many of the longest clusters fit into a window.
	clustersInWindow = DefaultWindow / DefaultCluster
)

// ChooseAlone picks the method from what the old version did by itself, in spans of
// at most ten seconds: each block of time is compared with the one before it, as if
// they were two versions (A/A). That asks for more than Choose does, because it
// takes for a cluster also what strikes all instances at once.
//
// MethodCounts needs a dispersion of at most 1.2 of blocks of ten seconds, and of
// longer ones up to two minutes no more than chance explains; at least 30 windows and
// 100 failures. Its choice has a guard: no burst of up to DefaultGuard seconds
// decides by itself. Everything else is MethodFractions; its windows are doubled
// until longer blocks are not more dispersed.
//
// Source: as Dispersion; differences of neighbours are von Neumann's (1941), so that
// a rate which drifts is no cluster.
func ChooseAlone(past []Stretch) (Choice, error) {
	choice := DefaultChoice()
	spans, failures := 0, 0.0
	for _, s := range past {
		if err := s.check(); err != nil {
			return choice, err
		}
		for _, p := range s.Spans {
			failures += p.Failures
		}
		spans += len(s.Spans)
	}
	if spans > maxIntervalsAll {
		return choice, fmt.Errorf("%w: %d spans, at most %d", ErrInput, spans, maxIntervalsAll)
	}
	dispersion, _ := dispersionAlone(past, shortScale)
	_, windows := dispersionAlone(past, DefaultWindow)
	if windows < minWindows || failures < minFailures || math.IsNaN(dispersion) {
		choice.Reason = tooFew(windows, failures)
		return choice, nil
	}
	for _, scale := range []float64{DefaultWindow, 2 * DefaultWindow, 4 * DefaultWindow} {
		d, blocks := dispersionAlone(past, scale)
		if blocks >= minWindows {
			// Three is the variance of von Neumann's ratio of so many blocks, times them.
			dispersion = max(dispersion, d-fewMargin*math.Sqrt(3/float64(blocks)))
		}
	}
	if dispersion > MaxDispersion {
		choice.Dispersion, choice.Window = dispersion, widened(past)
		choice.Reason = fmt.Sprintf("failures of the old version cluster: dispersion %.2f, more than %.1f, so windows of %.0f s are compared", dispersion, MaxDispersion, choice.Window)
		return choice, nil
	}
	return Choice{
		Method: MethodCounts, Guard: DefaultGuard, Dispersion: dispersion,
		Reason: fmt.Sprintf("failures of the old version are close to independent: dispersion %.2f, at most %.1f", dispersion, MaxDispersion),
	}, nil
}

// widened is the window that holds the clusters of the past: the shortest one of
// which a third is not less dispersed than twice that.
func widened(past []Stretch) float64 {
	window := DefaultWindow
	for ; window < widestWindow; window *= 2 {
		third, _ := dispersionAlone(past, window/clustersInWindow)
		more, blocks := dispersionAlone(past, 2*window/clustersInWindow)
		if blocks < minWindows || !(more > MaxDispersion && more-1 > stillGrows*(third-1)) {
			break
		}
	}
	return window
}

func tooFew(windows int, failures float64) string {
	return fmt.Sprintf("too little is known of how failures of the old version cluster: %d windows of %.0f s with %.0f failures, and %d with %d are needed",
		windows, DefaultWindow, failures, minWindows, minFailures)
}

// dispersionAlone is the dispersion of neighbouring blocks of so many seconds, and
// how many blocks there are.
func dispersionAlone(past []Stretch, seconds float64) (dispersion float64, blocks int) {
	var pairs []Interval
	for _, s := range past {
		intervals := make([]Interval, len(s.Spans))
		for i, p := range s.Spans {
			intervals[i] = Interval{Seconds: p.Seconds, Counts: Counts{Old: p.ArmCounts}}
		}
		pooled := Pool(intervals, seconds)
		blocks += len(pooled)
		for i := 1; i < len(pooled); i++ {
			before, now := pooled[i-1], pooled[i]
			pairs = append(pairs, Interval{
				Seconds: before.Seconds + now.Seconds, Counts: Counts{New: now.Counts.Old, Old: before.Counts.Old},
			})
		}
	}
	return Dispersion(pairs), blocks
}
