package proxy_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

func failureOf(t *testing.T, err error) *ripcord.Failure {
	t.Helper()
	failure, ok := errors.AsType[*ripcord.Failure](err)
	if !ok {
		t.Fatalf("%v (%T) is no failure", err, err)
	}
	return failure
}

func client(scope ripcord.Scope) *dataplane.Client {
	return dataplane.NewClient(proxy.Directory(scope.StateDir, scope.Application, scope.Environment, "front"))
}

// TestNothingShiftsBeforeAllAreReady: the failure names the target, what its
// last probe saw, and the traffic stays.
func TestNothingShiftsBeforeAllAreReady(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	apply(t, open(t, scope, spec(t, listen, "blue", nil, startTarget(t, "blue"))))
	well, ill := startTarget(t, "green"), startTarget(t, "green")
	ill.sick(true)
	step := open(t, scope, spec(t, listen, "green", map[string]any{"ready_timeout": 3}, well, ill))
	a := attempt(t, step)
	failure := failureOf(t, step.Apply(t.Context(), a))
	text := failure.Summary + "\n" + strings.Join(failure.Lines, "\n")
	for _, want := range []string{ill.addr(), "side green", "answered 500", "migrations are missing"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if failure.Class != ripcord.FailedHealth || strings.Contains(text, well.addr()) {
		t.Errorf("%s: %s", failure.Class, text)
	}
	if got := answer(listen); got != "blue" {
		t.Errorf("the traffic goes to %s", got)
	}
	if seen, err := step.Check(t.Context()); err != nil || seen.Presence != ripcord.Partial {
		t.Errorf("half-way: %s, %v", seen.Presence, err)
	}
}

// TestFinish: after it only the new side is left; before it the old one is.
func TestFinish(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	step := open(t, scope, spec(t, listen, "green", nil, green))
	a := apply(t, step)
	want := "answers: green; blue: [blue]; green: [green]"
	if got := world(t, scope, listen, blue, green); got != want {
		t.Errorf("applied: %s; want %s", got, want)
	}
	if err := step.Finish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	want = "answers: green; green: [green]"
	if got := world(t, scope, listen, blue, green); got != want {
		t.Errorf("finished: %s; want %s", got, want)
	}
}

// TestUndoWithoutOldSide: when the old side is dead, going back says so and the
// traffic stays where it is answered.
func TestUndoWithoutOldSide(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	step := open(t, scope, spec(t, listen, "green", nil, green))
	a := apply(t, step)
	blue.sick(true)
	waitFor(t, "blue fails", func() bool {
		status, err := client(scope).Status(t.Context())
		return err == nil && status.Side("blue").Targets[0].Readiness == "failed"
	})
	failure := failureOf(t, open(t, scope, spec(t, listen, "green", map[string]any{"ready_timeout": 0.3}, green)).Undo(t.Context(), a))
	if !strings.Contains(failure.Summary, "cannot go back to blue (1 target)") || failure.Class != ripcord.FailedHealth {
		t.Errorf("%s: %s", failure.Class, failure.Summary)
	}
	if got := answer(listen); got != "green" {
		t.Errorf("the traffic goes to %s", got)
	}
	blue.sick(false)
	if err := step.Undo(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := world(t, scope, listen, blue, green); got != "answers: blue; blue: [blue]" {
		t.Errorf("back: %s", got)
	}
}

// TestSomebodyElse: a route that changed since the Check is not overwritten.
func TestSomebodyElse(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	apply(t, open(t, scope, spec(t, listen, "blue", nil, startTarget(t, "blue"))))
	step := open(t, scope, spec(t, listen, "green", nil, startTarget(t, "green")))
	a := attempt(t, step)
	apply(t, open(t, scope, spec(t, listen, "red", nil, startTarget(t, "red"))))
	failure := failureOf(t, step.Apply(t.Context(), a))
	if !strings.Contains(failure.Summary, "somebody else changed the route") || failure.Class != ripcord.FailedTarget {
		t.Errorf("%s: %s", failure.Class, failure.Summary)
	}
	if got := answer(listen); got != "red" {
		t.Errorf("the traffic goes to %s", got)
	}
}

// TestSameColour: a side that has the route is not changed under its traffic,
// even when the new one has its colour.
func TestSameColour(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	first, second := startTarget(t, "first"), startTarget(t, "second")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, first)))
	step := open(t, scope, spec(t, listen, "blue", nil, second))
	a := apply(t, step)
	if got := world(t, scope, listen, first, second); got != "answers: second; blue: [first]; blue-next: [second]" {
		t.Errorf("applied: %s", got)
	}
	if err := step.Undo(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := world(t, scope, listen, first, second); got != "answers: first; blue: [first]" {
		t.Errorf("undone: %s", got)
	}
}

// TestAddressInUse: the failure says which address, and how to find who has it.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	listen := l.Addr().String()
	step := open(t, newScope(t), spec(t, listen, "blue", nil, startTarget(t, "blue")))
	a := attempt(t, step)
	failure := failureOf(t, step.Apply(t.Context(), a))
	for _, want := range []string{"cannot listen on " + listen, "ss -ltnp"} {
		if !strings.Contains(failure.Summary, want) {
			t.Errorf("%q is missing in %s", want, failure.Summary)
		}
	}
	if err := step.Undo(t.Context(), a); err != nil {
		t.Errorf("undo: %v", err)
	}
}

// TestAnotherStateDirectory: its proxy's stamp is seen, and it is not fought.
func TestAnotherStateDirectory(t *testing.T) {
	t.Parallel()
	theirs, ours, listen := newScope(t), newScope(t), port.Address(t)
	step := open(t, theirs, spec(t, listen, "blue", nil, startTarget(t, "theirs")))
	a := attempt(t, step)
	stamp := ripcord.Stamp{State: "theirs", Run: "run-1", Fence: 3}
	if err := step.SetStamp(t.Context(), stamp); err != nil { // before there is a proxy
		t.Fatal(err)
	}
	if err := step.Apply(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got, err := step.Stamp(t.Context()); err != nil || got == nil || *got != stamp {
		t.Errorf("their own: %+v, %v", got, err)
	}
	other := open(t, ours, spec(t, listen, "blue", nil, startTarget(t, "ours")))
	if got, err := other.Stamp(t.Context()); err != nil || got == nil || *got != stamp {
		t.Errorf("seen from elsewhere: %+v, %v", got, err)
	}
	if err := other.SetStamp(t.Context(), ripcord.Stamp{State: "ours"}); err == nil {
		t.Error("their proxy takes our stamp")
	}
	failure := failureOf(t, other.Apply(t.Context(), attempt(t, other)))
	if !failure.Final || !strings.Contains(failure.Summary, theirs.StateDir) {
		t.Errorf("%+v", failure)
	}
	if got := answer(listen); got != "theirs" {
		t.Errorf("the traffic goes to %s", got)
	}
}

// TestDeadProxy: its state is read from disk, Apply starts it again, and undo
// brings its route back.
func TestDeadProxy(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	id := proxy.InstanceID(scope.Application, scope.Environment, "front")
	if err := scope.Supervisor.Stop(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	same := open(t, scope, spec(t, listen, "blue", nil, blue))
	if seen, err := same.Check(t.Context()); err != nil || seen.Presence != ripcord.Partial {
		t.Errorf("the route of a dead proxy: %s (%s), %v", seen.Presence, seen.Detail, err)
	}
	step := open(t, scope, spec(t, listen, "green", nil, green))
	a := apply(t, step)
	if got := answer(listen); got != "green" {
		t.Errorf("the traffic goes to %s", got)
	}
	if err := step.Undo(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	after, err := step.Check(t.Context())
	if err != nil || after.Presence != a.Before.Presence || string(after.Image) != string(a.Before.Image) {
		t.Errorf("before %s %s\nafter  %s %s, %v", a.Before.Presence, a.Before.Image, after.Presence, after.Image, err)
	}
}

// TestListenMoves: a new address for the same balancer goes back, too.
func TestListenMoves(t *testing.T) {
	t.Parallel()
	scope, listen, moved := newScope(t), port.Address(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	step := open(t, scope, spec(t, moved, "green", nil, green))
	a := apply(t, step)
	if got := answer(moved) + " " + answer(listen); got != "green nobody" {
		t.Errorf("moved: %s", got)
	}
	if err := step.Undo(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := answer(moved) + " " + answer(listen); got != "nobody blue" {
		t.Errorf("back: %s", got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	explain := func(change map[string]any, colour string, targets ...*target) string {
		text, err := open(t, scope, spec(t, listen, colour, change, targets...)).Explain(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	later := map[string]any{"targets": "${steps.web.outputs.addresses}", "colour": "${steps.web.outputs.colour}"}
	if got, want := explain(later, ""), "a proxy starts on "+listen+"; its traffic goes to the new side"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	tests := map[string]string{
		explain(nil, "green", green):       "traffic on " + listen + " goes from blue (1 target) to green (1 target)",
		explain(nil, "green", blue, green): "traffic on " + listen + " goes from blue (1 target) to green (2 targets)",
		explain(nil, "green", blue):        "nothing: traffic on " + listen + " goes to blue (1 target) already",
		explain(later, ""):                 "traffic on " + listen + " goes from blue (1 target) to the new side",
	}
	for got, want := range tests {
		if got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]any{
		"no balancer":             {"balancer": ""},
		"strategy":                {"strategy": "rolling"},
		"weight is 101":           {"weight": 101},
		"weight is -1":            {"weight": -1},
		"name of a cookie":        {"affinity": map[string]any{"cookie": ""}},
		"testers need":            {"testers": map[string]any{}},
		"tls needs":               {"tls": map[string]any{"certificate": "x"}},
		"no targets":              {"targets": ""},
		"listen":                  {"listen": "8080"},
		"drain_timeout":           {"drain_timeout": -1},
		"side name":               {"colour": "a b"},
		"port":                    {"targets": "127.0.0.1:http"},
		"twice":                   {"targets": "127.0.0.1:1,127.0.0.1:1"},
		"must begin with /":       {"health": map[string]any{"http": "healthz"}},
		"health interval":         {"health": map[string]any{"interval": 0.001}},
		"replay_body":             {"limits": map[string]any{"replay_body": 1 << 30}},
		`unknown field "replay"`:  {"limits": map[string]any{"replay": 1}},
		`unknown field "strange"`: {"strange": 1},
	}
	for want, change := range tests {
		if _, named := change["targets"]; !named {
			change["targets"] = "127.0.0.1:1"
		}
		_, err := proxy.New().Open(t.Context(), spec(t, "127.0.0.1:1", "blue", change), adaptertest.NewScope(t))
		if err == nil || ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", change, err)
		}
	}
}

// TestSomebodyElseMeanwhile: a change while the new side gets ready is noticed.
func TestSomebodyElseMeanwhile(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	apply(t, open(t, scope, spec(t, listen, "blue", nil, startTarget(t, "blue"))))
	green := startTarget(t, "green")
	green.sick(true)
	step := open(t, scope, spec(t, listen, "green", nil, green))
	a := attempt(t, step)
	done := make(chan error, 1)
	go func() { done <- step.Apply(t.Context(), a) }()
	waitFor(t, "green is there", func() bool {
		status, err := client(scope).Status(t.Context())
		return err == nil && status.Side("green") != nil
	})
	if _, err := client(scope).PutSide(t.Context(), dataplane.Side{Name: "red", Targets: []string{green.addr()}}); err != nil {
		t.Fatal(err)
	}
	green.sick(false)
	if failure := failureOf(t, <-done); !strings.Contains(failure.Summary, "somebody else changed it") {
		t.Errorf("%s", failure.Summary)
	}
	if got := answer(listen); got != "blue" {
		t.Errorf("the traffic goes to %s", got)
	}
}
