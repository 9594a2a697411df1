package keeper

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/procfs"
)

// playStopper stops an instance of a state directory.
func playStopper(dir, id string) int {
	s := NewSupervisor(SupervisorOptions{Dir: dir, Blobs: blobs(dir)})
	if err := s.Stop(context.Background(), id); err != nil {
		return 1
	}
	return 0
}

// TestTheStopperDies: what it began to stop is not started again, is still found
// by whoever comes next, and can be stopped, or started anew.
func TestTheStopperDies(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"stop", "start"} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			gate := filepath.Join(p.dir, "gate")
			p.start(script("a", `trap "" TERM; echo serving; while [ ! -e `+gate+` ]; do sleep 0.02; done`))
			p.waitFor("its trap", func() bool {
				lines, err := p.s.Tail(t.Context(), "a", 1)
				return err == nil && len(lines) == 1
			})
			first := p.status("a").PID
			p.stopHalf("a")
			if s := p.status("a"); !s.Running || s.PID != first {
				t.Errorf("half stopped: %+v", s)
			}
			k := &keeper{Options: Options{Dir: p.dir, Self: p.self, Blobs: blobs(p.dir), Now: time.Now}.withDefaults()}
			if work, err := k.watch(t.Context()); err != nil || work || k.busy > 0 {
				t.Errorf("the keeper sees work in it: %t, %v", work, err)
			}
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if next == "start" {
				p.start(script("a", serve))
				if s := p.status("a"); !s.Running || s.PID == first || s.Restarts != 0 {
					t.Errorf("started anew: %+v", s)
				}
				return
			}
			if err := p.s.Stop(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			if all, err := p.s.List(t.Context(), ""); err != nil || len(all) != 0 {
				t.Errorf("after the second stop %+v, %v", all, err)
			}
		})
	}
}

// stopHalf begins to stop an instance, and dies.
func (p *place) stopHalf(id string) {
	p.Helper()
	cmd := exec.Command(p.self, "__stop", p.dir, id)
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	dir := instanceDir(p.dir, id)
	p.waitFor("the beginning of the stop", func() bool {
		r, _, err := readRecord(dir)
		return err == nil && r.Stopping
	})
	stopper, err := procfs.Of(cmd.Process.Pid)
	if err != nil {
		p.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		p.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if procfs.System().Alive(stopper) {
		p.Fatal("the stopper lives")
	}
}
