package haproxy_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/haproxy"
)

func metric(t *testing.T, b *balancer, value string, sides ripcord.Sides) ripcord.Metric {
	t.Helper()
	settings, err := json.Marshal(map[string]string{"socket": b.socket, "backend": "shop", "value": value})
	if err != nil {
		t.Fatal(err)
	}
	m, err := haproxy.NewSource(time.Now).Open(t.Context(), ripcord.MetricSpec{Name: "errors", Source: haproxy.Kind, Settings: settings}, sides, ripcord.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func reading(t *testing.T, m ripcord.Metric) ripcord.Reading {
	t.Helper()
	r, err := m.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func total(arm ripcord.Arm) (requests, failures float64) {
	for _, c := range arm.Counters {
		requests, failures = requests+c.Requests, failures+c.Failures
	}
	return requests, failures
}

// TestMetricCounts sends good, bad and dropped requests to both sides and kills a
// server: each request is counted once, on the side that had it.
func TestMetricCounts(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, "  retries 0\n  retry-on none\n"+lines("blue", blue))
	apply(t, open(t, scope, spec(t, b, "green", map[string]any{"weight": 50}, green)))
	m := metric(t, b, "", ripcord.Sides{New: ripcord.Side{Colour: "green"}, Old: ripcord.Side{Addresses: blue.addr()}})
	ask := func(path string, n int) {
		for range n {
			response, err := http.Get("http://" + b.listen + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
		}
	}
	ask("/", 10)
	ask("/bad", 4)
	ask("/drop", 2)
	r := reading(t, m)
	newer, badNew := total(r.New)
	older, badOld := total(r.Old)
	if newer+older != 16 || badNew+badOld != 6 || newer == 0 || older == 0 {
		t.Errorf("%+v", r)
	}
	series := r.New.Counters[0].Series
	b.ask(t, "set server shop/blue1 state maint; disable health shop/green1")
	green.Close()
	ask("/", 3)
	if requests, failures := total(reading(t, m).New); requests != newer+3 || failures != badNew+3 {
		t.Errorf("after the end of a server: %v requests, %v failures", requests, failures)
	}
	b.restart(t)
	r = reading(t, m)
	if r.New.HasData() || !r.Old.HasData() || r.Old.Counters[0].Requests != 0 {
		t.Errorf("after a restart: %+v", r)
	}
	if r.Old.Counters[0].Series == series {
		t.Errorf("the series %s survives a restart", series)
	}
	b.stop()
	if r, err := m.Read(t.Context()); err == nil {
		t.Errorf("without HAProxy: %+v", r)
	}
}

func TestMetricAverage(t *testing.T) {
	t.Parallel()
	blue := startTarget(t, "blue")
	b := startBalancer(t, lines("blue", blue))
	m := metric(t, b, "ttime", ripcord.Sides{Old: ripcord.Side{Colour: "blue"}, New: ripcord.Side{Colour: "green"}})
	if r := reading(t, m); r.Old.Value != nil || r.New.Value != nil {
		t.Errorf("without requests: %+v", r)
	}
	b.answers(t, 5)
	if r := reading(t, m); r.Old.Value == nil || *r.Old.Value < 0 || *r.Old.Value > 10 || r.New.Value != nil {
		t.Errorf("%+v", r)
	}
}

func TestMetricRefuses(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{`{}`, `{"socket":"x","backend":"shop"}`, `{"socket":"/x","backend":""}`, `{"socket":"/x","backend":"a b"}`, `{"socket":"/x","backend":"a","value":"p99"}`, `{"socket":"/x","backend":"a","more":1}`} {
		_, err := haproxy.NewSource(time.Now).Open(t.Context(), ripcord.MetricSpec{Name: "m", Settings: []byte(settings)}, ripcord.Sides{}, ripcord.Scope{})
		if ripcord.CodeOf(err) != ripcord.CodePlan || err == nil {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
