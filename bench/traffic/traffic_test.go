package traffic

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

func load(t *testing.T, h http.Handler, length time.Duration) Report {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return Run(t.Context(), Settings{Target: target, Rate: 200, Connections: 4, Posts: 0.5, Timeout: time.Minute, Length: length})
}

func TestCountsEveryRequestOnce(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	r := load(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		w.Header().Set("X-Shop-Version", "v1")
	}), 2*time.Second)
	if r.Sent == 0 || r.OK != r.Sent || int64(r.Sent) != served.Load() || r.Versions["v1"] != r.Sent || r.Failed != 0 {
		t.Errorf("served %d, report %+v", served.Load(), r)
	}
}

// TestRetriesNothing closes every third request's connection without an answer:
// each is lost, and none is sent again.
func TestRetriesNothing(t *testing.T) {
	t.Parallel()
	var served, dropped atomic.Int64
	r := load(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1)%3 != 0 {
			return
		}
		dropped.Add(1)
		var c net.Conn
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = c.Close()
	}), 2*time.Second)
	if int64(r.Sent) != served.Load() || int64(r.Kinds[kindLost]) != dropped.Load() || r.Failed != r.Kinds[kindLost] {
		t.Errorf("served %d, dropped %d, report %+v", served.Load(), dropped.Load(), r)
	}
}

func TestCountsStatus(t *testing.T) {
	t.Parallel()
	r := load(t, http.NotFoundHandler(), time.Second)
	if r.Kinds["status_404"] != r.Sent || r.OK != 0 {
		t.Errorf("report %+v", r)
	}
}

// TestTellsWhenEachVersionAnswered changes the version after a while.
func TestTellsWhenEachVersionAnswered(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	r := load(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		version := "v1"
		if served.Add(1) > 20 {
			version = "v2"
		}
		w.Header().Set("X-Shop-Version", version)
	}), 2*time.Second)
	v1, v2 := r.Seen["v1"], r.Seen["v2"]
	if v1.From >= v2.From || v1.To >= v2.To || v2.To > r.Seconds || r.Versions["v1"] != 20 {
		t.Errorf("report %+v", r)
	}
}
