package watch_test

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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/watch"
)

func settings(t *testing.T, v map[string]any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func open(t *testing.T, scope ripcord.Scope, v map[string]any) ripcord.Step {
	t.Helper()
	step, err := watch.New(os.Environ).Open(t.Context(), ripcord.StepSpec{ID: "watch", Settings: settings(t, v)}, scope)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

func wantFailure(t *testing.T, err error, want string) []string {
	t.Helper()
	f, ok := errors.AsType[*ripcord.Failure](err)
	if !ok || f.Class != ripcord.FailedHealth || !strings.Contains(f.Summary, want) {
		t.Fatalf("error %v, want a failure of health with %q", err, want)
	}
	return f.Lines
}

func TestConformance(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{
		Without: map[adaptertest.Part]string{
			adaptertest.PartCheck: "nothing is there to be found", adaptertest.PartChange: "a watch changes nothing",
			adaptertest.PartUndo: "nothing changes", adaptertest.PartUndoAgain: "nothing changes",
		},
		New: func(t *testing.T) adaptertest.Fixture {
			t.Helper()
			well := &atomic.Bool{}
			well.Store(true)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if !well.Load() {
					http.Error(w, "t0ken-value is wrong", http.StatusInternalServerError)
				}
			}))
			t.Cleanup(s.Close)
			scope := adaptertest.NewScope(t)
			scope.Secrets = adaptertest.Secrets{"TOKEN": "t0ken-value"}
			return adaptertest.Fixture{
				Adapter: watch.New(os.Environ), Scope: scope,
				Spec: ripcord.StepSpec{ID: "watch", Kind: "watch", Adapter: watch.Kind, Settings: settings(t, map[string]any{
					"for": 0.1, "interval": 0.02, "failures": 2, "targets": s.Listener.Addr().String(), "path": "/healthz",
					"checks": []any{map[string]any{"http": s.URL + "/${secret:TOKEN}"}},
				})},
				References: []string{"targets"}, Secrets: []string{},
				Fingerprint: func(*testing.T) string { return "one world" },
				Breaks: []adaptertest.Break{{
					Name:  "unhealthy",
					Break: func(t *testing.T) { t.Helper(); well.Store(false) },
					Mend:  func(t *testing.T) { t.Helper(); well.Store(true) },
				}},
			}
		},
	})
}

func TestHealthFails(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch at := n.Add(1); {
		case at == 4, at == 5: // two of three: not yet
			http.Error(w, "a hiccup", http.StatusBadGateway)
		case at > 9:
			http.Error(w, "the cache is gone", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	j := adaptertest.NewJournal("run-1/watch", ripcord.Observation{})
	err := open(t, adaptertest.NewScope(t), map[string]any{
		"for": 60, "interval": 0.01, "checks": []any{map[string]any{"http": s.URL + "/healthz"}},
	}).Apply(t.Context(), j.Attempt(1))
	lines := wantFailure(t, err, "/healthz: status 503: the cache is gone, 3 times in a row")
	if len(lines) == 0 || lines[0] != "the cache is gone" {
		t.Errorf("lines %q", lines)
	}
	if got := n.Load(); got != 12 {
		t.Errorf("asked %d times, want 12", got)
	}
	if !strings.Contains(j.Output(), "well again") {
		t.Errorf("output %q", j.Output())
	}
}

// supervisor plays instances in fake time.
type supervisor struct {
	ripcord.Supervisor
	mu  sync.Mutex
	all []ripcord.InstanceStatus
}

func (s *supervisor) List(_ context.Context, prefix string) ([]ripcord.InstanceStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.all), func(i ripcord.InstanceStatus) bool { return !strings.HasPrefix(i.ID, prefix) }), nil
}

func (s *supervisor) Tail(context.Context, string, int) ([]string, error) {
	return []string{"serving", "panic: out of stock", ""}, nil
}

func (s *supervisor) set(f func(all []ripcord.InstanceStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.all)
}

func running() *supervisor {
	old := &ripcord.Exit{Code: 9}
	return &supervisor{all: []ripcord.InstanceStatus{
		{ID: "shop/test/web/green/1", Running: true, Restarts: 4, LastExit: old},
		{ID: "shop/test/web/green/2", Running: true},
	}}
}

// TestFlappingFails: bad looks that are never enough in a row fail the watch when
// they come by turns with good ones.
func TestFlappingFails(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if at := n.Add(1); at > 10 && at%3 == 0 {
			http.Error(w, "the pool is empty", http.StatusBadGateway)
		}
	}))
	t.Cleanup(s.Close)
	j := adaptertest.NewJournal("run-1/watch", ripcord.Observation{})
	err := open(t, adaptertest.NewScope(t), map[string]any{
		"for": 60, "interval": 0.01, "checks": []any{map[string]any{"http": s.URL + "/healthz"}},
	}).Apply(t.Context(), j.Attempt(1))
	wantFailure(t, err, "/healthz: it is flapping: well and not well by turns, 5 changes within its newest 18 answers")
	wantFailure(t, err, "its last bad answer: status 502: the pool is empty")
	if got := n.Load(); got != 18 {
		t.Errorf("asked %d times, want 18: the third fall", got)
	}
}

func TestCrashedInstance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		happen func(all []ripcord.InstanceStatus)
		want   string
	}{
		{"restarted", func(all []ripcord.InstanceStatus) {
			all[0].Restarts, all[0].LastExit = 5, &ripcord.Exit{Code: 2}
		}, "web green instance 1 crashed (exit status 2) 41 s into the watch: panic: out of stock"},
		{"not yet restarted", func(all []ripcord.InstanceStatus) {
			all[1].Running, all[1].LastExit = false, &ripcord.Exit{Signal: "killed", Tail: []string{"last words"}}
		}, "web green instance 2 crashed (signal killed) 41 s into the watch: last words"},
		{"panicked", func(all []ripcord.InstanceStatus) {
			all[1].Running, all[1].LastExit = false, &ripcord.Exit{Code: 2, Tail: []string{"open", "panic: out of stock", "", "goroutine 7 [running]:", "\tshop/main.go:64 +0x186"}}
		}, "web green instance 2 crashed (exit status 2) 41 s into the watch: panic: out of stock"},
		{"not started", func(all []ripcord.InstanceStatus) { all[1].Running = false }, "web green instance 2 does not run"},
		{"gone", func(all []ripcord.InstanceStatus) { all[1].ID = "other/x/y/z/1" }, "web green instance 2 is no longer supervised"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := running()
				time.AfterFunc(41*time.Second+time.Millisecond, func() { s.set(test.happen) })
				j := adaptertest.NewJournal("k", ripcord.Observation{})
				step := open(t, ripcord.Scope{Supervisor: s}, map[string]any{"for": 600, "interval": 0.7, "instances": "shop/test/web/green/"})
				started := time.Now()
				wantFailure(t, step.Apply(t.Context(), j.Attempt(1)), test.want)
				if took := time.Since(started); took > 50*time.Second {
					t.Errorf("it took %s to notice", took)
				}
			})
		})
	}
}

// TestTargetsAreInstances names no instances: those that listen at the targets
// are watched, the old ones beside them are not.
func TestTargetsAreInstances(t *testing.T) {
	t.Parallel()
	l := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(l.Close)
	s := running()
	s.all[0].Labels = map[string]string{"address": l.Listener.Addr().String()}
	set := map[string]any{"for": 0.3, "interval": 0.02, "targets": l.Listener.Addr().String(), "path": "/healthz"}
	s.set(func(all []ripcord.InstanceStatus) { all[1].Running, all[1].LastExit = false, &ripcord.Exit{Code: 1} })
	j := adaptertest.NewJournal("k", ripcord.Observation{})
	if err := open(t, ripcord.Scope{Application: "shop", Environment: "test", Supervisor: s}, set).Apply(t.Context(), j.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	set["for"] = 60
	time.AfterFunc(2*time.Second, func() { // it has looked before
		s.set(func(all []ripcord.InstanceStatus) { all[0].Restarts++ })
	})
	j = adaptertest.NewJournal("k", ripcord.Observation{})
	wantFailure(t, open(t, ripcord.Scope{Application: "shop", Environment: "test", Supervisor: s}, set).Apply(t.Context(), j.Attempt(1)), "web green instance 1 crashed")
}

// TestGoesOn kills a watch twice: it goes on with what is left, and an instance
// that crashed while nobody watched is noticed.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := running()
		j := adaptertest.NewJournal("k", ripcord.Observation{})
		set := map[string]any{"for": 60, "instances": "shop/test/web/green/"}
		watchFor := func(d time.Duration) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(d, cancel)
			return open(t, ripcord.Scope{Supervisor: s}, set).Apply(ctx, j.Attempt(1))
		}
		if err := watchFor(22*time.Second + time.Millisecond); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // nobody watches: this is not watched time
		started := time.Now()
		if err := watchFor(time.Hour); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took != 40*time.Second {
			t.Errorf("the rest took %s, want the 40 s that were not recorded", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := running()
		j := adaptertest.NewJournal("k", ripcord.Observation{})
		set := map[string]any{"for": 60, "instances": "shop/test/web/green/"}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, cancel)
		if err := open(t, ripcord.Scope{Supervisor: s}, set).Apply(ctx, j.Attempt(1)); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		s.set(func(all []ripcord.InstanceStatus) { all[0].Restarts++ })
		wantFailure(t, open(t, ripcord.Scope{Supervisor: s}, set).Apply(t.Context(), j.Attempt(2)), "web green instance 1 crashed")
		// A person asked for another watch: it is a whole one.
		started := time.Now()
		if err := open(t, ripcord.Scope{Supervisor: s}, set).Apply(t.Context(), j.Attempt(3)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took != time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestRecordsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := adaptertest.NewJournal("k", ripcord.Observation{})
		step := open(t, ripcord.Scope{Supervisor: running()}, map[string]any{"for": 30, "instances": "shop/"})
		go func() {
			synctest.Wait()
			if len(j.Progress()) == 0 {
				t.Error("nothing was recorded at the start")
			}
		}()
		if err := step.Apply(t.Context(), j.Attempt(1)); err != nil {
			t.Fatal(err)
		}
		if n := len(j.Progress()); n != 8 {
			t.Errorf("recorded %d times, want at the start, every 5 s and at the end", n)
		}
	})
}

func TestNoDataIsNoSuccess(t *testing.T) {
	t.Parallel()
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hang.Close)
	j := adaptertest.NewJournal("k", ripcord.Observation{})
	err := open(t, adaptertest.NewScope(t), map[string]any{
		"for": 0.05, "checks": []any{map[string]any{"http": hang.URL, "attempt_timeout": 30}},
	}).Apply(t.Context(), j.Attempt(1))
	wantFailure(t, err, "no data")
}

// plane serves counters like the built-in proxy.
type plane struct {
	dir              string
	requests, failed atomic.Uint64
	step             atomic.Uint64 // requests that come with each look
	failing          atomic.Uint64
	// refused are those that the proxy refuses by itself, with each look.
	refused atomic.Uint64
	own     atomic.Uint64
}

func newPlane(t *testing.T) *plane {
	t.Helper()
	p := &plane{dir: t.TempDir()}
	socket := filepath.Join(p.dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.requests.Add(p.step.Load())
		p.failed.Add(p.failing.Load())
		p.own.Add(p.refused.Load())
		_, _ = fmt.Fprintf(w, `{"route":"green","listen":"x","sides":{"green":{"requests":%d,"failed":%d,"left":0,"status":{"5xx":%d},"errors":{"own":%d,"upstream":0}}}}`,
			p.requests.Load(), p.failed.Load(), p.failed.Load()+p.own.Load(), p.own.Load())
	})}
	go s.Serve(l) //nolint:errcheck // ends with the test
	t.Cleanup(func() { _ = s.Close() })
	if err := os.WriteFile(filepath.Join(p.dir, "control.addr"), []byte(socket+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProxy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		before         uint64 // failed before the watch
		step, failing  uint64
		proxy          map[string]any
		want           string
		restartCounter bool
	}{
		{"well", 1000, 10, 0, map[string]any{}, "", false},
		{"few errors", 0, 100, 5, map[string]any{"side": "green"}, "", false},
		{"errors", 0, 100, 6, map[string]any{"side": "green"}, "requests to green failed (6.0 %, at most 5.0 % are allowed)", false},
		{"no error allowed", 0, 1000, 1, map[string]any{"max_error_ratio": 0}, "failed", false},
		{"no traffic", 0, 0, 0, map[string]any{}, "", false},
		{"no traffic where it is demanded", 0, 0, 0, map[string]any{"min_requests": 20, "demanded": true}, "no data: only 0 requests", false},
		{"no traffic needed", 0, 0, 0, map[string]any{"min_requests": 0}, "", false},
		{"other side", 0, 10, 0, map[string]any{"side": "blue"}, `it knows no side "blue"`, false},
		{"counters begin anew", 1000, 10, 0, map[string]any{}, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t)
			p.requests.Store(test.before)
			p.failed.Store(test.before)
			p.step.Store(test.step)
			p.failing.Store(test.failing)
			if test.restartCounter {
				time.AfterFunc(50*time.Millisecond, func() { p.requests.Store(0); p.failed.Store(0) })
			}
			test.proxy["directory"] = p.dir
			j := adaptertest.NewJournal("k", ripcord.Observation{})
			err := open(t, adaptertest.NewScope(t), map[string]any{"for": 1, "interval": 0.02, "proxy": test.proxy}).Apply(t.Context(), j.Attempt(1))
			if test.want != "" {
				wantFailure(t, err, test.want)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestProxyRefuses: what the proxy refuses by itself is no failure of the version;
// too much of it is told as what it is.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	for refused, want := range map[uint64]string{
		4:  "", // with 2 failures it would be 6 %
		50: "the proxy refused ",
	} {
		p := newPlane(t)
		p.step.Store(100)
		p.failing.Store(2)
		p.refused.Store(refused)
		j := adaptertest.NewJournal("k", ripcord.Observation{})
		err := open(t, adaptertest.NewScope(t), map[string]any{"for": 0.3, "interval": 0.02, "proxy": map[string]any{"directory": p.dir}}).Apply(t.Context(), j.Attempt(1))
		if want != "" {
			wantFailure(t, err, want)
		} else if err != nil {
			t.Errorf("%d refused: %v", refused, err)
		}
	}
}

func TestProxyGone(t *testing.T) {
	t.Parallel()
	j := adaptertest.NewJournal("k", ripcord.Observation{})
	err := open(t, adaptertest.NewScope(t), map[string]any{"for": 10, "interval": 0.02, "proxy": map[string]any{"directory": t.TempDir()}}).
		Apply(t.Context(), j.Attempt(1))
	wantFailure(t, err, "counters cannot be read")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                      "for must lie above 0",
		`{"for":-1}`:              "for must lie above 0",
		`{"for":1e9}`:             "below 30 days",
		`{"for":1,"interval":-1}`: "interval",
		`{"for":1,"path":"/x"}`:   "path needs targets",
		`{"for":1,"checks":[{}]}`: "nothing is asked",
		`{"for":1,"proxy":{}}`:    "needs its directory",
		`{"for":1,"proxy":{"directory":"x","max_error_ratio":1}}`: "max_error_ratio",
		`{"for":1,"unknown":1}`:                                   "unknown",
	} {
		_, err := watch.New(nil).Open(t.Context(), ripcord.StepSpec{Settings: []byte(text)}, ripcord.Scope{})
		if ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add(`{"for":10,"checks":[{"http":"http://a/"}],"proxy":{"directory":"x"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := watch.New(nil).Open(t.Context(), ripcord.StepSpec{Settings: []byte(text)}, ripcord.Scope{})
		if err != nil && ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// TestSeveralServices: each service's new instances are watched and named by
// service and colour; the old colour may end without harm.
func TestSeveralServices(t *testing.T) {
	t.Parallel()
	all := func() *supervisor {
		s := running()
		s.all = append(s.all,
			ripcord.InstanceStatus{ID: "shop/test/web/blue/1", Running: true},
			ripcord.InstanceStatus{ID: "shop/test/api/blue/1", Running: true},
			ripcord.InstanceStatus{ID: "shop/test/api/green/1", Running: true})
		return s
	}
	for crashing, want := range map[string]string{
		"shop/test/web/blue/1": "", "shop/test/api/green/1": "", "shop/test/api/blue/1": "api blue instance 1 crashed (exit status 3)",
		"shop/test/web/green/2": "web green instance 2 crashed (exit status 3)",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := all()
			time.AfterFunc(3*time.Second, func() {
				s.set(func(all []ripcord.InstanceStatus) {
					for i := range all {
						if all[i].ID == crashing {
							all[i].Running, all[i].LastExit = false, &ripcord.Exit{Code: 3}
						}
					}
				})
			})
			j := adaptertest.NewJournal("k", ripcord.Observation{})
			step := open(t, ripcord.Scope{Supervisor: s}, map[string]any{"for": 10, "instances": "shop/test/web/green/,shop/test/api/blue/"})
			err := step.Apply(t.Context(), j.Attempt(1))
			if want == "" && err != nil {
				t.Errorf("%s of the old version fails the watch: %v", crashing, err)
			}
			if want != "" {
				wantFailure(t, err, want)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	step := open(t, ripcord.Scope{}, map[string]any{
		"for": 5, "interval": 0.05, "failures": 1, "targets": "${steps.deploy-web.outputs.addresses},${steps.deploy-api.outputs.addresses}", "path": "/healthz",
		"checks":    []any{map[string]any{"command": []string{"sh", "-c", "test -e x"}}},
		"instances": "w/default/web/${steps.deploy-web.outputs.colour}/,w/default/api/${steps.deploy-api.outputs.colour}/",
		"proxy":     map[string]any{"directory": "x"},
	})
	explainer, ok := step.(ripcord.Explainer)
	if !ok {
		t.Fatal("it does not explain itself")
	}
	want := "watches for 5s, every 50ms, that `test -e x` exits with 0, the new instances (deploy-web, deploy-api) answer /healthz, " +
		"at most 5 % of the requests to the new version fail (judged from 20 requests on) and no new instance of web or api crashes; " +
		"one bad look fails the release"
	if got, err := explainer.Explain(t.Context()); err != nil || got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}
