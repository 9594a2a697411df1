package dataplane_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// newer returns the path of another build of this binary.
func newer(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "newer")
	if err := os.WriteFile(path, append(data, '\n'), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// successor starts a process that takes over from old.
func successor(t *testing.T, dir, listen string, old int) *process {
	t.Helper()
	cmd := exec.Command(newer(t), "__proxy", "--directory", dir, "--listen", listen, "--take-over", strconv.Itoa(old))
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, addr: listen, log: log.Name()}
	t.Cleanup(func() {
		p.kill()
		if text, _ := os.ReadFile(p.log); t.Failed() {
			t.Logf("successor:\n%s", text)
		}
	})
	return p
}

func serves(t *testing.T, c *dataplane.Client, p *process) dataplane.Status {
	t.Helper()
	var status dataplane.Status
	eventually(t, "the successor serves", func() bool {
		var err error
		status, err = c.Status(t.Context())
		return err == nil && status.PID == p.cmd.Process.Pid
	})
	return status
}

// TestHandOver: under load, with WebSockets and slow answers, another binary
// takes over and nothing is lost; counters and state go on.
func TestHandOver(t *testing.T) {
	t.Parallel()
	addr, dir := port.Address(t), t.TempDir()
	old, c := startProxy(t, dir, addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	put(t, c, side("green", startTarget(t, "green")))
	route(t, c, "blue")
	split(t, c, 30, nil)
	if err := c.SetStamp(t.Context(), ripcord.Stamp{State: "here", Run: "run-1", Fence: 7}); err != nil {
		t.Fatal(err)
	}
	ws, err := websocket.Dial("ws://"+addr+"/ws", "", "http://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	before, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := startLoad(t.Context(), addr, true)
	eventually(t, "load", func() bool { return l.answered.Load() > 200 })
	slow := make(chan string, 1)
	go func() { slow <- get(t, "http://"+addr+"/?ms=1500") }()
	next := successor(t, dir, addr, old.cmd.Process.Pid)
	after := serves(t, c, next)
	if after.Build == before.Build || after.Build == "" || after.State.Revision != before.State.Revision ||
		after.State.Split == nil || after.State.Stamp == nil || after.State.Stamp.Fence != 7 {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if after.Side("blue").Ready() != 1 || after.Side("green").Ready() != 1 {
		t.Errorf("what the probes knew is lost: %+v", after.Sides)
	}
	// the successor can be led at once, although the old one still answers.
	split(t, c, 60, nil)
	eventually(t, "the old one takes nothing any more", func() bool {
		s, err := c.Status(t.Context())
		return err == nil && (s.Predecessor == nil || !s.Predecessor.Accepting)
	})
	if text := <-slow; !strings.HasSuffix(text, " GET 0") {
		t.Errorf("the slow request: %s", text)
	}
	on := strings.Fields(hello(t, ws))[0]
	l.end(t)
	eventually(t, "the old one keeps the websocket only", func() bool {
		s, err := c.Status(t.Context())
		return err == nil && s.Predecessor != nil && s.Predecessor.InFlight == 0 && s.Predecessor.WebSockets == 1
	})
	last, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var requests, ok uint64
	for _, s := range last.Sides {
		requests, ok = requests+s.Requests, ok+s.Status["2xx"]
		if s.Failed+s.Left+s.Errors.Own+s.Errors.Upstream != 0 {
			t.Errorf("%+v", s)
		}
	}
	if want := uint64(l.answered.Load()) + 2; requests != want || ok != want-1 || !last.StartedAt.Equal(first.StartedAt) || !last.Sides["blue"].Since.Equal(first.Sides["blue"].Since) {
		t.Errorf("%d requests, %d answered 2xx; sent %d; began %s and %s", requests, ok, want, first.StartedAt, last.StartedAt)
	}
	if last.Sides[on].WebSockets != 1 {
		t.Errorf("the websocket of the old process is not counted: %+v", last.Sides[on])
	}
	// a drain also closes what the old process has.
	other := map[string]string{"blue": "green", "green": "blue"}[on]
	route(t, c, other)
	if drained, err := c.Drain(t.Context(), dataplane.DrainRequest{Side: on, Cut: true}); err != nil || drained.Closed != 1 {
		t.Errorf("drain: %+v, %v", drained, err)
	}
	if err := old.cmd.Wait(); err != nil {
		t.Errorf("the old process: %v", err)
	}
	eventually(t, "the successor is alone", func() bool { s, err := c.Status(t.Context()); return err == nil && s.Predecessor == nil })
}

func hello(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	var text string
	if err := websocket.Message.Send(ws, "hello"); err != nil {
		t.Fatalf("websocket: %v", err)
	}
	if err := websocket.Message.Receive(ws, &text); err != nil {
		t.Fatalf("websocket: %v", err)
	}
	return text
}

// TestHandOverFails: a successor that dies half-way changes nothing, and one
// that was not meant takes nothing over.
func TestHandOverFails(t *testing.T) {
	t.Parallel()
	addr, dir := port.Address(t), t.TempDir()
	old, c := startProxy(t, dir, addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	route(t, c, "blue")
	stranger := successor(t, dir, addr, old.cmd.Process.Pid+1)
	_ = stranger.cmd.Wait()
	if text, _ := os.ReadFile(stranger.log); stranger.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(text), "which was to be replaced") {
		t.Errorf("%d: %s", stranger.cmd.ProcessState.ExitCode(), text)
	}
	dataplane.HangUp(t, dir)
	eventually(t, "the old one goes on", func() bool {
		_, err := c.SetRoute(t.Context(), dataplane.RouteChange{})
		return err == nil
	})
	route(t, c, "blue")
	if got := get(t, "http://"+addr+"/"); got != "blue GET 0" {
		t.Errorf("%s", got)
	}
	// killed right after it has taken over, it starts again and has everything.
	next := successor(t, dir, addr, old.cmd.Process.Pid)
	serves(t, c, next)
	next.kill()
	_ = old.cmd.Wait()
	again := successor(t, dir, addr, old.cmd.Process.Pid)
	serves(t, c, again)
	response, err := http.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, _ := io.ReadAll(response.Body); string(body) != "blue GET 0" {
		t.Errorf("after a crash of the successor: %s", body)
	}
}
