package proxy_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
)

// TestSilentAtTheWrongMoment: a side that fails between its last good probe and
// the change of the route gets it when it is well again.
func TestSilentAtTheWrongMoment(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	apply(t, open(t, scope, spec(t, listen, "blue", nil, startTarget(t, "blue"))))
	green := startTarget(t, "green")
	step := open(t, scope, spec(t, listen, "green", nil, green))
	a := attempt(t, step)
	asked := 0
	between(t, scope, func(forward http.Handler, w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			forward.ServeHTTP(w, r)
			return
		}
		green.sick(true)
		waitFor(t, "green has failed", func() bool {
			status, err := client(scope).Status(context.WithoutCancel(t.Context()))
			return err == nil && status.Side("green").Ready() == 0
		})
		forward.ServeHTTP(w, r)
		green.sick(false)
	})
	if err := step.Apply(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := answer(listen); got != "green" || asked != 2 {
		t.Errorf("the traffic goes to %s after %d changes", got, asked)
	}
}

// between puts somebody between the proxy and those who change its route.
func between(t *testing.T, scope ripcord.Scope, route func(forward http.Handler, w http.ResponseWriter, r *http.Request)) {
	t.Helper()
	file := filepath.Join(proxy.Directory(scope.StateDir, scope.Application, scope.Environment, "front"), "control.addr")
	socket, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "proxy"})
	forward.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", strings.TrimSpace(string(socket)))
	}}
	folder, err := os.MkdirTemp("", "between") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	mine := filepath.Join(folder, "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", mine)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/route" {
			route(forward, w, r)
			return
		}
		forward.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	if err := os.WriteFile(file, []byte(mine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
