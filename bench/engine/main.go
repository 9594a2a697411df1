// Command engine measures durable steps: the real decider and executor with the
// journal in SQLite, on steps that do nothing.
//
// Absolute numbers say more about the disk than about the engine. So the speed
// is a ratio to appending 8 KiB to a file and flushing it, measured before and
// after each round on the same disk: that of the temporary folder, which TMPDIR
// names. Intent and result of each step are durable, each in its turn; the time
// of a run is all of it, from its lock to its end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/nothing"
	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/engine/local"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

func main() {
	rounds := flag.Int("rounds", 15, "how often each measurement is repeated")
	profile := flag.String("profile", "", "write CPU profiles to files that begin with this path")
	flag.Parse()
	local.SpendMemory() // as every process does that carries out runs
	if err := measure(context.Background(), *rounds, *profile); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/engine:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, rounds int, profile string) (err error) {
	dir, err := os.MkdirTemp("", "ripcord-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	conditions := figure.Now(dir)
	var figures []figure.Figure
	for _, w := range []workload{
		{name: "durable steps, one run of 200", runs: 1, steps: 200, aim: 0.30},
		{name: "durable steps with a check, one run of 200", runs: 1, steps: 200, checked: true},
		{name: "durable steps, 200 runs of 5 at once", runs: 200, steps: 5, aim: 1.5},
	} {
		if profile != "" {
			file, err := os.Create(profile + "-" + w.file())
			if err != nil {
				return err
			}
			if err := pprof.StartCPUProfile(file); err != nil {
				return err
			}
		}
		f, err := w.measure(ctx, filepath.Join(dir, w.file()), rounds)
		pprof.StopCPUProfile()
		if err != nil {
			return err
		}
		figures = append(figures, f)
	}
	return figure.Report(os.Stdout, conditions, figures...)
}

type workload struct {
	name        string
	runs, steps int
	// checked: each step looks at its target first, so that its before-image is
	// not durable together with the result of the step before.
	checked bool
	// aim is a ratio; 0 is none.
	aim float64
}

// file is where the measurement lives, and what its profile is called after.
func (w workload) file() string {
	if w.checked {
		return strconv.Itoa(w.runs) + "-checked"
	}
	return strconv.Itoa(w.runs)
}

func (w workload) measure(ctx context.Context, dir string, rounds int) (figure.Figure, error) {
	s, err := sqlite.Open(ctx, dir, sqlite.Options{Now: time.Now})
	if err != nil {
		return figure.Figure{}, err
	}
	var ratios, rates, disk, spent []float64
	for round := range rounds + 1 { // the first one warms up
		before, rawErr := figure.Flushes(dir)
		cpu, start := processorTime(), time.Now()
		err := w.round(ctx, s, round)
		steps := float64(w.runs * w.steps)
		rate, cost := steps/time.Since(start).Seconds(), (processorTime()-cpu).Seconds()*1e6/steps
		after, afterErr := figure.Flushes(dir)
		if err := errors.Join(rawErr, err, afterErr); err != nil {
			return figure.Figure{}, errors.Join(err, s.Close())
		}
		if round > 0 {
			flushes := (before + after) / 2
			ratios, rates, disk, spent = append(ratios, rate/flushes), append(rates, rate), append(disk, flushes), append(spent, cost)
		}
	}
	f := figure.Of(w.name, "of raw fsync", ratios)
	if w.aim > 0 {
		f = f.AtLeast(w.aim)
	}
	return f.With("%.0f steps/s, %.0f raw flushes/s, %.0f µs of processor time a step", figure.Median(rates), figure.Median(disk), figure.Median(spent)), s.Close()
}

// processorTime is what this process has used so far: unlike the rate, it says
// the same on a busy machine.
func processorTime() time.Duration {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (w workload) round(ctx context.Context, s *sqlite.Store, round int) error {
	var group sync.WaitGroup
	errs := make([]error, w.runs)
	for i := range errs {
		group.Go(func() { errs[i] = w.release(ctx, s, ripcord.RunID(fmt.Sprintf("r%d-%d", round, i))) })
	}
	group.Wait()
	return errors.Join(errs...)
}

const ttl = 6 * time.Second

func (w workload) release(ctx context.Context, s *sqlite.Store, run ripcord.RunID) error {
	plan := w.plan(string(run))
	planned := ripcord.Entry{Version: ripcord.EntryVersion, Run: run, At: time.Now(), Kind: ripcord.RunPlanned, Plan: plan, Who: "bench"}
	lease, err := s.Begin(ctx, planned, ripcord.Executor{ID: "bench", Host: "here", PID: os.Getpid()}, ttl)
	if err != nil {
		return err
	}
	state, err := local.New(local.Options{
		Journal: s, Adapters: map[string]ripcord.Adapter{nothing.Kind: nothing.New()}, Scope: ripcord.Scope{Run: run, Now: time.Now},
		Runtime: local.System{Clock: time.Now}, StateID: s.StateID(), Lease: lease, Planned: &planned, TTL: ttl, LeaveOnHold: true,
	}).Run(ctx)
	if err == nil && state.State != ripcord.StateSucceeded {
		err = fmt.Errorf("run %s is %s", run, state.State)
	}
	return err
}

// plan has one environment to each run, and each step needs the one before it.
func (w workload) plan(environment string) *ripcord.Plan {
	p := &ripcord.Plan{
		PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease, Application: "shop", Environment: environment, Version: "v1",
		Parallel: 1, OnFailure: ripcord.FailurePolicy{Action: ripcord.FailRollback},
	}
	for i := range w.steps {
		spec := ripcord.StepSpec{
			ID: ripcord.StepID("step-" + strconv.Itoa(i)), Kind: "approve", Adapter: nothing.Kind, Settings: []byte("{}"),
			Traits: nothing.Step{}.Traits(), Retry: ripcord.Retry{Attempts: 1},
		}
		spec.Traits.Checkable = w.checked
		if i > 0 {
			spec.Needs = []ripcord.StepID{p.Steps[i-1].ID}
		}
		p.Steps = append(p.Steps, spec)
	}
	return p
}
