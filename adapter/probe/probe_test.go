package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/probe"
)

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, scope ripcord.Scope, settings map[string]any) ripcord.Step {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	step, err := probe.New(os.Environ).Open(t.Context(), ripcord.StepSpec{ID: "ready", Settings: raw}, scope)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// ask applies a probe with a deadline that a good one never needs.
func ask(t *testing.T, scope ripcord.Scope, settings map[string]any, within time.Duration) error {
	t.Helper()
	if _, set := settings["interval"]; !set {
		settings["interval"] = 0.01
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	j := adaptertest.NewJournal("run-1/ready", ripcord.Observation{})
	return open(t, scope, settings).Apply(ctx, j.Attempt(1))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	without := map[adaptertest.Part]string{
		adaptertest.PartCheck: "nothing is there to be found", adaptertest.PartChange: "a probe changes nothing",
		adaptertest.PartUndo: "nothing changes", adaptertest.PartUndoAgain: "nothing changes",
	}
	for _, kind := range []string{"http", "targets", "command"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{Without: without, New: func(t *testing.T) adaptertest.Fixture {
				t.Helper()
				scope := adaptertest.NewScope(t)
				scope.Secrets = adaptertest.Secrets{"TOKEN": "t0ken-value"}
				var well atomic.Bool
				well.Store(true)
				broken := filepath.Join(scope.Directory, "broken")
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if !well.Load() {
						w.WriteHeader(http.StatusServiceUnavailable)
					}
					if kind == "http" { // the others know no secret to hide
						_, _ = fmt.Fprintf(w, "hello t0ken-value %s", r.URL)
					}
				})
				settings := map[string]any{"interval": 0.01, "attempt_timeout": 30, "successes": 2}
				references := []string{}
				switch kind {
				case "http":
					settings["http"], references = s.URL+"/${secret:TOKEN}", []string{"http"}
					settings["contains"] = "t0ken-value /${secret:TOKEN}"
				case "targets":
					settings["targets"], settings["path"], references = s.Listener.Addr().String(), "/healthz", []string{"targets"}
				case "command":
					settings["command"], references = []any{"sh", "-c", "echo $TOKEN; test ! -e broken"}, []string{"command"}
					settings["environment"] = map[string]any{"TOKEN": "${secret:TOKEN}"}
				}
				raw, err := json.Marshal(settings)
				if err != nil {
					t.Fatal(err)
				}
				set := func(t *testing.T, to bool) {
					t.Helper()
					well.Store(to)
					if !to {
						if err := os.WriteFile(broken, nil, 0o600); err != nil {
							t.Fatal(err)
						}
					} else if err := os.Remove(broken); err != nil {
						t.Fatal(err)
					}
				}
				return adaptertest.Fixture{
					Adapter: impatient{probe.New(os.Environ), &well}, Spec: ripcord.StepSpec{ID: "ready", Kind: "check", Adapter: probe.Kind, Settings: raw},
					Scope: scope, References: references, Secrets: []string{"t0ken-value"},
					Fingerprint: func(*testing.T) string { return "one world" },
					Breaks: []adaptertest.Break{{
						Name:  "unhealthy",
						Break: func(t *testing.T) { t.Helper(); set(t, false) },
						Mend:  func(t *testing.T) { t.Helper(); set(t, true) },
					}},
				}
			}})
		})
	}
}

// impatient gives every Apply a deadline, as a plan's time-out does: a short one
// where nothing is to be waited for.
type impatient struct {
	ripcord.Adapter
	well *atomic.Bool
}

func (i impatient) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	step, err := i.Adapter.Open(ctx, spec, scope)
	if err != nil {
		return nil, err
	}
	return impatientStep{step.(*probe.Step), i.well}, nil
}

type impatientStep struct {
	*probe.Step
	well *atomic.Bool
}

func (s impatientStep) Apply(ctx context.Context, a ripcord.Attempt) error {
	limit := 300 * time.Millisecond
	if s.well.Load() {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.Step.Apply(ctx, a)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			_, _ = fmt.Fprint(w, "all is well")
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprint(w, "\n\ndatabase is \x1b[31mgone\nsecond line\n")
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/hang":
			<-r.Context().Done()
		}
	})
	tests := []struct {
		name     string
		settings map[string]any
		want     string // in the failure; empty is well
	}{
		{"well", map[string]any{"http": s.URL + "/ok", "contains": "is well"}, ""},
		{"status asked for", map[string]any{"http": s.URL + "/teapot", "status": 418}, ""},
		{"status", map[string]any{"http": s.URL + "/broken"}, "status 500: database is [31mgone"},
		{"other status", map[string]any{"http": s.URL + "/ok", "status": 204}, "status 200, expected 204"},
		{"text", map[string]any{"http": s.URL + "/ok", "contains": "v2"}, `does not contain "v2": all is well`},
		{"redirect", map[string]any{"http": s.URL + "/moved"}, "status 302 to /ok"},
		{"redirect asked for", map[string]any{"http": s.URL + "/moved", "status": 302}, ""},
		{"redirect followed", map[string]any{"http": s.URL + "/moved", "follow_redirects": true, "contains": "well"}, ""},
		{"redirect in a circle", map[string]any{"http": s.URL + "/round", "follow_redirects": true}, "more than 5 redirects"},
		{"hangs", map[string]any{"http": s.URL + "/hang", "attempt_timeout": 0.02}, "no answer within 20ms"},
		{"refused", map[string]any{"http": "http://" + refusing(t) + "/"}, "connection refused"},
		{"one of two", map[string]any{"targets": s.Listener.Addr().String() + ", " + refusing(t), "path": "/ok"}, "1 of 2 targets are not well"},
		{"http is a path", map[string]any{"targets": s.Listener.Addr().String(), "http": "/ok"}, ""},
		{"tcp targets", map[string]any{"targets": s.Listener.Addr().String()}, ""},
		{"no targets", map[string]any{"targets": " , "}, "no target"},
		{"tcp", map[string]any{"tcp": s.Listener.Addr().String()}, ""},
		{"tcp refused", map[string]any{"tcp": refusing(t)}, "connection refused"},
		{"command", map[string]any{"command": []string{"sh", "-c", `test "$RIPCORD_VERSION" = v2`}}, ""},
		{"command fails", map[string]any{"command": []string{"sh", "-c", "echo replica lags >&2; exit 3"}}, "exit status 3: replica lags"},
		{"command hangs", map[string]any{"command": []string{"sleep", "60"}, "attempt_timeout": 0.05}, "no answer within 50ms"},
	}
	var all sync.WaitGroup // most of them do nothing but wait: all at once
	for _, test := range tests {
		all.Go(func() {
			within := time.Minute
			if test.want != "" {
				within = 4 * time.Second
			}
			err := ask(t, adaptertest.NewScope(t), test.settings, within)
			if test.want == "" {
				if err != nil {
					t.Errorf("%s: %v", test.name, err)
				}
				return
			}
			f, ok := errors.AsType[*ripcord.Failure](err)
			if !ok || !strings.Contains(f.Summary, test.want) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
			}
		})
	}
	all.Wait()
}

// refusing is an address where nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestFlappingDoesNotPass(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%3 == 0 {
			http.Error(w, "every third fails", http.StatusBadGateway)
		}
	})
	err := ask(t, adaptertest.NewScope(t), map[string]any{"http": s.URL, "successes": 3, "interval": 0.01}, 4*time.Second)
	f, ok := errors.AsType[*ripcord.Failure](err)
	if !ok || f.Class != ripcord.FailedHealth || !strings.Contains(strings.Join(f.Lines, "\n"), "every third fails") {
		t.Fatalf("error %v with %v", err, f)
	}
	if n.Load() < 6 {
		t.Fatalf("asked %d times only", n.Load())
	}
}

// TestGoodAndBadByTurns: what answers well every other time does not pass, however
// few good answers are asked for, and the failure calls it by its name.
func TestGoodAndBadByTurns(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%4 >= 2 {
			http.Error(w, "every other pair fails", http.StatusBadGateway)
		}
	})
	err := ask(t, adaptertest.NewScope(t), map[string]any{"http": s.URL, "successes": 2, "stable": 0.03, "interval": 0.01}, 4*time.Second)
	f, ok := errors.AsType[*ripcord.Failure](err)
	if !ok || f.Class != ripcord.FailedHealth || !strings.Contains(f.Summary, "it is flapping: well and not well by turns") || !strings.Contains(f.Summary, "every other pair fails") {
		t.Fatalf("error %v", err)
	}
}

// TestStable: good answers have to last.
func TestStable(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := serve(t, func(http.ResponseWriter, *http.Request) { n.Add(1) })
	settings := map[string]any{"http": s.URL, "successes": 2, "stable": 0.05, "interval": 0.01}
	if err := ask(t, adaptertest.NewScope(t), settings, time.Minute); err != nil {
		t.Fatal(err)
	}
	if n.Load() != 6 {
		t.Fatalf("asked %d times, want 6: 50 ms, every 10 ms", n.Load())
	}
}

func TestRecovers(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < 4 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
		}
	})
	if err := ask(t, adaptertest.NewScope(t), map[string]any{"http": s.URL}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if n.Load() != 6 {
		t.Fatalf("asked %d times, want 3 bad and 3 good", n.Load())
	}
}

// TestProbe: a dependency is asked a few times; one instance that answers is enough.
func TestProbe(t *testing.T) {
	t.Parallel()
	well := serve(t, func(http.ResponseWriter, *http.Request) {}).Listener.Addr().String()
	ill := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no database", http.StatusServiceUnavailable)
	}).Listener.Addr().String()
	var n atomic.Int64
	second := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}).Listener.Addr().String()
	scope := adaptertest.NewScope(t)
	for i, at := range []string{well, ill} {
		err := scope.Supervisor.Start(t.Context(), ripcord.Instance{
			ID: fmt.Sprintf("shop/test/api/blue/%d", i), Args: []string{"sleep", "60"}, Labels: map[string]string{"address": at},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name, says string
		settings   map[string]any
	}{
		{"one is enough", "", map[string]any{"targets": ill + "," + well, "path": "/"}},
		{"none", "status 503: no database", map[string]any{"targets": ill + "," + refusing(t), "path": "/"}},
		{"asked twice", "", map[string]any{"targets": second, "path": "/"}},
		{"instances", "", map[string]any{"instances": "shop/test/api/", "path": "/"}},
		{"no instance", "no instance of it runs", map[string]any{"instances": "shop/test/web/", "path": "/"}},
		{"no target", "there is no target", map[string]any{"targets": " , "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.settings["interval"] = 0.01
			err := open(t, scope, test.settings).(ripcord.Prober).Probe(t.Context())
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("said %v, want %q", err, test.says)
			}
		})
	}
}

func TestNoProxyFromEnvironment(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTP_PROXY", "http://"+refusing(t))
	t.Setenv("http_proxy", "http://"+refusing(t))
	// A name that is not loopback by itself would go through a proxy.
	if err := ask(t, adaptertest.NewScope(t), map[string]any{"http": s.URL}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		`{}`:                                     "nothing is asked",
		`{"http":"x","tcp":"y"}`:                 "more than one",
		`{"http":"127.0.0.1:80/x"}`:              "is not a URL",
		`{"http":"/healthz"}`:                    "is not a URL",
		`{"tcp":"localhost"}`:                    "is not an address",
		`{"command":[]}`:                         "the command is empty",
		`{"tcp":"a:1","status":200}`:             "need http",
		`{"http":"http://a/","status":9}`:        "is not an HTTP status",
		`{"targets":"a:1","path":"x"}`:           "does not begin with /",
		`{"http":"http://a/","path":"/x"}`:       "path needs targets",
		`{"http":"http://a/","interval":0.0001}`: "interval",
		`{"http":"http://a/","successes":-1}`:    "successes",
		`{"http":"http://a/","unknown":1}`:       "unknown",
	} {
		_, err := probe.New(nil).Open(t.Context(), ripcord.StepSpec{Settings: []byte(settings)}, ripcord.Scope{})
		if ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", settings, err, want)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add(`{"http":"http://a/","successes":3,"interval":1}`)
	f.Add(`{"targets":"a:1,b:2","path":"/x","status":200}`)
	f.Add(`{"command":["a"],"environment":{"A":"${secret:B}"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		step, err := probe.New(nil).Open(t.Context(), ripcord.StepSpec{Settings: []byte(text)}, ripcord.Scope{})
		if err != nil && ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil {
			if _, err := step.(ripcord.Explainer).Explain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
