package prometheus_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/prometheus"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	older, newer := startInstance(t, counts(100, 1)), startInstance(t, counts(50, 2))
	s := startServer(t, older, newer)
	sides := ripcord.Sides{New: side(newer), Old: side(older)}
	awaits(t, open(t, s.url, counters(), sides), "both are scraped", func(r ripcord.Reading) bool { return r.New.HasData() && r.Old.HasData() })
	behind, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]map[string]any{
		"counters": counters(),
		"value":    {"value": "sum(shop_requests_total" + mine + ")"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adaptertest.RunSource(t, adaptertest.SourceConfig{New: func(t *testing.T) adaptertest.SourceFixture {
				t.Helper()
				relay := httptest.NewServer(httputil.NewSingleHostReverseProxy(behind))
				t.Cleanup(relay.Close)
				of := maps.Clone(of)
				of["headers"] = map[string]string{"Authorization": "Bearer ${secret:TOKEN}"}
				scope := adaptertest.NewScope(t)
				scope.Secrets = adaptertest.Secrets{"TOKEN": "geheim"}
				return adaptertest.SourceFixture{
					Source: prometheus.NewSource(time.Now), Spec: settings(t, relay.URL, of), Sides: sides, Scope: scope,
					Silence: func(*testing.T) { relay.Close() }, Secrets: []string{"geheim"},
				}
			}})
		})
	}
}

// TestCounters: two instances a side, one of which starts again; kinds of
// failures that come and go; failures of another metric.
func TestCounters(t *testing.T) {
	t.Parallel()
	a, b, c := startInstance(t, counts(100, 7)), startInstance(t, counts(200, 0)), startInstance(t, counts(50, 2))
	s := startServer(t, a, b, c)
	sides := ripcord.Sides{Old: side(a, b), New: side(c)}
	m := open(t, s.url, counters(), sides)
	r := awaits(t, m, "all are counted", func(r ripcord.Reading) bool { return has(r.Old, 307, 7) && has(r.New, 52, 2) })
	if len(r.Old.Counters) != 2 || r.Old.Counters[0].Series == r.Old.Counters[1].Series {
		t.Errorf("two instances are not two series: %+v", r.Old)
	}
	other := open(t, s.url, map[string]any{"requests": mineOf, "failures": mineErrs}, sides)
	if r, err := other.Read(t.Context()); err != nil || !has(r.Old, 307, 7) || !has(r.New, 52, 2) {
		t.Errorf("failures of another metric: %+v, %v", r, err)
	}
	before := r.Old.Counters
	a.stop()
	awaits(t, m, "the dead one is not counted", func(r ripcord.Reading) bool { return has(r.Old, 200, 0) })
	a.says("shop_requests_total{code=\"200\"} 3\n")
	a.start(t)
	r = awaits(t, m, "it is counted from zero", func(r ripcord.Reading) bool { return has(r.Old, 203, 0) })
	for i, counter := range r.Old.Counters {
		if counter.Series != before[i].Series {
			t.Errorf("series %s is now called %s", before[i].Series, counter.Series)
		}
	}
	a.says(counts(5, 1))
	awaits(t, m, "its failures are counted", func(r ripcord.Reading) bool { return has(r.Old, 206, 1) })
}

// TestStale: an instance whose samples carry times of their own leaves no mark
// when it ends; Prometheus gives its last number for five minutes more.
func TestStale(t *testing.T) {
	t.Parallel()
	text := "shop_requests_total{code=\"200\"} 10 NOW\nshop_memory 5 NOW\n"
	a, b := startInstance(t, text), startInstance(t, text)
	s := startServer(t, a, b)
	m := open(t, s.url, counters(), ripcord.Sides{Old: side(a), New: side(b)})
	value := open(t, s.url, map[string]any{"value": "shop_memory" + mine}, ripcord.Sides{Old: side(a), New: side(b)})
	awaits(t, m, "both are counted", func(r ripcord.Reading) bool { return has(r.Old, 10, 0) && has(r.New, 10, 0) })
	awaits(t, value, "both have a value", func(r ripcord.Reading) bool { return r.Old.Value != nil && r.New.Value != nil })
	eventually(t, "how often it is scraped can be seen", b.scraped)
	b.stop()
	r := awaits(t, m, "the dead one has no data", func(r ripcord.Reading) bool { return !r.New.HasData() })
	if !has(r.Old, 10, 0) {
		t.Errorf("the other has %+v", r.Old)
	}
	awaits(t, value, "the dead one has no value", func(r ripcord.Reading) bool { return !r.New.HasData() && r.Old.HasData() })
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	text := func(a, b, all string) string {
		return "# TYPE shop_seconds histogram\nshop_seconds_bucket{le=\"0.1\",path=\"/\"} " + a + "\nshop_seconds_bucket{le=\"1\",path=\"/\"} " + b +
			"\nshop_seconds_bucket{le=\"+Inf\",path=\"/\"} " + all + "\nshop_seconds_bucket{le=\"0.1\",path=\"/x\"} 1\nshop_seconds_bucket{le=\"1\",path=\"/x\"} 1\nshop_seconds_bucket{le=\"+Inf\",path=\"/x\"} 1\n"
	}
	a, b := startInstance(t, text("10", "20", "30")), startInstance(t, text("1", "2", "3"))
	s := startServer(t, a, b)
	m := open(t, s.url, map[string]any{"buckets": "shop_seconds_bucket" + mine}, ripcord.Sides{Old: side(a), New: side(b)})
	r := awaits(t, m, "both are counted", func(r ripcord.Reading) bool { return has(r.Old, 31, 0) && has(r.New, 4, 0) })
	want := []ripcord.Bucket{{UpTo: .1, Count: 11}, {UpTo: 1, Count: 21}}
	if got := r.Old.Counters[0].Buckets; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("buckets %+v, want %+v", got, want)
	}
	m = open(t, s.url, map[string]any{"buckets": `shop_seconds_bucket{le!="+Inf",instance=~"${side.instances}"}`}, ripcord.Sides{New: side(b)})
	if _, err := m.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "+Inf") {
		t.Errorf("without the last bucket: %v", err)
	}
}

// TestOutcomes: data, no data and error are told apart.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	a := startInstance(t, "shop_good 5\nshop_nan NaN\nshop_inf +Inf\nshop_many{x=\"1\"} 1\nshop_many{x=\"2\"} 2\nshop_zero 0\n")
	s := startServer(t, a)
	one := ripcord.Sides{New: side(a)}
	awaits(t, open(t, s.url, map[string]any{"value": "shop_good" + mine}, one), "it is scraped", func(r ripcord.Reading) bool { return r.New.HasData() })
	for query, want := range map[string]string{
		"shop_good" + mine:                          "5",
		"sum(shop_many" + mine + ")":                "3",
		"scalar(shop_good" + mine + ")":             "5",
		"shop_nan" + mine:                           "",
		"sum(shop_nan" + mine + ")":                 "",
		"shop_none" + mine:                          "",
		"shop_zero" + mine + " / shop_zero":         "",
		"sum(shop_none" + mine + ")":                "",
		"shop_many" + mine:                          "gives 2 values",
		"shop_many" + mine + " * 2":                 "gives 2 values",
		"shop_inf" + mine:                           "infinite",
		"shop_good" + mine + "[1m]":                 "[...]",
		"sum(shop_good" + mine:                      "refuses the query (400)",
		"nonsense(shop_good" + mine + ")":           "unknown function",
		`shop_good{instance=~"${side.instances}("}`: "refuses the query (400)",
	} {
		r, err := open(t, s.url, map[string]any{"value": query}, one).Read(t.Context())
		got := ""
		if r.New.Value != nil {
			got = map[float64]string{5: "5", 3: "3"}[*r.New.Value]
		}
		if err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// TestFirstRelease: nothing is asked of a version that is not there.
func TestFirstRelease(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.FormValue("query"); strings.Contains(q, `=~""`) {
			t.Errorf("an empty pattern matches what is nobody's: %s", q)
		}
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[]}}`))
	}))
	defer s.Close()
	m := open(t, s.URL, counters(), ripcord.Sides{New: ripcord.Side{Addresses: "127.0.0.1:1"}, Old: ripcord.Side{Version: "v1"}})
	if r, err := m.Read(t.Context()); err != nil || r.New.HasData() || r.Old.HasData() {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestTrouble: each way of not answering is an error that says which it was.
func TestTrouble(t *testing.T) {
	t.Parallel()
	const data = `{"status":"success","data":{"resultType":"vector","result":[]}`
	for _, test := range []struct {
		name, want string
		answer     http.HandlerFunc
	}{
		{"slow", "has not answered within 200ms", func(_ http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm() // only what has been read is seen to end
			<-r.Context().Done()
		}},
		{"warnings", "may not be whole: one store is down", say(200, data+`,"warnings":["one store is down"]}`)},
		{"message", "refuses the query (422): too many samples", say(422, `{"status":"error","errorType":"execution","error":"too many samples"}`)},
		{"timeout", "could not answer (503, timeout): query timed out", say(503, `{"status":"error","errorType":"timeout","error":"query timed out"}`)},
		{"unauthorized", "answers 401: who are you?", say(401, "who are you?")},
		{"gateway", "answers 502", say(502, "<html>no</html>")},
		{"elsewhere", "leads elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }},
		{"page", "not that of a Prometheus", say(200, "<html>hello</html>")},
		{"histogram", "native histogram", say(200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}`)},
		{"secret", "refuses the query (400): bad ***", say(400, `{"status":"error","errorType":"bad_data","error":"bad geheim"}`)},
		{"long", "more than 8 MiB", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 9<<20)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(test.answer)
			defer s.Close()
			of := counters()
			of["timeout"], of["headers"] = .2, map[string]string{"X": "${secret:X}"}
			if test.name != "slow" {
				of["timeout"] = 10
			}
			scope := ripcord.Scope{Secrets: adaptertest.Secrets{"X": "geheim"}}
			m, err := prometheus.NewSource(time.Now).Open(t.Context(), settings(t, s.URL, of), ripcord.Sides{New: ripcord.Side{Addresses: "127.0.0.1:1"}}, scope)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Read(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
}

func say(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want string
		of   map[string]any
	}{
		{"give the counter itself, without rate", map[string]any{"requests": "sum(rate(" + mineOf + "[1m]))", "failures": mineBad}},
		{"without increase", map[string]any{"requests": mineOf, "failures": "increase(" + mineBad + "[1m])"}},
		{"expressions belong into value", map[string]any{"requests": "sum(" + mineOf + ")", "failures": mineBad}},
		{"expressions belong into value", map[string]any{"requests": mineOf + "[1m]", "failures": mineBad}},
		{"expressions belong into value", map[string]any{"requests": mineOf + " offset 1m", "failures": mineBad}},
		{"expressions belong into value", map[string]any{"requests": `x{instance=~"${side.instances}`, "failures": mineBad}},
		{"the same for both versions", map[string]any{"requests": "shop_requests_total", "failures": mineBad}},
		{"add `failures`", map[string]any{"requests": mineOf}},
		{"add `requests`", map[string]any{"failures": mineOf}},
		{"several things", map[string]any{"value": "x", "failures": mineOf}},
		{"_bucket", map[string]any{"buckets": "shop_seconds_count" + mine}},
		{"a timeout of", map[string]any{"value": "x", "timeout": 1e6}},
		{"no name of a header", map[string]any{"value": "x", "headers": map[string]string{"a b": "c"}}},
		{"ends with /graph", map[string]any{"value": "x", "url": "http://x:9090/graph"}},
		{"the url is none", map[string]any{"value": "x", "url": "127.0.0.1:9090"}},
		{"no address of HTTP", map[string]any{"value": "x", "url": "ftp://127.0.0.1:9090"}},
	} {
		_, err := prometheus.NewSource(time.Now).Open(t.Context(), settings(t, "http://127.0.0.1:9090", test.of), ripcord.Sides{}, ripcord.Scope{})
		if err == nil || ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%v: %v", test.of, err)
			continue
		}
		fix := ""
		if e, ok := errors.AsType[*ripcord.Error](err); ok {
			fix = e.Fix
		}
		if !strings.Contains(err.Error()+fix, test.want) || fix == "" {
			t.Errorf("%v: %v (fix: %s), want %q", test.of, err, fix, test.want)
		}
	}
}
