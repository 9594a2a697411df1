package keeper

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
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

func TestAKeeperThatCannotBeginIsReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := Ensure(t.Context(), dir, "/bin/false")
	if err == nil || !strings.Contains(err.Error(), "the keeper ended at once") {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "say"), []byte("#!/bin/sh\necho no such option >&2; exit 2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Ensure(t.Context(), dir, filepath.Join(dir, "say")); err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Fatal(err)
	}
}

func TestWorkThatComesWhileTheKeeperResignsKeepsIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lock, err := takeLock(t.Context(), p.dir)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: p.dir, Self: p.self, Blobs: blobs(p.dir), Now: time.Now}.withDefaults()
	k := &keeper{Options: o, lock: lock, done: make(chan func())}
	if !k.resign(t.Context()) {
		t.Fatal("it stays without work")
	}
	if k.lock, err = takeLock(t.Context(), p.dir); err != nil {
		t.Fatal(err)
	}
	p.start(script("a", serve))
	if k.resign(t.Context()) {
		t.Fatal("it goes in spite of work")
	}
	if held, err := locked(p.dir); err != nil || !held {
		t.Fatalf("it has lost its lock: %v", err)
	}
	// It does so in the name of the test's own process, which Stop must not end.
	if err := k.lock.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestExecutorsThatDieAreStartedEverLater although each holds the run's lease
// while it lives, so that the run is no orphan then.
func TestExecutorsThatDieAreStartedEverLater(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	now := time.Now()
	orphan := true
	o := Options{Dir: p.dir, Self: p.self, Now: func() time.Time { return now }}.withDefaults()
	o.Orphans = func(context.Context) ([]ripcord.RunID, error) {
		if orphan {
			return []ripcord.RunID{"dies"}, nil
		}
		return nil, nil
	}
	k := &keeper{Options: o, runs: make(map[ripcord.RunID]*carried)}
	carry := func() {
		t.Helper()
		if _, err := k.carry(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, wait := range []time.Duration{0, backoffFirst, 2 * backoffFirst} {
		orphan = true
		carry() // the death is noticed
		if wait > 0 {
			now = now.Add(wait - time.Millisecond)
			carry()
			if pids := p.executed("dies"); len(pids) != i {
				t.Fatalf("before %v have passed there are executors %v", wait, pids)
			}
			now = now.Add(time.Millisecond)
			carry()
		}
		p.waitFor("the executor's death", func() bool {
			living, err := executors(p.dir, k.Proc)
			return err == nil && len(living) == 0 && len(p.executed("dies")) == i+1
		})
		orphan = false
		carry()
	}
}
