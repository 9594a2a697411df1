package main

import (
	"errors"
	"math"

	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/kayenta"
)

// rule looks at a release tick by tick and says when it rolls back.
type rule interface {
	look(i int, l look) (rollBack bool, err error)
}

// named makes a fresh rule for each release; base is the rate that thresholds of
// peers are tuned to.
type named struct {
	name string
	make func(c cell) (rule, error)
}

func rules() []named {
	ours := func(choice analysis.Choice, tolerance float64) func(cell) (rule, error) {
		return func(c cell) (rule, error) {
			tick := c.tick
			comparison, err := analysis.NewComparison(analysis.Limits{
				Tolerance: tolerance, Worse: analysis.DefaultWorse, Floor: analysis.DefaultFloor,
			}, choice)
			return &evidence{comparison: comparison, tick: tick}, err
		}
	}
	minutes := func(rate func(cell) float64, fails int) func(cell) (rule, error) {
		return func(c cell) (rule, error) { return &everyMinute{limit: rate(c), fails: fails, tick: c.tick}, nil }
	}
	tuned := func(c cell) float64 {
		if c.base == 0 { // three times nothing is no threshold
			return 0.01
		}
		return min(3*c.base, 0.9)
	}
	fused := func(c cell) (rule, error) {
		limits := analysis.Limits{Tolerance: analysis.DefaultTolerance, Worse: analysis.DefaultWorse, Floor: analysis.DefaultFloor}
		windows, err := analysis.NewComparison(limits, analysis.DefaultChoice())
		if err != nil {
			return nil, err
		}
		f, err := analysis.NewFuseProcess(limits, analysis.Fuse{}, analysis.DefaultAlpha)
		return &evidence{comparison: windows, fuse: &f, tick: c.tick}, err
	}
	learned := func(c cell) (rule, error) {
		choice, err := analysis.ChooseAlone([]analysis.Stretch{c.past})
		if err != nil || choice.Method == analysis.MethodFractions {
			r, wrong := fused(c)
			return r, errors.Join(err, wrong)
		}
		return guarded(c, choice)
	}
	return []named{
		{"counts (A1), tolerance 1", ours(analysis.Choice{Method: analysis.MethodCounts}, 1)},
		{"counts (A1), tolerance 1.25", ours(analysis.Choice{Method: analysis.MethodCounts}, analysis.DefaultTolerance)},
		{"fractions of 30 s (A2), tolerance 1", ours(analysis.DefaultChoice(), 1)},
		{"fractions of 30 s (A2), tolerance 1.25", ours(analysis.DefaultChoice(), analysis.DefaultTolerance)},
		{"fractions and fuse (the default)", fused},
		{"by A/A: guarded counts, or the default", learned},
		{"Flagger-like, 5 fails, 99 %", minutes(func(cell) float64 { return 0.01 }, 5)},
		{"Flagger-like, 5 fails, 3x", minutes(tuned, 5)},
		{"Argo-like, limit 0, 3x", minutes(tuned, 1)},
		{"Argo-like, limit 3, 3x", minutes(tuned, 4)},
		{"Kayenta-like, every 10 min", func(c cell) (rule, error) { return &everyTenMinutes{tick: c.tick}, nil }},
	}
}

// guarded is the analysis where an A/A comparison showed independent failures.
func guarded(c cell, choice analysis.Choice) (rule, error) {
	limits := analysis.Limits{Tolerance: analysis.DefaultTolerance, Worse: analysis.DefaultWorse, Floor: analysis.DefaultFloor}
	bare, err := analysis.NewComparison(limits, choice)
	if err != nil {
		return nil, err
	}
	spec := analysis.Fuse{Part: 1, Cluster: choice.Guard, Independent: true}
	f, err := analysis.NewFuseProcess(limits, spec, analysis.DefaultAlpha)
	return &evidence{comparison: bare, fuse: &f, spec: spec, tick: c.tick}, err
}

// evidence is the analysis with the floor, and with the fuse where there is one.
type evidence struct {
	comparison analysis.Comparison
	fuse       *analysis.FuseProcess
	spec       analysis.Fuse
	tick       float64
}

func (e *evidence) look(_ int, l look) (bool, error) {
	interval := analysis.Interval{Seconds: e.tick, Counts: analysis.Counts{
		New: analysis.ArmCounts{Requests: l.newRequests, Failures: l.newFailures},
		Old: analysis.ArmCounts{Requests: l.oldRequests, Failures: l.oldFailures},
	}}
	next, err := e.comparison.Add(interval)
	if err != nil {
		return false, err
	}
	e.comparison = next
	logE := next.LogE()
	if e.fuse != nil {
		fuse, err := e.fuse.Add(interval)
		if err != nil {
			return false, err
		}
		e.fuse = &fuse
		logE = e.spec.Mix(logE, fuse.LogE())
	}
	return logE >= -math.Log(analysis.DefaultAlpha), nil
}

// everyMinute is a failure rate of the last minute above a limit, so many times
// in all: that of Flagger (interval 1 min, threshold 5) and of Argo Rollouts
// (interval 1 min, failureLimit 0 or 3).
type everyMinute struct {
	limit, tick      float64
	fails            int
	requests, failed float64
	count            int
}

func (e *everyMinute) look(i int, l look) (bool, error) {
	e.requests += l.newRequests
	e.failed += l.newFailures
	if (i+1)%int(60/e.tick) != 0 {
		return false, nil
	}
	if e.requests > 0 && e.failed/e.requests > e.limit {
		e.count++
	}
	e.requests, e.failed = 0, 0
	return e.count >= e.fails, nil
}

// everyTenMinutes is Kayenta's judge on the failure rates of all minutes so far.
type everyTenMinutes struct {
	canary, baseline []float64
	minute           look
	tick             float64
}

func (e *everyTenMinutes) look(i int, l look) (bool, error) {
	e.minute.newRequests += l.newRequests
	e.minute.newFailures += l.newFailures
	e.minute.oldRequests += l.oldRequests
	e.minute.oldFailures += l.oldFailures
	if (i+1)%int(60/e.tick) != 0 {
		return false, nil
	}
	e.canary = append(e.canary, e.minute.newFailures/e.minute.newRequests)
	e.baseline = append(e.baseline, e.minute.oldFailures/e.minute.oldRequests)
	e.minute = look{}
	if (i+1)%int(600/e.tick) != 0 {
		return false, nil
	}
	r := kayenta.Classify(e.baseline, e.canary, kayenta.Config{Direction: kayenta.Increase, AllowedIncrease: analysis.DefaultTolerance})
	return r.Label == kayenta.High, nil
}
