package e2e_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/bench/traffic"
)

// roll is a world with four instances that are replaced where they are.
type roll struct {
	*midSwitch
	// least is the fewest instances that answered at any look.
	least int
	stop  context.CancelFunc
	ended chan struct{}
}

func newRoll(t *testing.T, kind string) *roll {
	t.Helper()
	w := newWorld(t, "rolling")
	r := &roll{midSwitch: &midSwitch{world: w, balancer: newBalancer(w, kind), now: "v0", total: newTally()}}
	w.must(0, "keeper", "start")
	w.release(0, "v1")
	return r
}

// count begins to count how many instances the built-in proxy would send requests
// to.
func (r *roll) count() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.ended, r.least = stop, make(chan struct{}), 4
	c := dataplane.NewClient(proxy.Directory(r.state, "rolling", "default", "front"))
	go func() {
		defer close(r.ended)
		for ctx.Err() == nil {
			status, err := c.Status(ctx)
			if err != nil {
				continue
			}
			for _, side := range status.Sides {
				if !side.Routed {
					continue
				}
				n := 0
				for _, target := range side.Targets {
					if !target.Out && target.Readiness == "ready" {
						n++
					}
				}
				r.least = min(r.least, n)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
}

// counted ends count.
func (r *roll) counted() int {
	r.stop()
	<-r.ended
	return r.least
}

// instances are who serves, by number, with pid and what they were started with.
func (r *roll) instances() map[string]string {
	all := map[string]string{}
	for _, p := range r.processesWith("--listen", "--number") {
		words := strings.Join(p.args, " ")
		_, number, _ := strings.Cut(words, "--number ")
		all[strings.Fields(number)[0]] = fmt.Sprintf("%d %s", p.pid, words)
	}
	return all
}

// wanted are the same without pids.
func (r *roll) wanted() string {
	all := r.instances()
	var b strings.Builder
	for _, number := range []string{"1", "2", "3", "4"} {
		_, words, _ := strings.Cut(all[number], " ")
		fmt.Fprintf(&b, "%s: %s\n", number, words)
	}
	return b.String()
}

// calm asserts that a load lost nothing but what a reload of nginx loses, which it
// tells.
func (r *roll) calm(what string, h *harm) {
	r.Helper()
	reloads := r.balancer.kind == nginxAlone
	h.stop(nil, reloads)
	r.Logf("%s: %d requests, %d orders lost, %d lost by a reload, %d others lost", what, h.report.Sent, h.orders, h.reloaded, len(h.lost))
	for _, f := range h.report.Failures {
		if !reloads || f.Kind != "lost" || !f.Reused {
			r.Errorf("%s: lost: %s", what, told(f))
		}
	}
	if h.report.OK == 0 {
		r.Errorf("%s: nothing was answered", what)
	}
}

// steady is a load without upgraded connections: those of a batch are closed.
func (r *roll) steady() *harm {
	return begin(traffic.Settings{
		Target: &url.URL{Scheme: "http", Host: r.balancer.listen}, Rate: 150, Connections: 16,
		Posts: 0.1, Slow: 0.02, Fresh: 0.2, Timeout: time.Minute, Keep: true,
	})
}

// TestRolling: under a load, one instance after the other is replaced in its place
// and no request is lost. A version whose second instance cannot start gives the
// first one back, and never touches the others. When ripcord is killed in the middle
// of a batch, recover brings everything back. Directly behind nginx its reloads lose
// a few requests on kept connections, and nothing else.
func TestRolling(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{proxyAlone, haproxyAlone, nginxAlone} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRoll(t, kind)
			r.forward()
			r.badBatch()
			r.killed("recover")
			r.killed("abort")
		})
	}
}

func (r *roll) forward() {
	r.Helper()
	load := r.steady()
	if r.balancer.kind == proxyAlone {
		r.count()
	}
	before := r.instances()
	r.release(0, "v2")
	if r.balancer.kind == proxyAlone {
		if least := r.counted(); least != 3 {
			r.Errorf("at least %d of 4 instances answered at any time, want 3", least)
		}
	}
	r.calm("v1 to v2", load)
	after := r.instances()
	for number, was := range before {
		if is := after[number]; is == was || strings.Fields(is)[3] != strings.Fields(was)[3] || !strings.Contains(is, "--version v2 ") {
			r.Errorf("instance %s was %q and is %q", number, was, is)
		}
	}
}

// badBatch releases a version whose second instance cannot start.
func (r *roll) badBatch() {
	r.Helper()
	before, wanted := r.instances(), r.wanted()
	load := r.steady()
	if r.balancer.kind == proxyAlone {
		r.count()
	}
	r.set["dies"] = "2"
	said := r.release(3, "v3")
	r.set["dies"] = "0"
	if r.balancer.kind == proxyAlone {
		if least := r.counted(); least != 3 {
			r.Errorf("at least %d of 4 instances answered at any time, want 3", least)
		}
	}
	r.calm("v2 to v3 and back", load)
	if !strings.Contains(said.stdout+said.stderr, "the stock is not to be had") {
		r.Errorf("the reason is missing:\n%s", said)
	}
	after := r.instances()
	for _, number := range []string{"3", "4"} {
		if before[number] != after[number] {
			r.Errorf("instance %s was touched: %q, now %q", number, before[number], after[number])
		}
	}
	for _, number := range []string{"1", "2"} {
		if before[number] == after[number] {
			r.Errorf("instance %s was not replaced: %q", number, after[number])
		}
	}
	if now := r.wanted(); now != wanted {
		r.Errorf("before\n%s\nafter\n%s", wanted, now)
	}
	r.verified()
}

// killed kills ripcord in the middle of a batch, and brings the run to its end.
func (r *roll) killed(how string) {
	r.Helper()
	before, wanted := r.instances(), r.wanted()
	load := r.steady()
	release := r.start(r.releaseArgs("v4")...)
	r.untilOr("the second batch begins", func() bool {
		return strings.Contains(release.stdout.String()+release.stderr.String(), "deploy-web-2: begins")
	}, func() { r.Logf("%s", release.stdout.String()+release.stderr.String()) })
	release.signal(syscall.SIGKILL)
	_ = release.wait()
	args := goBack
	if how == "recover" {
		args = goOn
	}
	ended := r.do(args...)
	v := r.show()
	r.calm("killed, "+how, load)
	switch {
	case v.EndedAt == nil:
		r.Fatalf("the run is %s: %s\n%s", v.State, v.Reason, ended)
	case v.State == succeeded:
		if now := strings.Count(r.wanted(), "--version v4 "); now != 4 {
			r.Errorf("%d instances are of v4:\n%s", now, r.wanted())
		}
		r.release(0, "v2")
		return
	case how == "recover":
		r.Errorf("the run is %s\n%s", v.State, ended)
	}
	if now := r.wanted(); now != wanted {
		r.Errorf("before\n%s\nafter\n%s", wanted, now)
	}
	for _, number := range []string{"3", "4"} {
		if after := r.instances(); before[number] != after[number] {
			r.Errorf("instance %s was touched: %q, now %q", number, before[number], after[number])
		}
	}
	r.verified()
}
