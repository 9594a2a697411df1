package dataplane_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// stats are those of side blue.
func stats(t *testing.T, c *dataplane.Client) dataplane.SideStats {
	t.Helper()
	s, err := c.Stats(t.Context())
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	return s.Sides["blue"]
}

// TestKilledTarget: GETs, also those in flight, go to the target that is left.
func TestKilledTarget(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	good, bad := startTarget(t, "good"), startTarget(t, "bad")
	put(t, c, side("blue", good, bad))
	route(t, c, "blue")
	l := startLoad(t.Context(), addr, false)
	eventually(t, "load on both", func() bool { return l.answered.Load() > 100 })
	bad.kill()
	before := l.answered.Load()
	eventually(t, "load after the kill", func() bool { return l.answered.Load() > before+500 })
	l.end(t)
	if s := stats(t, c); s.Errors.Upstream != 0 || s.Status["5xx"] != 0 {
		t.Errorf("stats %+v", s)
	}
}

// impatient makes the proxy soon sure of a target that does not answer.
func impatient(s dataplane.Side) dataplane.Side {
	s.Health.Timeout = ripcord.Duration(2 * time.Second)
	return s
}

// TestHungTarget: requests that wait for a stopped process are cut off and sent
// to the other target; a POST among them is told the truth.
func TestHungTarget(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	good, bad := startTarget(t, "good"), startTarget(t, "bad")
	put(t, c, impatient(side("blue", good, bad)))
	route(t, c, "blue")
	bad.signal(t, syscall.SIGSTOP)
	var posts sync.WaitGroup
	var lost, answered atomic.Int64
	for range 8 {
		posts.Go(func() {
			response, err := http.Post("http://"+addr+"/", "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Errorf("post: %v", err)
				return
			}
			defer func() { _ = response.Body.Close() }()
			body, _ := io.ReadAll(response.Body)
			switch {
			case response.StatusCode == http.StatusOK:
				answered.Add(1)
			case response.StatusCode == http.StatusGatewayTimeout && strings.Contains(string(body), "not known"):
				lost.Add(1)
			default:
				t.Errorf("post: %d %s", response.StatusCode, body)
			}
		})
	}
	l := startLoad(t.Context(), addr, false)
	posts.Wait()
	eventually(t, "load after the hang", func() bool { return l.answered.Load() > 500 })
	eventually(t, "something was sent again", func() bool { return stats(t, c).Replays > 0 })
	l.end(t)
	s := stats(t, c)
	if s.Errors.Upstream != uint64(lost.Load()) || answered.Load()+lost.Load() != 8 {
		t.Errorf("%d posts answered, %d lost; stats %+v", answered.Load(), lost.Load(), s)
	}
}

// TestIdempotencyKey: a POST with a key may be sent again.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	good, bad := startTarget(t, "good"), startTarget(t, "bad")
	put(t, c, impatient(side("blue", good, bad)))
	route(t, c, "blue")
	bad.signal(t, syscall.SIGSTOP)
	var posts sync.WaitGroup
	for i := range 8 {
		posts.Go(func() {
			request, err := http.NewRequest(http.MethodPost, "http://"+addr+"/", strings.NewReader("order"))
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Idempotency-Key", strconv.Itoa(i))
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Errorf("post: %v", err)
				return
			}
			defer func() { _ = response.Body.Close() }()
			if body, _ := io.ReadAll(response.Body); string(body) != "good POST 5" {
				t.Errorf("post: %d %s", response.StatusCode, body)
			}
		})
	}
	posts.Wait()
}

// TestUnreachable: with nobody left, the answer is short and says so.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	response, err := http.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("without a route: %d %v", response.StatusCode, response.Header)
	}
	only := startTarget(t, "only")
	put(t, c, side("blue", only))
	route(t, c, "blue")
	only.kill()
	response, err = http.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusBadGateway || response.Header.Get("Server") != "" || response.Header.Get("Date") == "" ||
		!strings.HasPrefix(string(body), "Bad Gateway: ") {
		t.Errorf("without a target: %d %v %s", response.StatusCode, response.Header, body)
	}
}

// TestRestart: after kill -9 the same route serves at once, before any probe
// could have said so.
func TestRestart(t *testing.T) {
	t.Parallel()
	addr, dir := port.Address(t), t.TempDir()
	p, c := startProxy(t, dir, addr)
	blue := side("blue", startTarget(t, "blue"))
	blue.Health.Successes = 3
	put(t, c, blue)
	put(t, c, side("green", startTarget(t, "green")))
	route(t, c, "blue")
	if err := c.SetStamp(t.Context(), ripcord.Stamp{State: "here", Run: "run-1", Fence: 7}); err != nil {
		t.Fatal(err)
	}
	before, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.kill()
	if _, err := c.Status(t.Context()); err == nil {
		t.Fatal("a killed proxy answers")
	}
	_, c = startProxy(t, dir, addr)
	if body := get(t, "http://"+addr+"/"); body != "blue GET 0" {
		t.Errorf("after the restart: %s", body)
	}
	after, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.State.Route != "blue" || after.State.Revision != before.State.Revision || after.State.Stamp == nil || after.State.Stamp.Fence != 7 {
		t.Errorf("after the restart: %+v, stamp %+v", after.State, after.State.Stamp)
	}
	// the other side must prove itself again.
	if _, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "green", Revision: after.State.Revision}); err != nil {
		eventually(t, "green is ready again", func() bool {
			_, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "green"})
			return err == nil
		})
	}
}

// TestWebSocketsAreCapped: a drain closes them at its end, and not before.
func TestWebSocketsAreCapped(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	blue := side("blue", startTarget(t, "blue"))
	blue.Limits.MaxWebSockets = 2
	put(t, c, blue)
	put(t, c, side("green", startTarget(t, "green")))
	route(t, c, "blue")
	var sockets []*websocket.Conn
	for range 2 {
		ws, err := websocket.Dial("ws://"+addr+"/ws", "", "http://"+addr)
		if err != nil {
			t.Fatalf("websocket: %v", err)
		}
		defer func() { _ = ws.Close() }()
		sockets = append(sockets, ws)
	}
	if ws, err := websocket.Dial("ws://"+addr+"/ws", "", "http://"+addr); err == nil {
		_ = ws.Close()
		t.Error("a third websocket is taken; the limit is 2")
	}
	route(t, c, "green")
	echo(t, sockets)
	if s := stats(t, c); s.WebSockets != 2 || s.InFlight != 0 || s.Upgraded != 2 {
		t.Errorf("before the drain: %+v", s)
	}
	drained, err := c.Drain(t.Context(), dataplane.DrainRequest{Side: "blue", Timeout: ripcord.Duration(50 * time.Millisecond)})
	if err != nil || drained.Closed != 2 {
		t.Errorf("drain: %+v, %v", drained, err)
	}
	var text string
	if err := websocket.Message.Receive(sockets[0], &text); err == nil {
		t.Errorf("after the drain: %q", text)
	}
}

// TestDrainWaits: a slow request holds a drain up until it has ended.
func TestDrainWaits(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	blue := startTarget(t, "blue")
	put(t, c, side("blue", blue))
	put(t, c, side("green", startTarget(t, "green")))
	route(t, c, "blue")
	blue.signal(t, syscall.SIGSTOP)
	body := make(chan string, 1)
	go func() { body <- get(t, "http://"+addr+"/") }()
	eventually(t, "the request is in flight", func() bool { return stats(t, c).InFlight == 1 })
	route(t, c, "green")
	drained, err := c.Drain(t.Context(), dataplane.DrainRequest{Side: "blue", Timeout: ripcord.Duration(time.Millisecond)})
	if err != nil || drained.InFlight != 1 {
		t.Errorf("a short drain: %+v, %v", drained, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		drained, err := c.Drain(t.Context(), dataplane.DrainRequest{Side: "blue", Timeout: ripcord.Duration(time.Minute)})
		if err != nil || drained.InFlight != 0 {
			t.Errorf("a long drain: %+v, %v", drained, err)
		}
	}()
	select {
	case <-ended:
		t.Error("a long drain does not wait")
	case <-time.After(100 * time.Millisecond):
	}
	blue.signal(t, syscall.SIGCONT)
	<-ended
	if text := <-body; text != "blue GET 0" {
		t.Errorf("the slow request: %s", text)
	}
	if _, err := c.Drain(t.Context(), dataplane.DrainRequest{Side: "green"}); err == nil {
		t.Error("the routed side can be drained")
	}
}

// TestStartRefuses: clear words for what cannot work.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	addr, dir := port.Address(t), t.TempDir()
	p, c := startProxy(t, dir, addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	tests := []struct {
		name, dir, listen string
		prepare           func(dir string) error
		want              []string
	}{
		{"address of another proxy", t.TempDir(), addr, nil, []string{addr, dir, strconv.Itoa(p.cmd.Process.Pid)}},
		{"directory of another proxy", dir, port.Address(t), nil, []string{"another proxy works in " + dir}},
		{"corrupt state", t.TempDir(), port.Address(t), func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"version":1,"listen":"127`), 0o600)
		}, []string{"state.json", "cannot be used"}},
		{"state of a newer version", t.TempDir(), port.Address(t), func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"version":9,"listen":"127.0.0.1:1"}`), 0o600)
		}, []string{"version 9", "use the ripcord that wrote it"}},
		{"route to nowhere", t.TempDir(), port.Address(t), func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"version":1,"listen":"127.0.0.1:1","revision":1,"route":"red"}`), 0o600)
		}, []string{`side \"red\"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.prepare != nil {
				if err := test.prepare(test.dir); err != nil {
					t.Fatal(err)
				}
			}
			out, code := runProxy(t, test.dir, test.listen)
			if code != 1 {
				t.Errorf("exit status %d", code)
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in: %s", want, out)
				}
			}
		})
	}
}
