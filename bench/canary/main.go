// Command canary releases real bad versions of the example shop with the real binary
// as canaries behind the built-in proxy, under a real load, and tells what Ripcord
// decided, after how many seconds and how many harmed requests. Rules like those of
// Flagger and Argo Rollouts are fed, each second, with what the proxy counted in the
// same run: so that they see the same to the end, Ripcord's roll-back is held
// (on_failure) until all have decided or the time is up, and then asked for.
//
// What was not caught is in the table as well.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord/bench/figure"
)

// settings are what is measured, and for how long.
type settings struct {
	// window is how long each canary may stay, measure for how long the old version
	// is watched before it where a scenario asks for that.
	window, measure time.Duration
	lanes           int
	rate            float64
	only            string
	short           bool
	keep            string
}

func main() {
	var set settings
	flag.DurationVar(&set.window, "for", 7*time.Minute, "how long each canary may stay")
	flag.DurationVar(&set.measure, "measure", 16*time.Minute, "for how long the old version is watched, where that is asked for")
	flag.IntVar(&set.lanes, "lanes", 4, "how many scenarios run beside one another")
	flag.Float64Var(&set.rate, "rate", 200, "requests a second")
	flag.StringVar(&set.only, "only", "", "run only scenarios whose name contains this")
	flag.BoolVar(&set.short, "short", false, "two minutes each and no watching before: shows that it works, not who is right")
	flag.StringVar(&set.keep, "keep", "", "folder for the counts of each second, as CSV")
	flag.Parse()
	if set.short {
		set.window = 2 * time.Minute
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, os.Stdout, set); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/canary:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, to io.Writer, set settings) error {
	dir, err := os.MkdirTemp("", "ripcord-bench-canary-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	conditions := figure.Now(dir)
	binary := filepath.Join(dir, "ripcord")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/ripcord").CombinedOutput(); err != nil {
		return fmt.Errorf("building ripcord: %w\n%s", err, out)
	}
	var chosen []scenario
	for _, s := range scenarios() {
		if strings.Contains(s.name, set.only) && (!set.short || !s.measured) {
			chosen = append(chosen, s)
		}
	}
	results, err := runAll(ctx, set, dir, binary, chosen)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(to, table(results)); err != nil {
		return err
	}
	return figure.Report(to, conditions, figures(results)...)
}

// runAll runs the scenarios, so many at once as there are lanes.
func runAll(ctx context.Context, set settings, dir, binary string, chosen []scenario) ([]result, error) {
	results, failures := make([]result, len(chosen)), make([]error, len(chosen))
	var group sync.WaitGroup
	slots := make(chan struct{}, set.lanes)
	for i, s := range chosen {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			p := &playground{set: set, scenario: s, dir: filepath.Join(dir, strconv.Itoa(i)), binary: binary}
			results[i], failures[i] = p.run(ctx)
			if failures[i] != nil {
				failures[i] = fmt.Errorf("%s: %w", s.name, failures[i])
			}
			_, _ = fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, results[i].ours)
		})
	}
	group.Wait()
	return results, errors.Join(failures...)
}
