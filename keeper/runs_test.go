package keeper

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func (p *place) unfinished(run string) {
	p.Helper()
	dir := filepath.Join(p.dir, "unfinished")
	_ = os.MkdirAll(dir, 0o700)
	if err := os.WriteFile(filepath.Join(dir, run), nil, 0o600); err != nil {
		p.Fatal(err)
	}
}

func (p *place) executed(run string) (pids []string) {
	text, _ := os.ReadFile(filepath.Join(p.dir, "executed"))
	for line := range strings.Lines(string(text)) {
		if name, pid, _ := strings.Cut(strings.TrimSpace(line), " "); name == run {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestRunsAreCarriedOnOnceOverTheKeepersDeath(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.unfinished("run-1")
	p.unfinished("dies")
	first := p.ensure()
	p.waitFor("executors", func() bool { return len(p.executed("run-1")) == 1 && len(p.executed("dies")) >= 1 })
	p.kill(first)
	p.ensure()
	p.waitFor("the failing run's next executors", func() bool { return len(p.executed("dies")) >= 4 })
	if pids := p.executed("run-1"); len(pids) != 1 {
		t.Fatalf("executors of run-1: %v", pids)
	}
	if info, err := Status(p.dir); err != nil || !slices.Contains(info.Runs, "run-1") {
		t.Fatalf("%+v %v", info, err)
	}
	_ = os.WriteFile(filepath.Join(p.dir, "gate"), nil, 0o600)
	p.waitFor("the run's end", func() bool {
		info, err := Status(p.dir)
		return err == nil && !slices.Contains(info.Runs, "run-1")
	})
}
