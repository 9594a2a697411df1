package dataplane_test

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// targetOf is what the proxy sees of a target of side all.
func targetOf(t *testing.T, c *dataplane.Client, p *process) dataplane.TargetStatus {
	t.Helper()
	status, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range status.Side("all").Targets {
		if of.Address == p.addr {
			return of
		}
	}
	t.Fatalf("no target %s", p.addr)
	return dataplane.TargetStatus{}
}

func rotate(t *testing.T, c *dataplane.Client, out bool, targets ...*process) {
	t.Helper()
	r := dataplane.Rotation{Out: out}
	for _, p := range targets {
		r.Targets = append(r.Targets, p.addr)
	}
	if _, err := c.Rotate(t.Context(), r); err != nil {
		t.Fatalf("rotate: %v", err)
	}
}

// TestRotationLosesNothing: under load, also of requests that may not be repeated,
// one target after the other leaves, is stopped dead when it is drained, goes on
// and comes back.
func TestRotationLosesNothing(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	targets := []*process{startTarget(t, "one"), startTarget(t, "two"), startTarget(t, "three")}
	put(t, c, side("all", targets...))
	route(t, c, "all")
	l := startLoad(t.Context(), addr, true)
	for n := range 30 {
		p := targets[n%len(targets)]
		eventually(t, "it is ready", func() bool { return targetOf(t, c, p).Readiness == "ready" })
		rotate(t, c, true, p)
		drained, err := c.Drain(t.Context(), dataplane.DrainRequest{Targets: []string{p.addr}, Timeout: ripcord.Duration(time.Minute)})
		if err != nil || drained.InFlight != 0 {
			t.Fatalf("drain: %+v, %v", drained, err)
		}
		p.signal(t, syscall.SIGSTOP)
		before := l.answered.Load()
		eventually(t, "the others answer", func() bool { return l.answered.Load() > before+20 })
		if got := targetOf(t, c, p); got.InFlight != 0 || !got.Out {
			t.Errorf("a drained target has %+v", got)
		}
		p.signal(t, syscall.SIGCONT)
		rotate(t, c, false, p)
	}
	l.end(t)
}

// TestRotationOfNone: with every target out of rotation nothing is sent anywhere,
// not even as a last resort.
func TestRotationOfNone(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	only := startTarget(t, "only")
	put(t, c, side("all", only))
	route(t, c, "all")
	ws, err := websocket.Dial("ws://"+addr+"/ws", "", "http://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	rotate(t, c, true, only)
	drained, err := c.Drain(t.Context(), dataplane.DrainRequest{Targets: []string{only.addr}, Timeout: ripcord.Duration(0)})
	if err != nil || drained.Closed != 1 {
		t.Errorf("drain: %+v, %v", drained, err)
	}
	var text string
	if err := websocket.Message.Receive(ws, &text); err == nil {
		t.Error("the WebSocket is still there")
	}
	if status, _ := ask(t, addr, "/"); status != 502 && status != 503 {
		t.Errorf("the proxy answers %d", status)
	}
	rotate(t, c, false, only)
	if status, body := ask(t, addr, "/"); status != 200 {
		t.Errorf("the proxy answers %d %s", status, body)
	}
}

// TestRotationLasts: it outlives the process, and goes with its side.
func TestRotationLasts(t *testing.T) {
	t.Parallel()
	addr, dir := port.Address(t), t.TempDir()
	old, c := startProxy(t, dir, addr)
	one, two := startTarget(t, "one"), startTarget(t, "two")
	put(t, c, side("all", one, two))
	put(t, c, side("other", two))
	route(t, c, "all")
	rotate(t, c, true, two)
	old.kill()
	killed, c := startProxy(t, dir, addr)
	if !targetOf(t, c, two).Out || targetOf(t, c, one).Out {
		t.Error("a restart forgets the rotation")
	}
	next := successor(t, dir, addr, killed.cmd.Process.Pid)
	serves(t, c, next)
	if !targetOf(t, c, two).Out {
		t.Error("a hand-over forgets the rotation")
	}
	eventually(t, "the hand-over is over", func() bool {
		_, err := c.DeleteSide(t.Context(), "other")
		return err == nil
	})
	if !targetOf(t, c, two).Out {
		t.Error("the target is in rotation again although a side has it")
	}
	if _, err := c.Rotate(t.Context(), dataplane.Rotation{Targets: []string{"127.0.0.1:1"}, Out: true}); !errors.Is(err, dataplane.ErrConflict) {
		t.Errorf("a target that nobody has leaves: %v", err)
	}
	if _, err := c.Drain(t.Context(), dataplane.DrainRequest{Targets: []string{one.addr}}); !errors.Is(err, dataplane.ErrConflict) {
		t.Errorf("a target in rotation is drained: %v", err)
	}
}

// ask asks once on a new connection.
func ask(t *testing.T, addr, path string) (status int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}
