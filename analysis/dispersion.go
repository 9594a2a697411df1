package analysis

import (
	"fmt"
	"math"
)

// What Choose needs before it trusts an estimate.
const (
	minWindows      = 30
	minFailures     = 100
	widestWindow    = 480.0
	maxNeighbours   = 0.1
	maxIntervalsAll = 100_000
)

// Interval is a stretch of time with its counts.
type Interval struct {
	// Seconds is how long it lasted.
	Seconds float64
	Counts  Counts
}

// check refuses what is no interval; the error has ErrInput in its chain.
func (i Interval) check() error {
	if err := i.Counts.Check(); err != nil {
		return err
	}
	if !(i.Seconds > 0 && i.Seconds <= maxCount) {
		return fmt.Errorf("%w: an interval of %v seconds", ErrInput, i.Seconds)
	}
	return nil
}

// Dispersion says how much more the split of failures between the two arms varies
// than chance alone lets it: 1 for independent failures, more for clusters. Both
// arms must run the same version (A/A). It is Pearson's statistic of the binomial
// splits, pooled over the intervals, so that busy intervals weigh more:
//
//	sum of (c - N w)^2 / sum of N w (1-w)
//
// Source: McCullagh and Nelder, Generalized Linear Models, 4.5 (over-dispersion).
// It is NaN where no interval has failures on a share between 0 and 1.
func Dispersion(intervals []Interval) float64 {
	squares, expected := 0.0, 0.0
	for _, i := range intervals {
		w, all := i.Counts.Share(), i.Counts.Failures()
		d := i.Counts.New.Failures - all*w
		squares += d * d
		expected += all * w * (1 - w)
	}
	if expected == 0 {
		return math.NaN()
	}
	return squares / expected
}

// Pool joins neighbouring intervals to windows of at least the given seconds; an
// incomplete last window is dropped.
func Pool(intervals []Interval, seconds float64) []Interval {
	var windows []Interval
	var window Interval
	for _, i := range intervals {
		window.Seconds += i.Seconds
		window.Counts = window.Counts.Plus(i.Counts)
		if full(window.Seconds, seconds) {
			windows = append(windows, window)
			window = Interval{}
		}
	}
	return windows
}

// full allows a window to be a twentieth short: polls are never exactly on time,
// and waiting for one more would make it much too long.
func full(have, want float64) bool { return have >= 0.95*want }

// neighbours is the correlation of the split's deviations in neighbouring windows:
// near 0 when clusters lie inside the windows, 0.25 when they are as long.
func neighbours(windows []Interval) float64 {
	squares, products, last := 0.0, 0.0, 0.0
	for _, i := range windows {
		d := i.Counts.New.Failures - i.Counts.Failures()*i.Counts.Share()
		squares += d * d
		products += d * last
		last = d
	}
	if squares == 0 {
		return 0
	}
	return products / squares
}

// Choose picks the method from a stretch of A/A: the old version's instances
// against other instances of the old version, before the release, in short
// intervals (ten seconds). MethodCounts needs a dispersion of at most 1.2, seen
// in at least 30 windows with 100 failures. Otherwise windows are compared; they
// are doubled from 30 seconds until neighbouring windows are not correlated.
func Choose(aa []Interval) (Choice, error) {
	choice := DefaultChoice()
	if len(aa) > maxIntervalsAll {
		return choice, fmt.Errorf("%w: %d intervals of A/A, at most %d", ErrInput, len(aa), maxIntervalsAll)
	}
	failures := 0.0
	for _, i := range aa {
		if err := i.check(); err != nil {
			return choice, err
		}
		failures += i.Counts.Failures()
	}
	windows := Pool(aa, DefaultWindow)
	if len(windows) < minWindows || failures < minFailures {
		choice.Reason = fmt.Sprintf("%d windows with %.0f failures of the old version against itself are too few to know how they cluster (%d with %d are needed)",
			len(windows), failures, minWindows, minFailures)
		return choice, nil
	}
	return choose(aa, windows), nil
}

func choose(aa, windows []Interval) Choice {
	// Clusters longer than an interval show in the windows only.
	dispersion := max(Dispersion(aa), Dispersion(windows))
	if dispersion <= MaxDispersion {
		return Choice{
			Method: MethodCounts, Dispersion: dispersion,
			Reason: fmt.Sprintf("failures of the old version are close to independent: dispersion %.2f, at most %.1f", dispersion, MaxDispersion),
		}
	}
	if math.IsNaN(dispersion) {
		return DefaultChoice()
	}
	choice := Choice{Method: MethodFractions, Window: DefaultWindow, Dispersion: dispersion}
	for choice.Window < widestWindow {
		windows = Pool(aa, choice.Window)
		// Two standard errors of a correlation that is zero.
		if len(windows) < minWindows/3 || neighbours(windows) <= max(maxNeighbours, 2/math.Sqrt(float64(len(windows)))) {
			break
		}
		choice.Window *= 2
	}
	choice.Reason = fmt.Sprintf("failures of the old version cluster: dispersion %.2f, more than %.1f, so windows of %.0f s are compared", dispersion, MaxDispersion, choice.Window)
	return choice
}
