package nginx_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
)

// visitors are cookies like those of shops.
func visitors(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("visitor-%d", 1000+i)
	}
	return out
}

// TestStages: 5 %, 25 %, 100 %, each a step of the same run; visitors only move to
// the new version; undone newest first, each leaves exactly what it found.
func TestStages(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue := []*target{startTarget(t, "blue"), startTarget(t, "blue")}
	green := []*target{startTarget(t, "green"), startTarget(t, "green")}
	b := startBalancer(t, strings.Replace(upstream(blue...), "{", "{ least_conn;", 1))
	all := visitors(400)
	var journals []*adaptertest.Journal
	var steps []ripcord.Step
	var worlds []string
	on := func(visitor string) string {
		for who := range b.answers(t, 1, visitor) {
			return who
		}
		return ""
	}
	was := map[string]string{}
	bounds := [][2]int{{8, 40}, {70, 130}, {400, 400}}
	for n, weight := range []float64{5, 25, 100} {
		step := open(t, scope, spec(t, b, "green", map[string]any{"weight": weight, "cookie": "visitor"}, green...))
		worlds = append(worlds, b.state(t))
		steps = append(steps, step)
		journals = append(journals, apply(t, step))
		newer := 0
		for _, visitor := range all {
			is := on(visitor)
			if is == "green" {
				newer++
			}
			if was[visitor] == "green" && is != "green" {
				t.Errorf("at %v %% %s went back to %s", weight, visitor, is)
			}
			was[visitor] = is
		}
		if newer < bounds[n][0] || newer > bounds[n][1] {
			t.Errorf("at %v %% %d of %d visitors are on the new version", weight, newer, len(all))
		}
	}
	for n, step := range slices.Backward(steps) {
		undo(t, step, journals[n])
		if now := b.state(t); now != worlds[n] {
			t.Errorf("undo of step %d:\nwas\n%s\nis\n%s", n, worlds[n], now)
		}
	}
	if got := b.answers(t, 40, all...); got["blue"] != 40 {
		t.Errorf("after all undos: %v", got)
	}
}

// TestReleases goes from colour to colour several times with Finish in between.
func TestReleases(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	b := startBalancer(t, "upstream shop { server 127.0.0.1:1 down; }\n")
	for n, colour := range []string{"blue", "green", "blue"} {
		to := []*target{startTarget(t, colour), startTarget(t, colour)}
		canary := open(t, scope, spec(t, b, colour, map[string]any{"weight": 20}, to...))
		first := apply(t, canary)
		if got := b.answers(t, 200); n > 0 && (got[colour] < 15 || got[colour] > 75) {
			t.Errorf("release %d at 20 %%: %v", n, got)
		}
		step := open(t, scope, spec(t, b, colour, nil, to...))
		journal := apply(t, step)
		for range 2 {
			if err := step.Finish(t.Context(), journal.Attempt(1)); err != nil {
				t.Fatalf("finish: %v", err)
			}
			if err := canary.Finish(t.Context(), first.Attempt(1)); err != nil {
				t.Fatalf("finish of the canary: %v", err)
			}
		}
		if got := b.answers(t, 20); got[colour] != 20 {
			t.Fatalf("release %d: %v", n, got)
		}
		if text := read(t, b.include()); strings.Count(text, "    server ") != 2 {
			t.Errorf("%s", text)
		}
	}
}

// TestLostReload: the executor died between the rename and the reload. The file
// says one thing and nginx does another, which Check sees; Apply and Undo converge.
func TestLostReload(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{false, true} {
		scope := adaptertest.NewScope(t)
		blue, green := startTarget(t, "blue"), startTarget(t, "green")
		b := startBalancer(t, upstream(blue))
		step := open(t, scope, spec(t, b, "green", nil, green))
		journal := begin(t, step)
		want := goalText(t, scope, b, green)
		if err := journal.Attempt(1).Record(t.Context(), map[string]any{"workers": workers(t, b)}); err != nil {
			t.Fatal(err)
		}
		replace(t, b.include(), want)
		if now, err := step.Check(t.Context()); err != nil || now.Presence != ripcord.Partial || !strings.Contains(now.Detail, "has not reloaded") {
			t.Errorf("%+v, %v", now, err)
		}
		if back {
			undo(t, step, journal)
			if got := b.answers(t, 10); got["blue"] != 10 {
				t.Errorf("%v", got)
			}
			continue
		}
		if err := step.Apply(t.Context(), journal.Attempt(2)); err != nil {
			t.Fatalf("%v\n%s", err, journal.Output())
		}
		if got := b.answers(t, 10); got["green"] != 10 {
			t.Errorf("%v", got)
		}
	}
}

// goalText is what a full shift to green makes of the file: that of a twin.
func goalText(t *testing.T, scope ripcord.Scope, b *balancer, green *target) string {
	t.Helper()
	twin := startBalancer(t, read(t, b.include()))
	apply(t, open(t, scope, spec(t, twin, "green", nil, green)))
	return read(t, twin.include())
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path+"-new", text)
	if err := os.Chmod(path+"-new", info.Mode()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"-new", path); err != nil {
		t.Fatal(err)
	}
}

// workers are the ids that a step records: pid and start time.
func workers(t *testing.T, b *balancer) []string {
	t.Helper()
	children := read(t, fmt.Sprintf("/proc/%d/task/%d/children", b.cmd.Process.Pid, b.cmd.Process.Pid))
	var out []string
	for pid := range strings.FieldsSeq(children) {
		stat := read(t, "/proc/"+pid+"/stat")
		out = append(out, pid+":"+strings.Fields(stat[strings.LastIndex(stat, ")")+1:])[19])
	}
	return out
}

// TestStaged: what an interrupted stage left is removed, and never read by nginx.
func TestStaged(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	step := open(t, scope, spec(t, b, "green", nil, green))
	left := filepath.Join(filepath.Dir(b.include()), ".ripcord-shop.conf.ripcord-new")
	write(t, left, "upstream sh")
	journal := apply(t, step)
	write(t, left, "upstream sh")
	undo(t, step, journal)
	if _, err := os.Stat(left); err == nil {
		t.Error("it is still there")
	}
}

// TestOthersChange: nothing is built on what somebody else wrote meanwhile; the way
// back does not wait for them, and keeps what they wrote.
func TestOthersChange(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	step := open(t, scope, spec(t, b, "green", nil, green))
	journal := begin(t, step)
	write(t, b.include(), upstream(blue)+"# a colleague was here\n")
	err := step.Apply(t.Context(), journal.Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "somebody else changed "+b.include()) {
		t.Errorf("%v", err)
	}
	write(t, b.include(), upstream(blue))
	journal = apply(t, step)
	ours := read(t, b.include())
	write(t, b.include(), ours+"# a colleague was here\n")
	next := open(t, scope, spec(t, b, "blue", nil, blue))
	if _, err := next.Stamp(t.Context()); err == nil || !strings.Contains(err.Error(), "changed the file by hand") {
		t.Errorf("%v", err)
	}
	undo(t, step, journal)
	if out := journal.Output(); !strings.Contains(out, "what they wrote is in the evidence") {
		t.Errorf("%s", out)
	}
	pieces, err := step.Evidence(t.Context())
	if err != nil || len(pieces) == 0 || !strings.Contains(string(pieces[0].Data), "a colleague was here") {
		t.Errorf("%+v, %v", pieces, err)
	}
}

// TestRestarted: nginx was restarted between two attempts, or does not run when the
// step is taken back.
func TestRestarted(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	step := open(t, scope, spec(t, b, "green", nil, green))
	journal := apply(t, step)
	stop(b.cmd)
	if now, err := step.Check(t.Context()); err != nil || now.Presence != ripcord.Partial {
		t.Errorf("%+v, %v", now, err)
	}
	b.start(t)
	if now, err := step.Check(t.Context()); err != nil || now.Presence != ripcord.Present {
		t.Errorf("%+v, %v", now, err)
	}
	stop(b.cmd)
	undo(t, step, journal)
	b.start(t)
	if got := b.answers(t, 10); got["blue"] != 10 {
		t.Errorf("%v", got)
	}
}

// TestPinned: a long answer keeps an old worker; the shift waits for it, and says
// who it is when it waits no longer.
func TestPinned(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	response, err := http.Get("http://" + b.listen + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	step := open(t, scope, spec(t, b, "green", map[string]any{"drain_timeout": 0.1}, green))
	journal := apply(t, step)
	if out := journal.Output(); !strings.Contains(out, "still there after 100ms: WebSockets or long answers keep them, 1 clients (127.0.0.1)") {
		t.Errorf("%s", out)
	}
	patient := open(t, scope, spec(t, b, "green", map[string]any{"drain_timeout": 60}, green))
	ended := make(chan error, 1)
	go func() { ended <- patient.Finish(context.Background(), journal.Attempt(1)) }()
	select {
	case err := <-ended:
		t.Errorf("finish did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(blue.hold)
	if err := <-ended; err != nil {
		t.Errorf("finish: %v", err)
	}
}

// TestNested: the file that includes ours is included itself, by a relative path;
// the user's own words in the upstream stay.
func TestNested(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := newBalancer(t, "")
	for _, dir := range []string{"sites", "own"} {
		if err := os.Mkdir(filepath.Join(b.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(b.dir, "own", "shop.conf")
	write(t, b.config(), strings.Replace(b.plainConfig(), "include conf.d/*.conf;", "include conf.d/*.conf;\n  include sites/*; # all", 1))
	write(t, filepath.Join(b.dir, "sites", "a site"), "# ours\ninclude 'own/*.conf';\n")
	write(t, own, fmt.Sprintf("upstream shop { random two;\n server %s weight=3 max_conns=50;\n keepalive 7; keepalive_timeout 10s;\n}\n", blue.addr()))
	b.start(t)
	step := open(t, scope, spec(t, b, "green", map[string]any{"include": own, "weight": 0.01}, green))
	journal := apply(t, step)
	text := read(t, own)
	for _, want := range []string{"weight=32765 max_conns=50;", "keepalive 7;", "keepalive_timeout 10s;", "$request_id;"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "random two;\n    #") || !strings.Contains(text, green.addr()+" weight=3 ") {
		t.Errorf("%s", text)
	}
	all := open(t, scope, spec(t, b, "green", map[string]any{"include": own}, green))
	last := apply(t, all)
	if text := read(t, own); !strings.Contains(text, "random two;") {
		t.Errorf("%s", text)
	}
	undo(t, all, last)
	undo(t, step, journal)
	left, err := filepath.Glob(filepath.Join(b.dir, "*", ".*"))
	more, errMore := filepath.Glob(filepath.Join(b.dir, ".*"))
	if len(left)+len(more) > 0 || err != nil || errMore != nil {
		t.Errorf("left behind: %v %v", left, more)
	}
}

// TestReloadRefused: nginx finds the configuration valid and cannot take it all the
// same; the old file is back at once.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	taken := startTarget(t, "taken")
	write(t, b.config(), strings.Replace(b.plainConfig(), "server {", "server { listen "+taken.addr()+"; }\n  server {", 1))
	before := b.state(t)
	step := open(t, scope, spec(t, b, "green", nil, green))
	journal := begin(t, step)
	err := step.Apply(t.Context(), journal.Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "did not take the reload") {
		t.Errorf("%v", err)
	}
	if now := b.state(t); now != before {
		t.Errorf("%s", now)
	}
	undo(t, step, journal)
	if got := b.answers(t, 10); got["blue"] != 10 {
		t.Errorf("%v", got)
	}
}

// TestStamp: the stamp lies beside the file.
func TestStamp(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	green := startTarget(t, "green")
	b := startBalancer(t, upstream(startTarget(t, "blue")))
	step := open(t, scope, spec(t, b, "green", nil, green))
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
	undo(t, step, apply(t, step))
}

// TestEvidence: our file before and after the way back, the user's own part, and
// what nginx wrote.
func TestEvidence(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	b := startBalancer(t, upstream(startTarget(t, "blue")))
	green := startTarget(t, "green")
	step := open(t, scope, spec(t, b, "green", nil, green))
	journal := apply(t, step)
	green.Close()
	b.answers(t, 1)
	undo(t, step, journal)
	pieces, err := step.Evidence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, piece := range pieces {
		all[piece.Name] = string(piece.Data)
	}
	for name, want := range map[string]string{
		"nginx-shop-before-undo.conf": green.addr(), "nginx-shop-include.conf": "upstream shop {",
		"nginx-shop-configuration.txt": "proxy_pass http://shop;", "nginx-shop-error-1.log": "Connection refused",
	} {
		if !strings.Contains(all[name], want) {
			t.Errorf("%s: %q", name, all[name])
		}
	}
}

// TestBackToNothing: where nothing served before, going back waits for nothing.
func TestBackToNothing(t *testing.T) {
	t.Parallel()
	green := startTarget(t, "green")
	b := startBalancer(t, "upstream shop { server 127.0.0.1:1 down; }\n")
	step := open(t, adaptertest.NewScope(t), spec(t, b, "green", nil, green))
	was := b.state(t)
	undo(t, step, apply(t, step))
	if now := b.state(t); now != was {
		t.Errorf("was\n%s\nis\n%s", was, now)
	}
}

// TestBackToDeadSideInNoTime: that the wait is over is no sign that the side which has
// the traffic does not answer.
func TestBackToDeadSideInNoTime(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	journal := apply(t, open(t, scope, spec(t, b, "green", nil, green)))
	blue.Close()
	green.lag = 200 * time.Millisecond
	slow := map[string]any{"ready_timeout": 0.1, "health": map[string]any{"http": "/healthz", "interval": 0.02, "timeout": 10, "successes": 2, "failures": 2}}
	err := open(t, scope, spec(t, b, "green", slow, green)).Undo(t.Context(), journal.Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "cannot go back to") {
		t.Fatalf("undo: %v\n%s", err, journal.Output())
	}
}

// TestBackToDeadSide: requests do not go back to a side that is gone while the
// other one serves; they do when that is gone as well.
func TestBackToDeadSide(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	step := open(t, scope, spec(t, b, "green", nil, green))
	was := b.state(t)
	journal := apply(t, step)
	blue.Close()
	err := open(t, scope, spec(t, b, "green", map[string]any{"ready_timeout": 0.3}, green)).Undo(t.Context(), journal.Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "cannot go back to") || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("undo: %v\n%s", err, journal.Output())
	}
	if got := b.answers(t, 10); got["green"] != 10 {
		t.Errorf("users went to a side that is gone: %v", got)
	}
	green.Close()
	undo(t, step, journal)
	if now := b.state(t); now != was {
		t.Errorf("was\n%s\nis\n%s", was, now)
	}
}
