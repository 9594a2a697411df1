// Command shim measures what it costs that a command survives its executor: the
// time of "true" under the shim against the same started plainly, in the same
// run, alternating, and the memory of a shim whose command runs.
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
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/procfs"
	"github.com/ripcord-dev/ripcord/shim"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "__shim" {
		os.Exit(shim.Main(os.Args[2], time.Now))
	}
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	rounds := flag.Int("rounds", 200, "commands of each kind")
	flag.StringVar(&self, "self", self, "the binary that plays the shim, for example bin/ripcord")
	dir := flag.String("dir", "", "folder for the commands' files, on the disk to measure (default: a temporary one)")
	flag.Parse()
	if err := measure(context.Background(), self, *dir, *rounds); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/shim:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, self, dir string, rounds int) error {
	root, err := os.MkdirTemp(dir, "shim")
	if err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	runner := shim.New(root, self, shim.Options{Now: time.Now})
	conditions := figure.Now(root)
	var plain, shimmed, overheads []float64
	for i := range rounds {
		begin := time.Now()
		if err := exec.CommandContext(ctx, "/bin/true").Run(); err != nil {
			return fmt.Errorf("plain: %w", err)
		}
		middle := time.Now()
		if _, err := runner.Run(ctx, command(strconv.Itoa(i), "/bin/true")); err != nil {
			return fmt.Errorf("under the shim: %w", err)
		}
		p, s := millis(middle.Sub(begin)), millis(time.Since(middle))
		plain, shimmed, overheads = append(plain, p), append(shimmed, s), append(overheads, s-p)
	}
	resident, private, err := memory(ctx, runner)
	if err != nil {
		return err
	}
	return figure.Report(os.Stdout, conditions,
		figure.Of("what the shim adds to a command", "ms", overheads).
			With("`true` takes %.1f ms, under the shim %.1f ms; the shim has %.1f MiB resident, %.1f MiB of it its own",
				figure.Median(plain), figure.Median(shimmed), mebi(resident), mebi(private)))
}

func command(key string, args ...string) ripcord.Command {
	return ripcord.Command{Key: key, Args: args, Dir: "/", Grace: time.Second}
}

// memory returns the resident and the written (unshared) memory, in bytes, of a shim whose
// command sleeps.
func memory(ctx context.Context, runner *shim.Runner) (resident, private int64, err error) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		_, err := runner.Run(ctx, command("memory", "/bin/sleep", "600"))
		done <- err
	}()
	defer func() {
		stop()
		if ended := <-done; err == nil {
			err = ended
		}
	}()
	folder := filepath.Dir(runner.OutputPath("memory"))
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		state, err := shim.Look(folder, procfs.System())
		if err == nil && state.Running {
			return rollup(state.Shim.PID)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0, 0, errors.New("the command did not start within 10 s")
}

func rollup(pid int) (resident, private int64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("memory of the shim: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		size, err := strconv.ParseInt(fields[1], 10, 64)
		switch {
		case err != nil:
		case fields[0] == "Rss:":
			resident = size << 10
		case fields[0] == "Private_Dirty:":
			private += size << 10
		}
	}
	return resident, private, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mebi(n int64) float64 { return float64(n) / (1 << 20) }
