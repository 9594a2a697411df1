package httpmetric_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/httpmetric"
)

// page is a server whose answer can be changed.
type page struct {
	*httptest.Server
	mu    sync.Mutex
	text  string
	asked int
}

func start(t *testing.T, text string) *page {
	t.Helper()
	p := &page{text: text}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		if strings.HasPrefix(p.text, "!") {
			http.Error(w, p.text[1:], http.StatusTeapot)
			return
		}
		_, _ = w.Write([]byte(p.text))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *page) says(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

func (p *page) addr() string { return strings.TrimPrefix(p.URL, "http://") }

func spec(t *testing.T, of map[string]any) ripcord.MetricSpec {
	t.Helper()
	data, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	return ripcord.MetricSpec{Name: "errors", Source: httpmetric.Kind, Settings: data}
}

func open(t *testing.T, of map[string]any, sides ripcord.Sides) ripcord.Metric {
	t.Helper()
	m, err := httpmetric.NewSource(time.Now).Open(t.Context(), spec(t, of), sides, ripcord.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func shared(url string) map[string]any {
	const server = "$.servers[?(@.address == '${side.addresses}')]."
	return map[string]any{"url": url, "requests": server + "requests", "failures": server + "failures"}
}

const two = `{"servers":[{"address":"a:1","requests":100,"failures":"1"},{"address":"a:2","requests":50,"failures":2},{"address":"b:1","requests":7,"failures":0}]}`

func sides() ripcord.Sides {
	return ripcord.Sides{New: ripcord.Side{Addresses: "b:1", Version: "v2"}, Old: ripcord.Side{Addresses: "a:1,a:2", Version: "v1"}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("one page", func(t *testing.T) {
		t.Parallel()
		adaptertest.RunSource(t, adaptertest.SourceConfig{New: func(t *testing.T) adaptertest.SourceFixture {
			t.Helper()
			p := start(t, two)
			of := shared(p.URL + "/${secret:TOKEN}")
			of["headers"] = map[string]string{"Authorization": "Bearer ${secret:TOKEN}"}
			scope := adaptertest.NewScope(t)
			scope.Secrets = adaptertest.Secrets{"TOKEN": "geheim"}
			return adaptertest.SourceFixture{
				Source: httpmetric.NewSource(time.Now), Spec: spec(t, of), Sides: sides(), Scope: scope,
				Silence: func(*testing.T) { p.says("!who is geheim?") }, Secrets: []string{"geheim"},
			}
		}})
	})
	t.Run("value", func(t *testing.T) {
		t.Parallel()
		adaptertest.RunSource(t, adaptertest.SourceConfig{New: func(t *testing.T) adaptertest.SourceFixture {
			t.Helper()
			p := start(t, `{"b:1":5,"a:1":6,"a:2":8}`)
			return adaptertest.SourceFixture{
				Source: httpmetric.NewSource(time.Now), Sides: sides(), Scope: adaptertest.NewScope(t),
				Spec:    spec(t, map[string]any{"url": p.URL, "value": "$['${side.addresses}']"}),
				Silence: func(*testing.T) { p.Close() },
			}
		}})
	})
}

// TestEachInstance: two instances are two series, and one page is asked once.
func TestEachInstance(t *testing.T) {
	t.Parallel()
	p := start(t, two)
	r, err := open(t, shared(p.URL), sides()).Read(t.Context())
	if err != nil || len(r.Old.Counters) != 2 || len(r.New.Counters) != 1 || p.asked != 1 {
		t.Fatalf("%+v, %v, asked %d times", r, err, p.asked)
	}
	if c := r.Old.Counters[1]; c.Series != "a:2" || c.Requests != 50 || c.Failures != 2 {
		t.Errorf("%+v", c)
	}
	a, b := start(t, `{"heap":4}`), start(t, `{"heap":8}`)
	both := ripcord.Sides{New: ripcord.Side{Addresses: a.addr() + "," + b.addr()}}
	r, err = open(t, map[string]any{"url": "http://${side.addresses}/stats", "value": "$.heap"}, both).Read(t.Context())
	if err != nil || r.New.Value == nil || *r.New.Value != 6 {
		t.Errorf("the average of two instances: %+v, %v", r, err)
	}
	b.Close()
	if r, err := open(t, map[string]any{"url": "http://${side.addresses}/stats", "value": "$.heap"}, both).Read(t.Context()); err == nil {
		t.Errorf("one of them is dead: %+v", r)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]string{
		`{"v":5}`: "5", `{"v":" 5.0 "}`: "5", `{}`: "", `{"v":null}`: "", `{"v":"NaN"}`: "", `[]`: "", `7`: "",
		`{"v":"many"}`: "no number", `{"v":true}`: "no number", `{"v":[1]}`: "a list", `{"v":{}}`: "an object", `{"v":"+Inf"}`: "infinite",
		`<html>`: "not JSON", ``: "not JSON", `!sorry`: "answers 418: sorry",
	} {
		p := start(t, page)
		r, err := open(t, map[string]any{"url": p.URL, "value": "$.v"}, sides()).Read(t.Context())
		got := ""
		if r.New.Value != nil && *r.New.Value == 5 {
			got = "5"
		}
		if err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", page, got, want)
		}
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	_, err := open(t, map[string]any{"url": s.URL, "value": "$.v", "timeout": .2}, sides()).Read(t.Context())
	if err == nil || !strings.Contains(err.Error(), "has not answered within 200ms") {
		t.Error(err)
	}
}

func TestSeveral(t *testing.T) {
	t.Parallel()
	p := start(t, two)
	_, err := open(t, map[string]any{"url": p.URL, "value": "$.servers[*].requests"}, sides()).Read(t.Context())
	if err == nil || !strings.Contains(err.Error(), "leads to 3 values") {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, of := range []map[string]any{
		{"url": "http://x", "value": "v"},
		{"url": "http://x", "value": "$.["},
		{"url": "http://x", "value": "$.a b"},
		{"url": "http://x", "buckets": "$.${side.colour}"},
		{"url": "http://x", "requests": "$.r", "failures": "$.f"},
		{"url": "x", "value": "$.v"},
		{"value": "$.v"},
	} {
		_, err := httpmetric.NewSource(time.Now).Open(t.Context(), spec(t, of), ripcord.Sides{}, ripcord.Scope{})
		if err == nil || ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%v: %v", of, err)
		}
	}
}
