package dataplane_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// split sends a part of blue's requests to green.
func split(t *testing.T, c *dataplane.Client, weight float64, front *dataplane.Front) {
	t.Helper()
	_, err := c.SetRoute(t.Context(), dataplane.RouteChange{
		Side: "blue", Split: &dataplane.Split{Side: "green", Weight: weight}, Front: front,
	})
	if err != nil {
		t.Fatalf("split %g %%: %v", weight, err)
	}
}

// two starts a proxy with the sides blue and green; all goes to blue.
func two(t *testing.T, change ...func(dataplane.Side) dataplane.Side) (addr string, c *dataplane.Client, green *process) {
	t.Helper()
	addr = port.Address(t)
	_, c = startProxy(t, t.TempDir(), addr)
	green = startTarget(t, "green")
	blueSide, greenSide := side("blue", startTarget(t, "blue")), side("green", green)
	for _, to := range change {
		blueSide, greenSide = to(blueSide), to(greenSide)
	}
	put(t, c, blueSide)
	put(t, c, greenSide)
	route(t, c, "blue")
	return addr, c, green
}

func sides(t *testing.T, c *dataplane.Client) (blue, green dataplane.SideStats) {
	t.Helper()
	s, err := c.Stats(t.Context())
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	return s.Sides["blue"], s.Sides["green"]
}

// TestSplitIsExact: each request is counted on the side that answered it, and
// the counters go on over all stages.
func TestSplitIsExact(t *testing.T) {
	t.Parallel()
	addr, c, _ := two(t)
	client := &http.Client{Transport: &http.Transport{}}
	var total, onGreen uint64
	for _, stage := range []struct{ weight, low, high float64 }{{0, 0, 0}, {0.1, 0, .02}, {5, .01, .12}, {50, .35, .65}, {5, .01, .12}} {
		split(t, c, stage.weight, nil)
		var green uint64
		const each = 400
		for range each {
			if strings.HasPrefix(fetch(t, client, "http://"+addr+"/", ""), "green") {
				green++
			}
		}
		if share := float64(green) / each; share < stage.low || share > stage.high {
			t.Errorf("at %g %% the share is %g", stage.weight, share)
		}
		total, onGreen = total+each, onGreen+green
		b, g := sides(t, c)
		if b.Requests+g.Requests != total || g.Requests != onGreen || g.Latency.Count != g.Requests || g.Share != stage.weight || b.Share != 100-stage.weight {
			t.Errorf("at %g %%: blue %+v, green %+v; sent %d, green answered %d", stage.weight, b, g, total, onGreen)
		}
	}
}

// fetch gets a page with a header "Name: value", or none, and returns its body.
func fetch(t *testing.T, client *http.Client, url, header string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("get: %d %s %v", response.StatusCode, body, err)
	}
	return string(body)
}

// TestAffinity: a visitor stays on the new side while the weight grows, and
// goes back when it falls to nothing.
func TestAffinity(t *testing.T) {
	t.Parallel()
	addr, c, _ := two(t)
	front := &dataplane.Front{Affinity: &dataplane.Affinity{Cookie: "visitor", For: ripcord.Duration(3600e9)}}
	var visitors []*http.Client
	for range 60 {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		visitors = append(visitors, &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}})
	}
	on := make([]bool, len(visitors))
	for _, weight := range []float64{0, 10, 10, 30, 60, 60, 99} {
		split(t, c, weight, front)
		n := 0
		for i, v := range visitors {
			isGreen := func() bool { return strings.HasPrefix(fetch(t, v, "http://"+addr+"/", ""), "green") }
			green := isGreen()
			// A machine that is busy can make the side look ill for a moment.
			for deadline := time.Now().Add(time.Minute); on[i] && !green; green = isGreen() {
				if time.Now().After(deadline) {
					t.Fatalf("at %g %% visitor %d went back", weight, i)
				}
			}
			on[i] = green
			if green {
				n++
			}
		}
		if weight >= 60 && (n < 15 || n > 60) {
			t.Errorf("at %g %% %d of %d visitors are on the new side", weight, n, len(visitors))
		}
	}
	split(t, c, 0, front)
	for i, v := range visitors {
		if !strings.HasPrefix(fetch(t, v, "http://"+addr+"/", ""), "blue") {
			t.Errorf("at 0 %% visitor %d is still on the new side", i)
		}
	}
}

// TestTesters: they reach the new side at 0 %, and are counted apart.
func TestTesters(t *testing.T) {
	t.Parallel()
	addr, c, green := two(t)
	split(t, c, 0, &dataplane.Front{Testers: &dataplane.Testers{Header: "X-Canary: yes", Cookie: "canary=yes"}})
	client := &http.Client{Transport: &http.Transport{}}
	for header, want := range map[string]string{"": "blue", "X-Canary: yes": "green", "Cookie: canary=yes": "green", "X-Canary: no": "blue"} {
		if got := fetch(t, client, "http://"+addr+"/", header); !strings.HasPrefix(got, want) {
			t.Errorf("%q gets %s", header, got)
		}
	}
	b, g := sides(t, c)
	if b.Requests != 2 || b.Testers != nil || g.Requests != 0 || g.Testers == nil || g.Testers.Requests != 2 || g.Testers.Latency.Count != 2 {
		t.Errorf("blue %+v, green %+v, its testers %+v", b, g, g.Testers)
	}
	green.kill()
	if got := fetch(t, client, "http://"+addr+"/", "X-Canary: yes"); !strings.HasPrefix(got, "blue") {
		t.Errorf("without the new side a tester gets %s", got)
	}
}

// TestSplitRefuses: what cannot be served is not taken.
func TestSplitRefuses(t *testing.T) {
	t.Parallel()
	_, c, _ := two(t)
	if _, err := c.PutSide(t.Context(), side("red", &process{addr: "127.0.0.1:1"})); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]dataplane.RouteChange{
		"from 0 to below 100":                  {Side: "blue", Split: &dataplane.Split{Side: "green", Weight: 100}},
		"second side":                          {Side: "blue", Split: &dataplane.Split{Side: "blue", Weight: 5}},
		`no side "pink"`:                       {Side: "blue", Split: &dataplane.Split{Side: "pink", Weight: 5}},
		"no target of side red is ready":       {Side: "blue", Split: &dataplane.Split{Side: "red", Weight: 5}},
		`"X Canary" is not \"Name: value\"`:    {Side: "blue", Front: &dataplane.Front{Testers: &dataplane.Testers{Header: "X Canary"}}},
		"affinity: \"\" cannot be the name of": {Side: "blue", Front: &dataplane.Front{Affinity: &dataplane.Affinity{}}},
	} {
		want = strings.ReplaceAll(want, `\"`, `"`)
		if _, err := c.SetRoute(t.Context(), change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	split(t, c, 5, nil)
	if _, err := c.DeleteSide(t.Context(), "green"); err == nil {
		t.Error("a side with a part of the route can be removed")
	}
	if _, err := c.Drain(t.Context(), dataplane.DrainRequest{Side: "green"}); err == nil {
		t.Error("a side with a part of the route can be drained")
	}
}

// TestCanaryDies: whether a part of the traffic is on a side that is killed or
// that hangs, GETs lose nothing; its part goes to the other side, and comes back
// when it is well again.
func TestCanaryDies(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "hung": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, c, green := two(t, impatient)
			split(t, c, 20, nil)
			var failures, answered atomic.Int64
			var clients sync.WaitGroup
			stop := make(chan struct{})
			for range 16 {
				clients.Go(func() {
					client := &http.Client{Transport: &http.Transport{}}
					defer client.CloseIdleConnections()
					for {
						select {
						case <-stop:
							return
						default:
						}
						response, err := client.Get("http://" + addr + "/?ms=5")
						if err != nil || response.StatusCode != http.StatusOK {
							failures.Add(1)
							continue
						}
						_, _ = io.Copy(io.Discard, response.Body)
						_ = response.Body.Close()
						answered.Add(1)
					}
				})
			}
			eventually(t, "load on both", func() bool { _, g := sides(t, c); return g.Requests > 50 })
			green.signal(t, signal)
			before := answered.Load()
			eventually(t, "load goes on", func() bool { return answered.Load() > before+1000 })
			if signal == syscall.SIGSTOP {
				eventually(t, "green is out", func() bool { s, err := c.Status(t.Context()); return err == nil && s.Side("green").Ready() == 0 })
				green.signal(t, syscall.SIGCONT)
				_, out := sides(t, c)
				eventually(t, "its part is back", func() bool { _, g := sides(t, c); return g.Requests > out.Requests+50 })
			}
			close(stop)
			clients.Wait()
			b, g := sides(t, c)
			if failures.Load() > 0 || b.Failed+g.Failed > 0 {
				t.Errorf("%d failures; blue %+v, green %+v", failures.Load(), b, g)
			}
			if signal == syscall.SIGSTOP && g.Left == 0 {
				t.Error("no request left the side that hung")
			}
			if b.Requests+g.Requests-g.Left-b.Left != uint64(answered.Load()) {
				t.Errorf("answered %d; blue %+v, green %+v", answered.Load(), b, g)
			}
		})
	}
}

// TestSplitSurvives: after kill -9 the same part goes to the same side.
func TestSplitSurvives(t *testing.T) {
	t.Parallel()
	addr, dir := port.Address(t), t.TempDir()
	p, c := startProxy(t, dir, addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	put(t, c, side("green", startTarget(t, "green")))
	route(t, c, "blue")
	split(t, c, 12.5, &dataplane.Front{Testers: &dataplane.Testers{Header: "X-Canary"}})
	p.kill()
	_, c = startProxy(t, dir, addr)
	status, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := status.State.Split; s == nil || s.Weight != 12.5 || s.Side != "green" || status.Side("green").Share != 12.5 {
		t.Errorf("%+v", status)
	}
	if got := fetch(t, http.DefaultClient, "http://"+addr+"/", "X-Canary: 1"); !strings.HasPrefix(got, "green") {
		t.Errorf("a tester gets %s", got)
	}
}
