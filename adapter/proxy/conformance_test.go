package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// The test binary also plays the proxy.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "__proxy" {
		os.Exit(dataplane.Main(context.Background(), os.Args[2:], os.Stderr, time.Now))
	}
	os.Exit(m.Run())
}

// target is an application that answers with its name, and can fall ill.
type target struct {
	*httptest.Server
	name string
	sick func(bool)
}

func startTarget(t *testing.T, name string) *target {
	t.Helper()
	ill := make(chan bool, 1)
	ill <- false
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		is := <-ill
		ill <- is
		if is {
			http.Error(w, "migrations are missing", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &target{Server: server, name: name, sick: func(is bool) { <-ill; ill <- is }}
}

func (t *target) addr() string { return t.Listener.Addr().String() }

func newScope(t *testing.T) ripcord.Scope {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Self = os.Args[0]
	return scope
}

// spec is a shift to targets, with settings changed by change.
func spec(t *testing.T, listen, colour string, change map[string]any, targets ...*target) ripcord.StepSpec {
	t.Helper()
	var addresses []string
	for _, to := range targets {
		addresses = append(addresses, to.addr())
	}
	settings := map[string]any{
		"service": "web", "balancer": "front", "listen": listen, "strategy": "blue-green",
		"targets": strings.Join(addresses, ","), "colour": colour,
		"health":        map[string]any{"http": "/healthz", "interval": 0.02, "timeout": 20, "successes": 2, "failures": 2},
		"drain_timeout": 60, "ready_timeout": 60,
	}
	maps.Copy(settings, change)
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return ripcord.StepSpec{ID: "shift", Kind: "shift", Adapter: proxy.Kind, Settings: raw}
}

// answer is who answers on an address, or that nobody does.
func answer(listen string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	response, err := client.Get("http://" + listen + "/")
	if err != nil {
		return "nobody"
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Sprintf("status %d", response.StatusCode)
	}
	return string(body)
}

// world describes who answers and which sides there are, by the names of their
// targets.
func world(t *testing.T, scope ripcord.Scope, listen string, targets ...*target) string {
	t.Helper()
	dir := proxy.Directory(scope.StateDir, scope.Application, scope.Environment, "front")
	text := "answers: " + answer(listen)
	status, err := dataplane.NewClient(dir).Status(t.Context())
	if err != nil {
		if _, err := os.Stat(dir); err == nil {
			return text + "; a folder without a proxy"
		}
		return text + "; no proxy"
	}
	names := make([]string, 0, 2*len(targets))
	for _, to := range targets {
		names = append(names, to.addr(), to.name)
	}
	var b strings.Builder
	b.WriteString(text)
	for _, side := range status.State.Sides {
		fmt.Fprintf(&b, "; %s: %v", side.Name, side.Targets)
	}
	return strings.NewReplacer(names...).Replace(b.String())
}

// TestConformanceFirst: there was no proxy before.
func TestConformanceFirst(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope, listen, green := newScope(t), port.Address(t), startTarget(t, "green 1")
		short := spec(t, listen, "green", map[string]any{"ready_timeout": 0.5}, green)
		return adaptertest.Fixture{
			Adapter: proxy.New(), Scope: scope, Spec: spec(t, listen, "green", nil, green),
			Fingerprint: func(t *testing.T) string { t.Helper(); return world(t, scope, listen, green) },
			References:  []string{"targets", "colour"},
			Breaks: []adaptertest.Break{{
				Name: "the target is sick", Spec: &short,
				Break: func(*testing.T) { green.sick(true) }, Mend: func(*testing.T) { green.sick(false) },
			}},
		}
	}})
}

// TestConformanceNext: the traffic goes from blue to green.
func TestConformanceNext(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope, listen := newScope(t), port.Address(t)
		blue := []*target{startTarget(t, "blue"), startTarget(t, "blue")}
		green := []*target{startTarget(t, "green"), startTarget(t, "green")}
		apply(t, open(t, scope, spec(t, listen, "blue", nil, blue...)))
		short := spec(t, listen, "green", map[string]any{"ready_timeout": 0.5}, green...)
		return adaptertest.Fixture{
			Adapter: proxy.New(), Scope: scope, Spec: spec(t, listen, "green", nil, green...),
			Fingerprint: func(t *testing.T) string { t.Helper(); return world(t, scope, listen, append(blue, green...)...) },
			References:  []string{"targets", "colour"},
			Breaks: []adaptertest.Break{{
				Name: "one of the targets is sick", Spec: &short,
				Break: func(*testing.T) { green[1].sick(true) }, Mend: func(*testing.T) { green[1].sick(false) },
			}},
		}
	}})
}

func open(t *testing.T, scope ripcord.Scope, spec ripcord.StepSpec) *proxy.Step {
	t.Helper()
	step, err := proxy.New().Open(t.Context(), spec, scope)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return step.(*proxy.Step)
}

// attempt is the step's first, after its Check.
func attempt(t *testing.T, step ripcord.Step) ripcord.Attempt {
	t.Helper()
	before, err := step.Check(t.Context())
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	return adaptertest.NewJournal("run-1/shift", before).Attempt(1)
}

// apply applies the step and returns the attempt.
func apply(t *testing.T, step ripcord.Step) ripcord.Attempt {
	t.Helper()
	a := attempt(t, step)
	if err := step.Apply(t.Context(), a); err != nil {
		t.Fatalf("apply: %v", err)
	}
	return a
}

// waitFor polls for something that the proxy's process does.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
