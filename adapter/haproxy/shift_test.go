package haproxy_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
)

func keeps(b *balancer) map[string]any {
	return map[string]any{"config": b.config, "validate": []string{haproxyPath(), "-c", "-f", "%s"}}
}

// with adds settings to those that keep the configuration.
func with(b *balancer, key string, value any) map[string]any {
	change := keeps(b)
	change[key] = value
	return change
}

// TestStages: 5 %, 25 %, 100 %, each step of the same run; undone newest first,
// each leaves exactly what it found, in HAProxy and in its file.
func TestStages(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := []*target{startTarget(t, "blue"), startTarget(t, "blue")}, []*target{startTarget(t, "green"), startTarget(t, "green")}
	b := startBalancer(t, marked(lines("blue", blue...)))
	all := append(blue, green...)
	var journals []*adaptertest.Journal
	var steps []ripcord.Step
	var worlds []string
	world := func() string { return b.servers(t, all...) + "\n" + named(b.read(t), all...) }
	// HAProxy counts in rounds of 16 times all weights: 19+19+1+1, then 3+3+1+1.
	round := []int{640, 128, 100}
	wantGreen := []int{32, 32, 100}
	for n, weight := range []float64{5, 25, 100} {
		step := open(t, scope, spec(t, b, "green", with(b, "weight", weight), green...))
		worlds = append(worlds, world())
		steps = append(steps, step)
		journals = append(journals, apply(t, step))
		b.answers(t, round[n])
		if got := b.answers(t, round[n]); got["green"] != wantGreen[n] || got["blue"] != round[n]-wantGreen[n] {
			t.Errorf("at %v %%: %v\n%s", weight, got, journals[n].Output())
		}
	}
	b.restart(t)
	if got := b.answers(t, 100); got["green"] != 100 {
		t.Errorf("after a restart from the file: %v", got)
	}
	for n, step := range slices.Backward(steps) {
		undo(t, step, journals[n])
		if now := world(); now != worlds[n] {
			t.Errorf("undo of step %d:\nwas\n%s\nis\n%s", n, worlds[n], now)
		}
	}
	if got := b.answers(t, 20); got["blue"] != 20 {
		t.Errorf("after all undos: %v", got)
	}
}

// TestReleases goes from colour to colour several times with Finish in between:
// nothing of older colours stays.
func TestReleases(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	app := startTarget(t, "app")
	b := startBalancer(t, marked("  server app1 "+app.addr()+" check inter 20ms fall 50\n"))
	for n, colour := range []string{"blue", "green", "blue", "green"} {
		to := []*target{startTarget(t, colour), startTarget(t, colour)}
		var canary *adaptertest.Journal
		first := open(t, scope, spec(t, b, colour, with(b, "weight", 20), to...))
		canary = apply(t, first)
		step := open(t, scope, spec(t, b, colour, keeps(b), to...))
		journal := apply(t, step)
		for range 2 {
			if err := step.Finish(t.Context(), journal.Attempt(1)); err != nil {
				t.Fatalf("finish: %v", err)
			}
			if err := first.Finish(t.Context(), canary.Attempt(1)); err != nil {
				t.Fatalf("finish of the canary: %v", err)
			}
		}
		if got := b.answers(t, 20); got[colour] != 20 {
			t.Fatalf("release %d: %v", n, got)
		}
		want := "app1 at-app weight 0 admin 1\n" + colour + "1 at-1 weight 100 admin 0\n" + colour + "2 at-2 weight 100 admin 0"
		to[0].name, to[1].name = "1", "2"
		if to[0].addr() > to[1].addr() {
			to[0].name, to[1].name = "2", "1"
		}
		if got := b.servers(t, to[0], to[1], app); got != want {
			t.Errorf("release %d:\n%s", n, got)
		}
		b.restart(t)
		if now, err := step.Check(t.Context()); err != nil || now.Presence != ripcord.Present {
			t.Errorf("after a restart: %+v, %v", now, err)
		}
	}
	if text := b.read(t); strings.Contains(text, "blue") || strings.Count(text, "server green") != 2 || !strings.Contains(text, "weight 0 disabled") {
		t.Errorf("the file reads now:\n%s", text)
	}
}

// TestRestartInTheMiddle: HAProxy forgets the new servers while they are waited
// for, and keeps no file; the step tells it again. Undo does the same.
func TestRestartInTheMiddle(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, lines("app", blue))
	green.ill.Store(true)
	step := open(t, scope, spec(t, b, "green", map[string]any{"weight": 50}, green))
	journal := begin(t, step)
	ended := make(chan error, 1)
	go func() { ended <- step.Apply(context.Background(), journal.Attempt(1)) }()
	waitFor(t, "the new server is asked", func() bool { return green.asked.Load() > 0 && strings.Contains(b.servers(t), "green1") })
	b.restart(t)
	green.ill.Store(false)
	if err := <-ended; err != nil {
		t.Fatalf("apply: %v\n%s", err, journal.Output())
	}
	b.answers(t, 32) // a round, at whose end the new server joins
	if got := b.answers(t, 32); got["green"] != 16 {
		t.Errorf("%v", got)
	}
	b.restart(t)
	// An executor that is started again completes the effect.
	if err := open(t, scope, spec(t, b, "green", map[string]any{"weight": 50}, green)).Apply(t.Context(), journal.Attempt(2)); err != nil {
		t.Fatalf("apply again: %v", err)
	}
	b.answers(t, 32)
	if got := b.answers(t, 32); got["green"] != 16 {
		t.Errorf("after the second: %v", got)
	}
	b.restart(t)
	undo(t, step, journal)
	if got := b.answers(t, 10); got["blue"] != 10 {
		t.Errorf("after undo: %v", got)
	}
}

// TestUndoAfterRestart: the old servers were made at run time and are forgotten,
// with nothing kept: the way back makes them again.
func TestUndoAfterRestart(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, "")
	apply(t, open(t, scope, spec(t, b, "blue", nil, blue)))
	step := open(t, scope, spec(t, b, "green", nil, green))
	journal := apply(t, step)
	b.restart(t)
	undo(t, step, journal)
	if got := b.answers(t, 10); got["blue"] != 10 {
		t.Errorf("%v", got)
	}
}

// TestStaleMark: a slot that was marked up long ago goes to a new instance that
// is ill: nothing moves, although HAProxy remembers good checks.
func TestStaleMark(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green, next := startTarget(t, "blue"), startTarget(t, "green"), startTarget(t, "green")
	b := startBalancer(t, lines("blue", blue)+"  server green1 "+green.addr()+" check inter 5s fastinter 50ms weight 0\n")
	waitFor(t, "the slot is checked", func() bool { return green.asked.Load() > 0 })
	b.ask(t, "set server shop/green1 state maint")
	next.ill.Store(true)
	step := open(t, scope, spec(t, b, "green", map[string]any{"ready_timeout": 3}, next))
	journal := begin(t, step)
	err := step.Apply(t.Context(), journal.Attempt(1))
	failure, ok := errors.AsType[*ripcord.Failure](err)
	if !ok || failure.Class != ripcord.FailedHealth || !strings.Contains(failure.Summary, "status 500") {
		t.Errorf("%v", err)
	}
	if got := b.answers(t, 10); got["blue"] != 10 {
		t.Errorf("%v", got)
	}
	undo(t, step, journal)
	// Our probe alone is not believed either.
	step = open(t, scope, spec(t, b, "green", map[string]any{"ready_timeout": 4, "health": map[string]any{"interval": 0.02}}, next))
	journal = begin(t, step)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err == nil || !strings.Contains(err.Error(), "HAProxy marks it DOWN") {
		t.Errorf("%v", err)
	}
	undo(t, step, journal)
}

// TestOthers: what somebody else changes in between is neither overwritten nor
// built upon.
func TestOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		command  string // to the socket
		old, now string // in the file
		want     string
	}{
		"a weight":      {"set server shop/blue1 weight 33", "", "", "server blue1 had weight 100 and has 33"},
		"a drain":       {"set server shop/blue1 state drain", "", "", "server blue1 was in state ready and is in drain"},
		"a deletion":    {"set server shop/blue1 state maint; del server shop/blue1", "", "", "server blue1 is gone"},
		"a new server":  {"add server shop/x 127.0.0.1:9; set server shop/x state ready", "", "", "server x is new and has traffic"},
		"a line":        {"", "weight 100", "weight 99", "somebody else changed Ripcord's lines of backend shop in "},
		"a broken file": {"", "mode http", "mode nonsense", "HAProxy finds the configuration with Ripcord's lines invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := adaptertest.NewScope(t)
			blue, green := startTarget(t, "blue"), startTarget(t, "green")
			b := startBalancer(t, marked(lines("blue", blue)))
			step := open(t, scope, spec(t, b, "green", keeps(b), green))
			journal := begin(t, step)
			if test.command != "" {
				b.ask(t, test.command)
			} else {
				b.write(t, strings.Replace(b.read(t), test.old, test.now, 1))
			}
			servers, file := b.servers(t), b.read(t)
			err := step.Apply(t.Context(), journal.Attempt(1))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("apply: %v", err)
			}
			if b.read(t) != file {
				t.Errorf("the file was changed:\n%s", b.read(t))
			}
			if now := b.servers(t); now != servers {
				t.Errorf("the servers were changed:\n%s\n%s", servers, now)
			}
		})
	}
}

// TestUndoLeavesOthersFile: somebody edits our lines after the shift: traffic
// goes back, and the file is left alone with plain words.
func TestUndoLeavesOthersFile(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, marked(lines("blue", blue)))
	step := open(t, scope, spec(t, b, "green", keeps(b), green))
	journal := apply(t, step)
	edited := strings.Replace(b.read(t), "rise 2", "rise 3", 1)
	b.write(t, edited)
	err := step.Undo(t.Context(), journal.Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "somebody else changed Ripcord's lines") {
		t.Errorf("undo: %v", err)
	}
	if got := b.answers(t, 10); got["blue"] != 10 || b.read(t) != edited {
		t.Errorf("%v", got)
	}
}

// TestUndoWithoutFile: the way back does not depend on a file that is gone.
func TestUndoWithoutFile(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, marked(lines("blue", blue)))
	step := open(t, scope, spec(t, b, "green", keeps(b), green))
	before := b.servers(t)
	journal := apply(t, step)
	if err := os.Remove(b.config); err != nil {
		t.Fatal(err)
	}
	if err := step.Undo(t.Context(), journal.Attempt(1)); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("undo: %v", err)
	}
	if got := b.answers(t, 10); got["blue"] != 10 || b.servers(t) != before {
		t.Errorf("%v\n%s", got, b.servers(t))
	}
}

// TestDrain: a slow request on the old side ends before its server is removed.
func TestDrain(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, "")
	apply(t, open(t, scope, spec(t, b, "blue", nil, blue)))
	status := make(chan int, 1)
	go func() {
		response, err := http.Get("http://" + b.listen + "/slow")
		if err != nil {
			status <- 0
			return
		}
		_ = response.Body.Close()
		status <- response.StatusCode
	}()
	waitFor(t, "the slow request is there", func() bool {
		return strings.Contains(b.ask(t, "show servers conn shop"), "blue1") && busy(t, b, "blue1")
	})
	step := open(t, scope, spec(t, b, "green", map[string]any{"drain_timeout": 60}, green))
	journal := apply(t, step)
	ended := make(chan error, 1)
	go func() { ended <- step.Finish(context.Background(), journal.Attempt(1)) }()
	if got := b.answers(t, 10); got["green"] != 10 || !busy(t, b, "blue1") {
		t.Errorf("%v", got)
	}
	close(blue.hold)
	if err := <-ended; err != nil {
		t.Fatalf("finish: %v", err)
	}
	if got := <-status; got != http.StatusOK {
		t.Errorf("the slow request got %d", got)
	}
	if now := b.servers(t); strings.Contains(now, "blue") {
		t.Errorf("%s", now)
	}
}

// TestDrainEnds: what does not end in time is cut, and said.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, lines("app", blue))
	step := open(t, scope, spec(t, b, "green", map[string]any{"drain_timeout": 0.1}, green))
	journal := apply(t, step)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.listen+"/slow", http.NoBody)
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}()
	waitFor(t, "the slow request is there", func() bool { return busy(t, b, "green1") })
	undo(t, step, journal)
	if out := journal.Output(); !strings.Contains(out, "server green1: 1 sessions were cut") {
		t.Errorf("%s", out)
	}
}

// busy reports whether a server has a session now.
func busy(t *testing.T, b *balancer, name string) bool {
	t.Helper()
	for line := range strings.Lines(b.ask(t, "show stat shop 4 -1")) {
		if f := strings.Split(line, ","); len(f) > 5 && f[1] == name {
			return f[4] != "0"
		}
	}
	return false
}

// TestSticky: visitors that a cookie keeps are moved by a full shift too.
func TestSticky(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, "  cookie SIDE insert\n"+marked(
		"  server blue1 "+blue.addr()+" check inter 20ms fall 50 cookie b1\n  server green1 127.0.0.1:1 check inter 20ms fall 50 cookie g1 disabled\n"))
	visit := func() string {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.listen+"/", http.NoBody)
		request.AddCookie(&http.Cookie{Name: "SIDE", Value: "b1"})
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		var text [16]byte
		n, _ := response.Body.Read(text[:])
		return string(text[:n])
	}
	half := open(t, scope, spec(t, b, "green", with(b, "weight", 50), green))
	first := apply(t, half)
	if got := visit(); got != "blue" {
		t.Errorf("in the canary the visitor is on %s", got)
	}
	step := open(t, scope, spec(t, b, "green", keeps(b), green))
	journal := apply(t, step)
	if got := visit(); got != "green" {
		t.Errorf("after the shift the visitor is on %s", got)
	}
	undo(t, step, journal)
	undo(t, half, first)
	if got := visit(); got != "blue" {
		t.Errorf("after undo the visitor is on %s", got)
	}
}

// TestStamp: the stamp lies beside the file, or beside the socket.
func TestStamp(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	green := startTarget(t, "green")
	b := startBalancer(t, marked(""))
	for _, change := range []map[string]any{nil, keeps(b)} {
		step := open(t, scope, spec(t, b, "green", change, green))
		if stamp, err := step.Stamp(t.Context()); err != nil || stamp != nil {
			t.Errorf("%+v, %v", stamp, err)
		}
		want := ripcord.Stamp{State: "s1", Run: "r1", Fence: 7}
		if err := step.SetStamp(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if stamp, err := step.Stamp(t.Context()); err != nil || stamp == nil || *stamp != want {
			t.Errorf("%+v, %v", stamp, err)
		}
	}
	for _, name := range []string{".haproxy.cfg.shop.ripcord", ".admin.sock.shop.ripcord"} {
		if _, err := os.Stat(strings.TrimSuffix(b.config, "haproxy.cfg") + name); err != nil {
			t.Error(err)
		}
	}
}
