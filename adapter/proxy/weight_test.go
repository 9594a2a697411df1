package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// shares tells each side's part of the traffic, and the sides there are.
func shares(t *testing.T, scope ripcord.Scope) map[string]float64 {
	t.Helper()
	status, err := client(scope).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, side := range status.Sides {
		all[side.Name] = side.Share
	}
	return all
}

func wantShares(t *testing.T, scope ripcord.Scope, when string, want map[string]float64) {
	t.Helper()
	got := shares(t, scope)
	for name, share := range want {
		if got[name] != share {
			t.Errorf("%s: %v; want %v", when, got, want)
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %v; want %v", when, got, want)
	}
}

// stage is one shift step of a run, opened as the engine does.
type stage struct {
	step *proxy.Step
	a    ripcord.Attempt
}

// stages applies shift steps of growing weight, each in a step of its own.
func stages(t *testing.T, scope ripcord.Scope, listen string, green *target, weights ...any) []stage {
	t.Helper()
	var all []stage
	for _, weight := range weights {
		change := map[string]any{"strategy": "canary"}
		if weight != nil {
			change["weight"] = weight
		}
		step := open(t, scope, spec(t, listen, "green", change, green))
		before, err := step.Check(t.Context())
		if err != nil || before.Presence == ripcord.Present {
			t.Fatalf("before %v: %s, %v", weight, before.Presence, err)
		}
		if stamp, err := step.Stamp(t.Context()); err != nil || stamp != nil && stamp.State != "here" {
			t.Fatalf("before %v: the stamp is %+v, %v", weight, stamp, err)
		}
		a := adaptertest.NewJournal("run-1/shift", before).Attempt(1)
		if err := step.SetStamp(t.Context(), ripcord.Stamp{State: "here", Run: "run-1", Fence: 1}); err != nil {
			t.Fatal(err)
		}
		if err := step.Apply(t.Context(), a); err != nil {
			t.Fatalf("apply %v: %v", weight, err)
		}
		if after, err := step.Check(t.Context()); err != nil || after.Presence != ripcord.Present {
			t.Fatalf("after %v: %s, %v", weight, after.Presence, err)
		}
		all = append(all, stage{step, a})
	}
	return all
}

// undo undoes a stage with a step opened anew, as recover does, and wants the
// before-image back.
func undo(t *testing.T, scope ripcord.Scope, listen string, green *target, s stage, weight any) {
	t.Helper()
	step := open(t, scope, spec(t, listen, "green", map[string]any{"weight": weight}, green))
	if err := step.Undo(t.Context(), s.a); err != nil {
		t.Fatalf("undo %v: %v", weight, err)
	}
	after, err := step.Check(t.Context())
	if err != nil || after.Presence != s.a.Before.Presence || string(after.Image) != string(s.a.Before.Image) {
		t.Errorf("undo %v: before %s %s\nafter  %s %s, %v", weight, s.a.Before.Presence, s.a.Before.Image, after.Presence, after.Image, err)
	}
}

// TestStages: several steps of one run move a growing part, and each goes back
// to what it found, newest first.
func TestStages(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	all := stages(t, scope, listen, green, 0.1, 25.5, nil)
	wantShares(t, scope, "applied", map[string]float64{"blue": 0, "green": 100})
	// each may be applied again by a successor, or undone twice.
	if err := all[2].step.Apply(t.Context(), all[2].a); err != nil {
		t.Errorf("again: %v", err)
	}
	undo(t, scope, listen, green, all[2], 100)
	wantShares(t, scope, "100 % undone", map[string]float64{"blue": 74.5, "green": 25.5})
	undo(t, scope, listen, green, all[2], 100)
	undo(t, scope, listen, green, all[1], 25.5)
	wantShares(t, scope, "25.5 % undone", map[string]float64{"blue": 99.9, "green": 0.1})
	undo(t, scope, listen, green, all[0], 0.1)
	wantShares(t, scope, "all undone", map[string]float64{"blue": 100})
}

// TestStagesFinish: after the commit only the new side is left.
func TestStagesFinish(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	all := stages(t, scope, listen, green, 0, 50, 100)
	for _, s := range slices.Backward(all) {
		if err := s.step.Finish(t.Context(), s.a); err != nil {
			t.Fatal(err)
		}
	}
	wantShares(t, scope, "finished", map[string]float64{"green": 100})
}

// TestCountersSurviveStages: what a side counted in one stage is still there in
// the next one.
func TestCountersSurviveStages(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	counted := func() (uint64, string) {
		stats, err := client(scope).Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return stats.Sides["green"].Requests, stats.Sides["green"].Since.String()
	}
	var before uint64
	var since string
	for i, weight := range []any{50, 99.9, 100} {
		stages(t, scope, listen, green, weight)
		for range 40 {
			answer(listen)
		}
		requests, began := counted()
		if requests <= before || i > 0 && began != since {
			t.Errorf("at %v %%: %d requests since %s; before %d since %s", weight, requests, began, before, since)
		}
		before, since = requests, began
	}
}

// TestFirstReleaseByStages: with nobody else to serve the rest, the new side
// gets everything, and later stages find that.
func TestFirstReleaseByStages(t *testing.T) {
	t.Parallel()
	scope, listen, green := newScope(t), port.Address(t), startTarget(t, "green")
	stages(t, scope, listen, green, 5)
	wantShares(t, scope, "5 %", map[string]float64{"green": 100})
	next := open(t, scope, spec(t, listen, "green", map[string]any{"weight": 25}, green))
	if seen, err := next.Check(t.Context()); err != nil || seen.Presence != ripcord.Present {
		t.Errorf("25 %%: %s, %v", seen.Presence, err)
	}
}

// TestStageOfSomebodyElse: a part that was changed since the Check is not
// overwritten.
func TestStageOfSomebodyElse(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	stages(t, scope, listen, green, 5)
	step := open(t, scope, spec(t, listen, "green", map[string]any{"weight": 50}, green))
	a := attempt(t, step)
	stages(t, scope, listen, green, 10)
	failure := failureOf(t, step.Apply(t.Context(), a))
	if !strings.Contains(failure.Summary, "somebody else changed the route") || !strings.Contains(failure.Summary, "90 % blue (1 target), 10 % green (1 target)") {
		t.Errorf("%s", failure.Summary)
	}
	wantShares(t, scope, "refused", map[string]float64{"blue": 90, "green": 10})
}

// TestConformanceCanary: a second stage passes the suite like a whole shift.
func TestConformanceCanary(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope, listen := newScope(t), port.Address(t)
		blue, green := startTarget(t, "blue"), startTarget(t, "green")
		apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
		apply(t, open(t, scope, spec(t, listen, "green", map[string]any{"weight": 5}, green)))
		short := spec(t, listen, "green", map[string]any{"ready_timeout": 0.5, "weight": 50}, green)
		return adaptertest.Fixture{
			Adapter: proxy.New(), Scope: scope,
			Spec: spec(t, listen, "green", map[string]any{"weight": 50}, green),
			Fingerprint: func(t *testing.T) string {
				t.Helper()
				data, err := client(scope).Status(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return data.State.Route + " " + strings.TrimSpace(data.Sides[0].Name) + " " + data.State.Sides[len(data.State.Sides)-1].Name + " " + describeSplit(data.State.Split)
			},
			References: []string{"targets", "colour"},
			Breaks: []adaptertest.Break{{
				Name: "the new side is sick", Spec: &short,
				Break: func(t *testing.T) {
					t.Helper()
					green.sick(true)
					waitFor(t, "green is out", func() bool {
						s, err := client(scope).Status(t.Context())
						return err == nil && s.Side("green").Ready() == 0
					})
				},
				Mend: func(*testing.T) { green.sick(false) },
			}},
		}
	}})
}

func describeSplit(s *dataplane.Split) string {
	if s == nil {
		return "whole"
	}
	return fmt.Sprintf("%s %g", s.Side, s.Weight)
}
