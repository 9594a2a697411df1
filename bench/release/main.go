// Command release measures the binary as people meet it: how long it takes to
// start, to tell the status of a journal with 100,000 entries, and how much
// memory a release takes, in its own process and in those beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

func main() {
	binary := flag.String("binary", "bin/ripcord", "the binary to measure")
	rounds := flag.Int("rounds", 40, "how often each command is started")
	flag.Parse()
	if err := measure(context.Background(), *binary, *rounds); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/release:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, binary string, rounds int) (err error) {
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ripcord-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	conditions := figure.Now(dir)
	version, err := start(ctx, "start of `ripcord version`", rounds, binary, "version")
	if err != nil {
		return err
	}
	state := filepath.Join(dir, "large")
	if err := large(ctx, state); err != nil {
		return err
	}
	status, err := start(ctx, "`ripcord status` with 100,000 entries", rounds, binary, "status", "--state-dir", state)
	if err != nil {
		return err
	}
	memory, err := memory(ctx, binary, dir)
	if err != nil {
		return err
	}
	return figure.Report(os.Stdout, conditions, append([]figure.Figure{version.Below(30), status.Below(100)}, memory...)...)
}

// start measures a command from its start to its end.
func start(ctx context.Context, name string, rounds int, binary string, args ...string) (figure.Figure, error) {
	var took, spent []float64
	for range rounds {
		cmd := exec.CommandContext(ctx, binary, args...)
		begin := time.Now()
		if output, err := cmd.CombinedOutput(); err != nil {
			return figure.Figure{}, fmt.Errorf("%s: %w\n%s", name, err, output)
		}
		took = append(took, millis(time.Since(begin)))
		spent = append(spent, millis(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()))
	}
	return figure.Of(name, "ms", took).With("%.1f ms of processor time", figure.Median(spent)), nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// large makes a journal of 1,000 runs in ten environments, 100 entries each.
func large(ctx context.Context, dir string) error {
	s, err := sqlite.Open(ctx, dir, sqlite.Options{Now: time.Now})
	if err != nil {
		return err
	}
	for i := range 1000 {
		if err := run(ctx, s, ripcord.RunID(fmt.Sprintf("r%04d", i)), strconv.Itoa(i%10)); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

func run(ctx context.Context, s *sqlite.Store, id ripcord.RunID, environment string) error {
	planned := ripcord.Entry{
		Version: ripcord.EntryVersion, Run: id, At: time.Now(), Kind: ripcord.RunPlanned,
		Plan: &ripcord.Plan{
			PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease,
			Application: "shop", Environment: environment, Version: "v1", Parallel: 1,
		},
	}
	lease, err := s.Begin(ctx, planned, ripcord.Executor{ID: "bench", Host: "here", PID: os.Getpid()}, time.Hour)
	if err != nil {
		return err
	}
	entries := make([]ripcord.Entry, 99)
	for i := range entries {
		entries[i] = ripcord.Entry{Run: id, Fence: lease.Fence, At: time.Now(), Kind: ripcord.StepProgress, Reason: "a line of some length, as they are"}
	}
	entries[97].Kind, entries[97].LastGood = ripcord.RunCommitted, id
	entries[98].Kind = ripcord.RunSucceeded
	return s.Append(ctx, entries...)
}
