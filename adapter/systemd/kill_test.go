package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/systemd"
)

// errDead is what everything says to a step whose executor is dead.
var errDead = errors.New("the executor is dead")

// mortal is this machine for an executor that dies at one of the touches that
// change it, before the touch or after it; 0 is never.
type mortal struct {
	ripcord.Machine
	at    int
	after bool

	mu    sync.Mutex
	count int
}

// machines gives it to a step.
type machines struct{ *mortal }

// Machine returns it.
func (m machines) Machine(context.Context, string) (ripcord.Machine, error) { return m.mortal, nil }

func (m *mortal) touch(effect func() error) error {
	m.mu.Lock()
	m.count++
	now := m.count
	m.mu.Unlock()
	if m.at > 0 && (now > m.at || now == m.at && !m.after) {
		return errDead
	}
	err := effect()
	if now == m.at {
		return errDead
	}
	return err
}

// Run touches unless it only reads.
func (m *mortal) Run(ctx context.Context, c ripcord.MachineCommand) (exit ripcord.Exit, err error) {
	if c.Args[0] == "find" || c.Args[0] == "journalctl" || c.Args[0] == "systemctl" && c.Args[1] == "show" {
		return m.Machine.Run(ctx, c)
	}
	err = m.touch(func() error {
		var failed error
		exit, failed = m.Machine.Run(ctx, c)
		return failed
	})
	return exit, err
}

func (m *mortal) WriteFile(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	return m.touch(func() error { return m.Machine.WriteFile(ctx, path, data, mode) })
}

func (m *mortal) Remove(ctx context.Context, path string) error {
	return m.touch(func() error { return m.Machine.Remove(ctx, path) })
}

// TestKilledAnywhere kills the executor before and after each touch of an Apply,
// and of an Undo; the next one completes it, or brings everything back.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	one := with(t, map[string]any{"instances": 1})
	count := &mortal{Machine: systemd.Local()}
	killed(t, one, count, false)
	if count.count < 5 {
		t.Fatalf("an Apply touches the machine %d times", count.count)
	}
	for at := 1; at <= count.count; at++ {
		after, undo := at%2 == 0, at/2%2 == 0 // each touch in one manner, neighbours in others
		t.Run(fmt.Sprintf("touch %d, after it %t, then undo %t", at, after, undo), func(t *testing.T) {
			t.Parallel()
			killed(t, one, &mortal{Machine: systemd.Local(), at: at, after: after}, undo)
		})
	}
}

// killed applies with a mortal machine, and then as another executor.
func killed(t *testing.T, settings string, m *mortal, undo bool) {
	t.Helper()
	scope := newScope(t)
	before := fingerprint(t, scope.Application)
	journal := journalOf(t, scope, open(t, scope, settings))
	dying := scope
	dying.Machines = machines{m}
	if err := open(t, dying, settings).Apply(t.Context(), journal.Attempt(1)); m.at > 0 && err == nil {
		t.Fatal("the executor lives")
	}
	if !undo {
		step := open(t, scope, settings)
		if err := step.Apply(t.Context(), journal.Attempt(2)); err != nil {
			t.Fatalf("Apply again: %v", err)
		}
		if seen, err := step.Check(t.Context()); err != nil || seen.Presence != ripcord.Present {
			t.Fatalf("after Apply again it is %s: %s, %v", seen.Presence, seen.Detail, err)
		}
	}
	// The way back is interrupted as well.
	dying.Machines = machines{&mortal{Machine: systemd.Local(), at: max(1, m.at/2), after: m.after}}
	_ = open(t, dying, settings).Undo(t.Context(), journal.Attempt(1))
	if err := open(t, scope, settings).Undo(t.Context(), journal.Attempt(2)); err != nil {
		t.Fatalf("Undo: %v", err)
	}
	if now := fingerprint(t, scope.Application); now != before {
		t.Errorf("before\n%s\nafter\n%s", before, now)
	}
	if seen, err := open(t, scope, settings).Check(t.Context()); err != nil || string(seen.Image) != string(journal.Before.Image) {
		t.Errorf("the image is %s, %v; it was %s", seen.Image, err, journal.Before.Image)
	}
}
