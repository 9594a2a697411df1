package proxy_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
)

// otherBuild returns the path of another build of this binary.
func otherBuild(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(path, append(data, '\n'), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// proxies returns the wanted instances of the proxy.
func proxies(t *testing.T, scope ripcord.Scope) []ripcord.InstanceStatus {
	t.Helper()
	all, err := scope.Supervisor.List(t.Context(), proxy.InstanceID(scope.Application, scope.Environment, "front"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestReplace: a shift by another binary puts that in the proxy's place first,
// without a lost request; a dead one is started again once only.
func TestReplace(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	before := proxies(t, scope)
	var lost, answered atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				response, err := client.Get("http://" + listen + "/")
				if err != nil || response.StatusCode != http.StatusOK {
					lost.Add(1)
					continue
				}
				_ = response.Body.Close()
				answered.Add(1)
			}
		})
	}
	newer := scope
	newer.Self = otherBuild(t)
	var log strings.Builder
	step := open(t, newer, spec(t, listen, "green", nil, green))
	a := attempt(t, step)
	a.Output = &log
	if err := step.Apply(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	stop()
	clients.Wait()
	if lost.Load() > 0 || answered.Load() == 0 {
		t.Errorf("%d of %d requests are lost", lost.Load(), answered.Load())
	}
	after := proxies(t, scope)
	if len(after) != 1 || after[0].ID == before[0].ID || after[0].Labels["binary"] != newer.Self || !strings.Contains(log.String(), "takes over from process") {
		t.Errorf("before %+v\nafter %+v\n%s", before, after, &log)
	}
	if got := answer(listen); got != "green" {
		t.Errorf("the traffic goes to %s", got)
	}
	// the same binary again changes nothing, and undo, also by the older one,
	// goes back through the process that is there.
	if err := open(t, scope, spec(t, listen, "green", nil, green)).Undo(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if now := proxies(t, scope); answer(listen) != "blue" || len(now) != 1 || now[0].PID != after[0].PID {
		t.Errorf("undone: %s, %+v", answer(listen), now)
	}
}

// TestReplaceFails: a binary that cannot take over changes nothing, and the
// shift goes on with the proxy that is there.
func TestReplaceFails(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	before := proxies(t, scope)
	broken := scope
	broken.Self = "/bin/false" // an ELF file without a build, so it is left alone
	apply(t, open(t, broken, spec(t, listen, "green", map[string]any{"weight": 5}, green)))
	broken.Self = otherBuild(t)
	if err := os.Chmod(broken.Self, 0o600); err != nil {
		t.Fatal(err)
	}
	apply(t, open(t, broken, spec(t, listen, "green", nil, green)))
	if after := proxies(t, scope); len(after) != 1 || after[0].PID != before[0].PID || answer(listen) != "green" {
		t.Errorf("%s; before %+v\nafter %+v", answer(listen), before, after)
	}
}

// TestTwoWanted: of two processes that a run left wanted, the next shift keeps
// the one that serves.
func TestTwoWanted(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	apply(t, open(t, scope, spec(t, listen, "blue", nil, blue)))
	first := proxies(t, scope)[0]
	second := ripcord.Instance{
		ID: first.ID + "~leftover", Dir: scope.StateDir, Labels: first.Labels, Grace: ripcord.Duration(time.Second),
		Args: []string{scope.Self, "__proxy", "--directory", proxy.Directory(scope.StateDir, scope.Application, scope.Environment, "front"), "--listen", listen, "--take-over", "1"},
	}
	if err := scope.Supervisor.Start(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if got := len(proxies(t, scope)); got != 2 {
		t.Fatalf("%d are wanted", got)
	}
	step := open(t, scope, spec(t, listen, "green", nil, green))
	if err := step.Apply(t.Context(), adaptertest.NewJournal("run-1/shift", attempt(t, step).Before).Attempt(1)); err != nil {
		t.Fatal(err)
	}
	if after := proxies(t, scope); len(after) != 1 || after[0].PID != first.PID {
		t.Errorf("%+v", after)
	}
}
