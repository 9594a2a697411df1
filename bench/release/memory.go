package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord/bench/figure"
)

// plan prints some lines and takes long enough to be looked at.
const plan = `application: bench
release:
  - run: {command: "seq 100000; sleep 0.5", undo: "true"}
    name: first
  - run: {command: "seq 100000; sleep 0.5", undo: "true"}
    name: second
`

// roles are the processes beside the release itself, by their first argument.
var roles = []string{"__shim", "__keeper", "__proxy"}

// memory releases and watches the peaks of all processes of the state directory.
func memory(ctx context.Context, binary, dir string) (figures []figure.Figure, err error) {
	state := filepath.Join(dir, "state")
	if err := os.WriteFile(filepath.Join(dir, "ripcord.yaml"), []byte(plan), 0o600); err != nil {
		return nil, err
	}
	defer func() {
		stop := exec.CommandContext(ctx, binary, "keeper", "stop", "--state-dir", state)
		if output, stopped := stop.CombinedOutput(); stopped != nil && err == nil {
			err = fmt.Errorf("stopping the keeper: %w\n%s", stopped, output)
		}
	}()
	peaks := map[string][]float64{}
	for round := range 5 {
		seen, err := release(ctx, binary, dir, state, round)
		if err != nil {
			return nil, err
		}
		for role, peak := range seen {
			peaks[role] = append(peaks[role], peak)
		}
	}
	figures = append(figures, figure.Of("peak memory of a release", "MiB", peaks[""]).Below(60).With("the process of `ripcord release`, two steps with 100,000 lines each"))
	for _, role := range roles {
		if len(peaks[role]) > 0 {
			figures = append(figures, figure.Of("memory of a "+strings.TrimPrefix(role, "__")+" beside it", "MiB", peaks[role]).With("peak of one process"))
		}
	}
	return figures, nil
}

// release releases once and returns the peak of each role in MiB.
func release(ctx context.Context, binary, dir, state string, round int) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, binary, "release", "--version", "v"+strconv.Itoa(round), "--state-dir", state, "--yes", "--quiet")
	var output bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	seen := map[string]float64{}
	for {
		select {
		case err := <-done:
			if err != nil {
				err = fmt.Errorf("the release: %w\n%s", err, output.Bytes())
			}
			return seen, err
		case <-time.After(10 * time.Millisecond):
			seen[""] = max(seen[""], peak(cmd.Process.Pid))
			beside(state, seen)
		}
	}
}

// beside looks at the processes that have the state directory in their arguments.
func beside(state string, seen map[string]float64) {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range processes {
		line, err := os.ReadFile(filepath.Join(path, "cmdline"))
		if err != nil || !bytes.Contains(line, []byte(state)) {
			continue
		}
		for _, role := range roles {
			if bytes.Contains(line, []byte("\x00"+role+"\x00")) {
				pid, _ := strconv.Atoi(filepath.Base(path))
				seen[role] = max(seen[role], peak(pid))
			}
		}
	}
}

// peak is the most that a process ever had resident, in MiB; unlike what wait(2)
// tells, it knows nothing of the parent's memory.
func peak(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if size, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kibi, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(size), " kB"))
			return float64(kibi) / 1024
		}
	}
	return 0
}
