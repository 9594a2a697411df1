package kayenta

import (
	"math"
	"slices"
)

// Label is what a metric is classified as.
type Label string

// The labels, as Kayenta writes them.
const (
	Pass             Label = "Pass"
	High             Label = "High"
	Low              Label = "Low"
	Nodata           Label = "Nodata"
	NodataFailMetric Label = "NodataFailMetric"
)

// Direction is which change of a metric is bad.
type Direction string

// The directions.
const (
	Increase Direction = "increase"
	Decrease Direction = "decrease"
	Either   Direction = "either" // the default
)

// Effect is how the size of a change is measured.
type Effect string

// The effect sizes.
const (
	EffectMeanRatio Effect = "meanRatio" // the default
	EffectCLES      Effect = "cles"
)

// Config is how one metric is classified. Zero values are Kayenta's defaults.
type Config struct {
	Direction Direction
	NaN       NaN
	// RemoveOutliers drops points beyond three interquartile ranges.
	RemoveOutliers bool
	// Critical fails the canary when the metric does not pass; MustHaveData
	// counts missing data as a failure of the metric.
	Critical, MustHaveData bool
	Effect                 Effect
	// AllowedIncrease and AllowedDecrease are effect sizes that are tolerated;
	// CriticalIncrease and CriticalDecrease those at which Critical applies. 0 is
	// no change: 1 for a ratio, 0.5 for CLES.
	AllowedIncrease, AllowedDecrease   float64
	CriticalIncrease, CriticalDecrease float64
	// Tolerance is the part of the estimated shift that the interval must clear;
	// 0 is 0.25. Confidence is that of the interval; 0 is 0.98.
	Tolerance, Confidence float64
}

// Result is a metric's label with what it rests on.
type Result struct {
	Label Label
	// Critical says that it fails the whole canary, where it does not pass.
	Critical bool
	// Shift and Effect are those of the samples; NaN where there is none.
	Shift  Shift
	Effect float64
}

func (c Config) withDefaults() Config {
	same := 1.0
	if c.Effect == EffectCLES {
		same = 0.5
	}
	for _, size := range []*float64{&c.AllowedIncrease, &c.AllowedDecrease, &c.CriticalIncrease, &c.CriticalDecrease} {
		if *size == 0 {
			*size = same
		}
	}
	if c.Tolerance == 0 {
		c.Tolerance = 0.25
	}
	if c.Confidence == 0 {
		c.Confidence = 0.98
	}
	if c.Direction == "" {
		c.Direction = Either
	}
	return c
}

// Classify labels one metric from the points of control and experiment. Infinite
// points count as missing.
func Classify(control, experiment []float64, c Config) Result {
	c = c.withDefaults()
	x, y := c.prepare(experiment), c.prepare(control)
	none := Result{Label: Pass, Effect: math.NaN()}
	switch {
	case len(x) == 0 || len(y) == 0:
		return c.noData()
	case slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))), oneValue(x, y):
		return none
	}
	r := Result{Label: Pass, Shift: MannWhitney(x, y, c.Confidence)}
	r.Effect = MeanRatio(x, y)
	if c.Effect == EffectCLES {
		r.Effect = CLES(x, y)
	}
	bound := c.Tolerance * math.Abs(r.Shift.Estimate)
	// A ratio to zero says nothing, so it does not stand in the way.
	atLeast := func(size float64) bool { return math.IsNaN(r.Effect) || r.Effect >= size }
	atMost := func(size float64) bool { return math.IsNaN(r.Effect) || r.Effect <= size }
	switch {
	case c.Direction != Decrease && r.Shift.Low > bound && atLeast(c.AllowedIncrease):
		r.Label, r.Critical = High, c.Critical && atLeast(c.CriticalIncrease)
	case c.Direction != Increase && r.Shift.High < -bound && atMost(c.AllowedDecrease):
		r.Label, r.Critical = Low, c.Critical && atMost(c.CriticalDecrease)
	}
	return r
}

func (c Config) prepare(values []float64) []float64 {
	values = slices.Clone(values)
	for i, v := range values {
		if math.IsInf(v, 0) {
			values[i] = math.NaN()
		}
	}
	values = c.NaN.apply(values)
	if c.RemoveOutliers {
		values = withoutOutliers(values)
	}
	return values
}

func (c Config) noData() Result {
	r := Result{Label: Nodata, Critical: c.Critical, Effect: math.NaN()}
	switch {
	case c.NaN == NaNReplace:
		r.Label, r.Critical = Pass, false
	case c.MustHaveData && !c.Critical:
		r.Label = NodataFailMetric
	}
	return r
}

func oneValue(x, y []float64) bool {
	differs := func(v float64) bool { return v != x[0] }
	return !slices.ContainsFunc(x, differs) && !slices.ContainsFunc(y, differs)
}
