package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/bench/traffic"
)

// The moments of a release at which something is killed: a line that it prints,
// and how long after that. A switch takes 50 to 300 ms.
var moments = []struct {
	line  string
	after time.Duration
}{
	{"shift-web-50: begins", 0},
	{"shift-web-50: begins", 60 * time.Millisecond},
	{"shift-web-50-bake: begins", 0},
	{"shift-web: begins", 0},
	{"shift-web: begins", 30 * time.Millisecond},
	{"shift-web: begins", 120 * time.Millisecond},
	{"watch: begins", 0},
	{"watch: begins", 200 * time.Millisecond},
}

// victims are what is killed.
var victims = []string{"ripcord", "instance", "balancer"}

// TestKilledMidSwitch kills ripcord, an instance of the new version, or the
// balancer in the middle of a switch, under a load of kept and new connections,
// orders, slow answers and WebSockets. Whatever is killed: no request that may be
// repeated is lost while the balancer listens, and the world is all old or all new.
//
// Each balancer has a few rounds; with RIPCORD_SOAK as many as fit into that time.
func TestKilledMidSwitch(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var lasts time.Duration
	if text := os.Getenv("RIPCORD_SOAK"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatalf("RIPCORD_SOAK: %v", err)
		}
	}
	total := newTally()
	t.Cleanup(func() { t.Logf("%s\n%s", time.Since(began).Round(time.Second), total) })
	for _, kind := range []string{proxyAlone, haproxyAlone, nginxAlone, nginxThenProxy} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newMidSwitch(t, kind, total)
			first := time.Now()
			for n := 0; n < len(victims) || time.Since(first) < lasts; n++ {
				at, more := n*3%len(moments), time.Duration(0)
				if lasts > 0 {
					at, more = rand.IntN(len(moments)), time.Duration(rand.IntN(60))*time.Millisecond
				}
				s.round(victims[n%len(victims)], at, more)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// midSwitch is a world with a service behind a balancer.
type midSwitch struct {
	*world
	balancer *balancer
	n        int
	now      string
	total    *tally
}

func newMidSwitch(t *testing.T, kind string, total *tally) *midSwitch {
	t.Helper()
	w := newWorld(t, "switch")
	s := &midSwitch{world: w, balancer: newBalancer(w, kind), now: "v0", total: total}
	w.must(0, "keeper", "start")
	w.release(0, "v0")
	return s
}

// round releases a version, kills the victim at the moment, brings the run to its
// end and counts what was lost.
func (s *midSwitch) round(victim string, at int, more time.Duration) {
	s.Helper()
	s.n++
	version, moment := fmt.Sprintf("v%d", s.n), moments[at]
	where := fmt.Sprintf("%s, %s killed %s after %q", s.balancer.kind, victim, moment.after+more, moment.line)
	load := s.load()
	release := s.start(s.releaseArgs(version)...)
	s.untilOr("the release is there", func() bool { return strings.Contains(release.stdout.String()+release.stderr.String(), moment.line) },
		func() { s.Logf("%s", release.stdout.String()+release.stderr.String()) })
	time.Sleep(moment.after + more)
	outage := s.strikes(victim, release, version)
	r := release.wait()
	if victim == "ripcord" {
		args := [][]string{goOn, goBack}[s.n%2]
		if s.show().EndedAt == nil {
			r = s.do(args...)
		}
	}
	s.settled(where, r, version)
	h := load.stop(outage, s.balancer.kind == nginxAlone)
	h.count(s.total, s.balancer.kind, victim)
	for _, f := range h.lost {
		s.Errorf("%s: lost: %s", where, told(f))
	}
	if s.Failed() {
		s.Logf("%s: %s\n%s", where, r, release.stdout.String()+release.stderr.String())
	}
}

// strikes kills the victim; only the balancer's death is an outage.
func (s *midSwitch) strikes(victim string, release *process, version string) *outage {
	s.Helper()
	switch victim {
	case "ripcord":
		release.signal(syscall.SIGKILL)
	case "instance":
		if all := s.processesWith("--listen", "--version "+version+" "); len(all) > 0 {
			s.kill(all[:1])
		}
	default:
		o := s.balancer.die()
		return &o
	}
	return nil
}

// settled says what has to be there after the run.
func (s *midSwitch) settled(where string, r result, version string) {
	s.Helper()
	v := s.show()
	switch {
	case v.EndedAt == nil:
		s.Fatalf("%s: the run is %s: %s\n%s", where, v.State, v.Reason, r)
	case v.State == succeeded:
		s.now = version
	case v.State != rolledBack || v.Verified == nil || !*v.Verified:
		s.Errorf("%s: the run is %s\n%s", where, v.State, r)
	}
	s.total.add(fmt.Sprintf("%s: runs %s", s.balancer.kind, v.State), 1)
	s.verified()
	s.untilOr("only one version is there", func() bool {
		return len(s.servers(s.now)) == 2 && len(s.processesWith("--listen", "--home")) == 2
	}, func() { s.Logf("%s: %s should be there:\n%s", where, s.now, strings.Join(s.commands(), "\n")) })
	for range 8 {
		if got := s.ask(); got != s.now {
			s.Errorf("%s: %q answers, want %s", where, got, s.now)
		}
	}
}

// ask asks the service through the balancer, on a new connection.
func (s *midSwitch) ask() string {
	before := s.listen
	defer func() { s.listen = before }()
	s.listen = s.balancer.listen
	return s.answer()
}

// load begins what goes on until the round ends.
func (s *midSwitch) load() *harm {
	return begin(traffic.Settings{
		Target: &url.URL{Scheme: "http", Host: s.balancer.listen}, Rate: 150, Connections: 16,
		Posts: 0.1, Slow: 0.02, Fresh: 0.2, WebSockets: 3, Timeout: time.Minute, Keep: true,
	})
}

// TestProxyLosesItsShim: when the shim of a proxy that is well is killed, a new
// process takes over from it, and nobody notices.
func TestProxyLosesItsShim(t *testing.T) {
	t.Parallel()
	s := newMidSwitch(t, proxyAlone, newTally())
	load := s.load()
	old := s.processesWith("__proxy")
	if len(old) != 1 {
		t.Fatalf("%d proxies", len(old))
	}
	s.kill([]found{{pid: parent(old[0].pid)}})
	s.until("another process has taken over", func() bool {
		return slices.ContainsFunc(s.processesWith("__proxy"), func(p found) bool { return p.pid != old[0].pid && parent(p.pid) > 1 })
	})
	s.until("it has the traffic", func() bool { return strings.Contains(s.must(0, "status").stdout, "goes to") })
	h := load.stop(nil, false)
	for _, f := range h.report.Failures {
		t.Errorf("lost: %s", told(f))
	}
	if h.report.OK == 0 || h.report.WebSockets == 0 || h.report.WebSocketsAlive != h.report.WebSockets {
		t.Errorf("%d answers, %d of %d WebSockets live", h.report.OK, h.report.WebSocketsAlive, h.report.WebSockets)
	}
	s.release(0, "v1")
}
