package dataplane_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

func TestControlSocketIsPrivate(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	for _, dir := range []string{t.TempDir(), long} {
		_, c := startProxy(t, dir, port.Address(t))
		recorded, err := os.ReadFile(filepath.Join(dir, "control.addr"))
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimSpace(string(recorded))
		for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700, dir: 0o700} {
			info, err := os.Stat(name)
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v; want %v", name, info.Mode().Perm(), err, want)
			}
		}
		if dir == long {
			t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(path)) })
		}
		if _, err := c.Stamp(t.Context()); err != nil {
			t.Errorf("the client does not find the socket: %v", err)
		}
	}
}

func TestCommandsRefuse(t *testing.T) {
	t.Parallel()
	_, c := startProxy(t, t.TempDir(), port.Address(t))
	blue := side("blue", startTarget(t, "blue"))
	put(t, c, blue)
	status, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cold := dataplane.Side{Name: "cold", Targets: []string{"127.0.0.1:1"}}
	if _, err := c.PutSide(t.Context(), cold); err != nil {
		t.Fatal(err)
	}
	route(t, c, "blue")
	changed := blue
	changed.Targets = []string{"127.0.0.1:1"}
	tests := map[string]func() error{
		"somebody else changed it": func() error {
			_, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "cold", Revision: status.State.Revision, Force: true})
			return err
		},
		"no target is ready": func() error {
			_, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "cold"})
			return err
		},
		"no such side": func() error {
			_, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: "red"})
			return err
		},
		"the routed side changes":   func() error { _, err := c.PutSide(t.Context(), changed); return err },
		"the routed side goes away": func() error { _, err := c.DeleteSide(t.Context(), "blue"); return err },
		"a side without targets": func() error {
			_, err := c.PutSide(t.Context(), dataplane.Side{Name: "empty"})
			return err
		},
		"a bad name": func() error {
			_, err := c.PutSide(t.Context(), dataplane.Side{Name: "a b", Targets: []string{"127.0.0.1:1"}})
			return err
		},
	}
	for name, command := range tests {
		if err := command(); !errors.Is(err, dataplane.ErrConflict) && name != "a bad name" || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := c.Status(t.Context())
	if err != nil || after.State.Route != "blue" || len(after.State.Sides) != 2 {
		t.Errorf("after the refusals: %+v, %v", after.State, err)
	}
	if _, err := c.PutSide(t.Context(), blue); err != nil {
		t.Errorf("the routed side as it is: %v", err)
	}
}

func TestClaimAndMetrics(t *testing.T) {
	t.Parallel()
	addr, dir := port.Address(t), t.TempDir()
	p, c := startProxy(t, dir, addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	route(t, c, "blue")
	get(t, "http://"+addr+"/")
	claim := dataplane.ReadClaim(t.Context(), addr)
	if claim == nil || claim.Directory != dir || claim.PID != p.cmd.Process.Pid {
		t.Errorf("claim %+v", claim)
	}
	if claim := dataplane.ReadClaim(t.Context(), port.Address(t)); claim != nil {
		t.Errorf("claim of nobody: %+v", claim)
	}
	s, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := s.WritePrometheus(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`ripcord_proxy_requests_total{colour="blue"} 1`,
		`ripcord_proxy_responses_total{colour="blue",class="2xx"} 1`,
		`ripcord_proxy_latency_seconds_bucket{colour="blue",le="+Inf"} 1`,
		`ripcord_proxy_errors_total{colour="blue",origin="upstream"} 0`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("%s is missing in\n%s", want, text.String())
		}
	}
}

func TestStrictCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, c := startProxy(t, dir, port.Address(t))
	path, err := os.ReadFile(filepath.Join(dir, "control.addr"))
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{`, `[]`, `{"side":"blue","more":1}`, `{"side":""} {}`, ``} {
		conn, err := net.Dial("unix", strings.TrimSpace(string(path)))
		if err != nil {
			t.Fatal(err)
		}
		answer := exchange(t, conn, "PUT /route HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n"+body)
		if !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
			t.Errorf("%s: %s", body, answer)
		}
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestSocketFolderGoes: the private folder of a socket whose path is too long
// goes with the proxy; where that was killed, whoever tidies up removes it, but
// never that of a proxy that lives.
func TestSocketFolderGoes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	listen := port.Address(t)
	p, _ := startProxy(t, dir, listen)
	recorded, err := os.ReadFile(filepath.Join(dir, "control.addr"))
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Dir(strings.TrimSpace(string(recorded)))
	there := func() bool {
		_, err := os.Stat(short)
		return err == nil
	}
	if err := dataplane.Tidy(dir); err != nil || !there() {
		t.Errorf("it is taken from a living proxy: %v", err)
	}
	p.kill()
	if !there() {
		t.Error("a killed proxy removes its folder")
	}
	for range 2 {
		if err := dataplane.Tidy(dir); err != nil || there() {
			t.Errorf("%s is still there, %v", short, err)
		}
	}
	p, _ = startProxy(t, dir, listen)
	p.signal(t, syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil || there() {
		t.Errorf("%s is still there after the end, %v", short, err)
	}
	if err := dataplane.Tidy(t.TempDir()); err != nil {
		t.Error(err)
	}
}
