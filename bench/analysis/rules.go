package main

import (
	"errors"
	"math"

	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/bench/peers"
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
		return func(c cell) (rule, error) {
			return peer{&peers.EveryMinute{Limit: rate(c), Fails: fails, Tick: c.tick}}, nil
		}
	}
	tuned := func(c cell) float64 { return peers.Tuned(c.base) }
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
		{"Kayenta-like, every 10 min", func(c cell) (rule, error) { return peer{&peers.EveryTenMinutes{Tick: c.tick}}, nil }},
	}
}

// peer looks with a peer's rule.
type peer struct{ rule peers.Rule }

func (p peer) look(i int, l look) (bool, error) {
	return p.rule.Look(i, peers.Look{
		NewRequests: l.newRequests, NewFailures: l.newFailures, OldRequests: l.oldRequests, OldFailures: l.oldFailures,
	})
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
