package proxy_test

import (
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
)

// killProxy kills the proxy as nobody expects it.
func killProxy(t *testing.T, scope ripcord.Scope) {
	t.Helper()
	if err := syscall.Kill(proxies(t, scope)[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestKilledProxy: a proxy that was killed is started again by whatever comes
// next: the next stage, the stage's way back before its Apply has done anything,
// and after it. How it ended before says nothing about how it starts.
func TestKilledProxy(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	stages(t, scope, listen, green, 50)

	for name, strike := range map[string]func(step ripcord.Step, a ripcord.Attempt) error{
		"before Apply": func(step ripcord.Step, a ripcord.Attempt) error {
			killProxy(t, scope)
			return step.Apply(t.Context(), a)
		},
		"before an Undo without Apply": func(ripcord.Step, ripcord.Attempt) error {
			killProxy(t, scope)
			return nil
		},
		"before Undo": func(step ripcord.Step, a ripcord.Attempt) error {
			err := step.Apply(t.Context(), a)
			killProxy(t, scope)
			return err
		},
		"before Check": func(ripcord.Step, ripcord.Attempt) error { return nil },
	} {
		step := open(t, scope, spec(t, listen, "green", nil, green))
		if name == "before Check" {
			killProxy(t, scope)
			waitFor(t, "the proxy's end", func() bool { return !proxies(t, scope)[0].Running })
		}
		a := attempt(t, step)
		if err := strike(step, a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := step.Undo(t.Context(), a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after, err := step.Check(t.Context())
		if err != nil || after.Presence != a.Before.Presence || string(after.Image) != string(a.Before.Image) {
			t.Errorf("%s: before %s %s\nafter  %s %s, %v", name, a.Before.Presence, a.Before.Image, after.Presence, after.Image, err)
		}
		if got := answer(listen); got != "blue" && got != "green" {
			t.Errorf("%s: %s answers", name, got)
		}
	}
}
