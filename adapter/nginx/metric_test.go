package nginx_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
)

func metric(t *testing.T, log string, sides ripcord.Sides) ripcord.Metric {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"log": log, "from": 0.01})
	if err != nil {
		t.Fatal(err)
	}
	m, err := nginx.NewSource(time.Now).Open(t.Context(), ripcord.MetricSpec{Name: "errors", Source: nginx.Kind, Settings: settings}, sides, ripcord.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func counters(t *testing.T, m ripcord.Metric) (newer, older ripcord.Counter) {
	t.Helper()
	r, err := m.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.New.Counters) == 1 {
		newer = r.New.Counters[0]
	}
	if len(r.Old.Counters) == 1 {
		older = r.Old.Counters[0]
	}
	return newer, older
}

// TestMetric sends good, bad and dropped requests to both sides, rotates the log
// and ends an instance: each is counted once, on the side that had it, and what
// nginx sent on to the other side is a failure of the first.
func TestMetric(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	apply(t, open(t, scope, spec(t, b, "green", map[string]any{"weight": 50, "log": b.log()}, green)))
	sides := ripcord.Sides{New: ripcord.Side{Addresses: green.addr()}, Old: ripcord.Side{Addresses: blue.addr()}}
	m := metric(t, b.log(), sides)
	counters(t, m)
	before := metric(t, b.log(), ripcord.Sides{New: ripcord.Side{Addresses: "${steps.deploy.outputs.addresses}"}, Old: ripcord.Side{Addresses: "${steps.deploy.outputs.old_addresses}"}})
	counters(t, before)
	asked := 0
	ask := func(path string, n int) {
		asked += n
		for range n {
			response, err := http.Get("http://" + b.listen + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
		}
	}
	ask("/", 40)
	ask("/bad", 20)
	// nginx writes a line when the client has its answer already.
	written := func(n int) {
		waitFor(t, "the log", func() bool {
			data, _ := os.ReadFile(b.log() + ".1")
			return strings.Count(read(t, b.log())+string(data), "\n") == n
		})
	}
	written(60)
	newer, older := counters(t, m)
	if newer.Requests+older.Requests != 60 || newer.Failures+older.Failures != 20 || newer.Requests == 0 || older.Failures == 0 {
		t.Errorf("%+v %+v", newer, older)
	}
	if last := newer.Buckets[len(newer.Buckets)-1]; last.Count != newer.Requests || newer.Buckets[0].UpTo < 0.01 {
		t.Errorf("%+v", newer.Buckets)
	}
	if _, all := counters(t, before); all.Requests != 60 {
		t.Errorf("before the run: %+v", all)
	}
	if err := os.Rename(b.log(), b.log()+".1"); err != nil {
		t.Fatal(err)
	}
	ask("/", 5)
	if err := syscall.Kill(b.cmd.Process.Pid, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the new log", func() bool { _, err := os.Stat(b.log()); return err == nil })
	waitFor(t, "the new log is used", func() bool {
		ask("/", 1)
		info, err := os.Stat(b.log())
		return err == nil && info.Size() > 0
	})
	written(asked)
	newer, older = counters(t, m)
	if newer.Requests+older.Requests != float64(asked) {
		t.Errorf("after the rotation: %v and %v of %d", newer.Requests, older.Requests, asked)
	}
	if err := os.Truncate(b.log(), 0); err != nil {
		t.Fatal(err)
	}
	counters(t, m)
	green.Close()
	if err := os.Remove(b.log() + ".1"); err != nil {
		t.Fatal(err)
	}
	ask("/", 30)
	written(30)
	last, other := counters(t, m)
	if last.Failures <= newer.Failures || other.Failures != older.Failures || other.Requests != older.Requests+30 {
		t.Errorf("after the end of an instance: %+v %+v", last, other)
	}
	if again, _ := counters(t, metric(t, b.log(), sides)); again.Series == newer.Series || again.Requests != 0 {
		t.Errorf("another process counts on: %+v", again)
	}
}

func TestMetricRefuses(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{`{}`, `{"log":null}`, `{"log":"x.log"}`, `{"log":"/x","more":1}`} {
		_, err := nginx.NewSource(time.Now).Open(t.Context(), ripcord.MetricSpec{Name: "m", Settings: []byte(settings)}, ripcord.Sides{}, ripcord.Scope{})
		if ripcord.CodeOf(err) != ripcord.CodePlan || err == nil {
			t.Errorf("%s: %v", settings, err)
		}
	}
	if r, err := metric(t, "/nonexistent/x.log", ripcord.Sides{}).Read(t.Context()); err == nil {
		t.Errorf("%+v", r)
	}
}
