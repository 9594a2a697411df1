// Command journal measures the journal against the disk that it lies on.
//
// Absolute numbers say more about the disk than about the journal. So the speed
// of steps is a ratio to appending 8 KiB to a file and flushing it, in turns with
// it, on the same disk: that of the temporary folder, which TMPDIR names.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

const (
	// rounds is how often each measurement is repeated.
	rounds = 8
	// rawFlushes is how many flushes one turn of the raw measurement takes.
	rawFlushes = 400
)

func main() {
	if err := measure(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "ripcord-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := ratio(ctx, filepath.Join(dir, "one"), "one run of 200 steps", 0.30, oneRun); err != nil {
		return err
	}
	if err := ratio(ctx, filepath.Join(dir, "many"), "200 runs of 5 steps at once", 1.5, manyRuns); err != nil {
		return err
	}
	return status(ctx, filepath.Join(dir, "large"))
}

func open(ctx context.Context, dir string) (*sqlite.Store, error) {
	return sqlite.Open(ctx, dir, sqlite.Options{Now: time.Now})
}

// ratio takes turns between the disk and the journal, so that a slower minute of
// the machine weighs on both.
func ratio(ctx context.Context, dir, name string, aim float64, work func(context.Context, *sqlite.Store, int) (int, error)) error {
	s, err := open(ctx, dir)
	if err != nil {
		return err
	}
	var flushes, steps float64
	for round := range rounds {
		before, rawErr := raw(dir)
		start := time.Now()
		n, err := work(ctx, s, round)
		took := time.Since(start)
		after, afterErr := raw(dir)
		if err := errors.Join(rawErr, err, afterErr); err != nil {
			return errors.Join(err, s.Close())
		}
		steps += float64(n) / took.Seconds() / rounds
		flushes += (before + after) / 2 / rounds
	}
	_, _ = fmt.Fprintf(os.Stdout, "%-28s %7.0f steps/s, %6.0f raw flushes/s: ratio %.2f (aim %.2f)\n", name, steps, flushes, steps/flushes, aim)
	return s.Close()
}

// raw returns flushes per second of 8 KiB appended to a file.
func raw(dir string) (rate float64, err error) {
	file, err := os.CreateTemp(dir, "raw")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	block := make([]byte, 8<<10)
	start := time.Now()
	for range rawFlushes {
		_, err := file.Write(block)
		if err := errors.Join(err, file.Sync()); err != nil {
			return 0, err
		}
	}
	return rawFlushes / time.Since(start).Seconds(), nil
}

// begin plans a run in an environment of its own.
func begin(ctx context.Context, s *sqlite.Store, run ripcord.RunID, environment string) (ripcord.Lease, error) {
	planned := ripcord.Entry{
		Version: ripcord.EntryVersion, Run: run, At: time.Now(), Kind: ripcord.RunPlanned,
		Plan: &ripcord.Plan{
			PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease,
			Application: "shop", Environment: environment, Version: "v1", Parallel: 1,
		},
	}
	return s.Begin(ctx, planned, ripcord.Executor{ID: "bench", Host: "here", PID: os.Getpid()}, time.Hour)
}

// release carries out a run of steps that do nothing: intent and result of each
// step are durable before the next begins.
func release(ctx context.Context, s *sqlite.Store, run ripcord.RunID, steps int) error {
	lease, err := begin(ctx, s, run, string(run))
	if err != nil {
		return err
	}
	e := ripcord.Entry{Version: ripcord.EntryVersion, Run: run, Fence: lease.Fence, Attempt: 1}
	for i := range steps {
		e.Step = ripcord.StepID("step-" + strconv.Itoa(i))
		for _, kind := range []ripcord.EntryKind{ripcord.StepIntent, ripcord.StepApplied} {
			e.Kind, e.At = kind, time.Now()
			if err := s.Append(ctx, e); err != nil {
				return err
			}
		}
	}
	return s.Append(ctx, ripcord.Entry{Run: run, Fence: lease.Fence, At: time.Now(), Kind: ripcord.RunSucceeded})
}

func oneRun(ctx context.Context, s *sqlite.Store, round int) (steps int, err error) {
	return 200, release(ctx, s, ripcord.RunID(fmt.Sprintf("r%d", round)), 200)
}

func manyRuns(ctx context.Context, s *sqlite.Store, round int) (steps int, err error) {
	var group sync.WaitGroup
	errs := make([]error, 200)
	for i := range errs {
		group.Go(func() { errs[i] = release(ctx, s, ripcord.RunID(fmt.Sprintf("r%d-%d", round, i)), 5) })
	}
	group.Wait()
	return 5 * len(errs), errors.Join(errs...)
}

// status measures opening a journal with 100,000 entries in 1,000 runs, and
// listing all of them.
func status(ctx context.Context, dir string) error {
	if err := large(ctx, dir); err != nil {
		return err
	}
	var opening, listing time.Duration
	for range rounds {
		start := time.Now()
		s, err := open(ctx, dir)
		if err != nil {
			return err
		}
		opening += time.Since(start) / rounds
		_, unfinished := s.Runs(ctx, ripcord.Filter{Unfinished: true})
		_, all := s.Runs(ctx, ripcord.Filter{})
		listing += time.Since(start) / rounds
		if err := errors.Join(unfinished, all, s.Close()); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(os.Stdout, "%-28s open %.1f ms (aim < 20), open and list %.1f ms (aim < 100)\n", "status with 100,000 entries",
		float64(opening.Microseconds())/1000, float64(listing.Microseconds())/1000)
	return nil
}

func large(ctx context.Context, dir string) error {
	s, err := open(ctx, dir)
	if err != nil {
		return err
	}
	for i := range 1000 {
		run := ripcord.RunID(fmt.Sprintf("r%04d", i))
		lease, err := begin(ctx, s, run, strconv.Itoa(i%10))
		if err != nil {
			return errors.Join(err, s.Close())
		}
		batch := make([]ripcord.Entry, 99)
		for k := range batch {
			batch[k] = ripcord.Entry{Run: run, Fence: lease.Fence, At: time.Now(), Kind: ripcord.StepProgress, Reason: "a line of some length, as they are"}
		}
		batch[98].Kind = ripcord.RunSucceeded
		if err := s.Append(ctx, batch...); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}
