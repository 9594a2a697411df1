package haproxy_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/haproxy"
)

// TestRefused: what cannot work is said in plain words, with the fix, before
// anything has an effect: by Stamp, which comes first, and by Explain.
func TestRefused(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	green := startTarget(t, "green")
	b := startBalancer(t, "  balance static-rr\n"+lines("blue", startTarget(t, "blue")))
	deaf := filepath.Join(filepath.Dir(b.socket), "deaf.sock")
	l, err := net.Listen("unix", deaf)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	unmarked := filepath.Join(filepath.Dir(b.socket), "unmarked.cfg")
	if err := os.WriteFile(unmarked, []byte(b.read(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	good := startBalancer(t, lines("blue", startTarget(t, "blue")))
	for name, test := range map[string]struct {
		on        *balancer
		change    map[string]any
		want, fix string
	}{
		"no socket":       {good, map[string]any{"socket": "/nonexistent/x.sock"}, "there is no socket /nonexistent/x.sock", "start HAProxy"},
		"nobody listens":  {good, map[string]any{"socket": deaf}, "HAProxy does not run", "start HAProxy"},
		"no admin rights": {good, map[string]any{"socket": good.operator}, "gives no admin rights (level operator)", "level admin"},
		"no backend":      {good, map[string]any{"backend": "shpo"}, `knows no backend "shpo"`, "name one of these: shop"},
		"static weights":  {b, nil, "cannot change weights at run time", "balance roundrobin"},
		"no config":       {good, map[string]any{"config": "/nonexistent/haproxy.cfg"}, "cannot be read", "name the file"},
		"no marks":        {good, map[string]any{"config": unmarked}, "has no place for the servers of backend shop", "# ripcord begin shop"},
	} {
		step := open(t, scope, spec(t, test.on, "green", test.change, green))
		_, err := step.Stamp(t.Context())
		var refused *ripcord.Error
		if !errors.As(err, &refused) || refused.Code != ripcord.CodeRefused || !strings.Contains(err.Error(), test.want) || !strings.Contains(refused.Fix, test.fix) {
			t.Errorf("%s: %v (%+v)", name, err, refused)
		}
		if _, explained := step.Explain(t.Context()); explained == nil || !strings.Contains(explained.Error(), test.want) {
			t.Errorf("%s: explain: %v", name, explained)
		}
	}
}

// TestClash: the name of a new server is taken by one that has traffic.
func TestClash(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	other, green := startTarget(t, "other"), startTarget(t, "green")
	b := startBalancer(t, lines("green", other))
	step := open(t, scope, spec(t, b, "green", nil, green))
	before := b.servers(t)
	err := step.Apply(t.Context(), begin(t, step).Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "the name green1 is taken: that server has traffic and goes to "+other.addr()) {
		t.Errorf("%v", err)
	}
	if now := b.servers(t); now != before {
		t.Errorf("%s", now)
	}
}

// TestOptionRefused: HAProxy itself refuses what a new server is to be made with.
func TestOptionRefused(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	green := startTarget(t, "green")
	b := startBalancer(t, lines("blue", startTarget(t, "blue")))
	step := open(t, scope, spec(t, b, "green", map[string]any{"options": "maxcon 3"}, green))
	journal := begin(t, step)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err == nil || !strings.Contains(err.Error(), "maxcon") {
		t.Errorf("%v", err)
	}
	undo(t, step, journal)
}

// TestExplain says what would change, and what people should know.
func TestExplain(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	green := []*target{startTarget(t, "green"), startTarget(t, "green")}
	b := startBalancer(t, marked(lines("blue", startTarget(t, "blue"), startTarget(t, "blue"))))
	explain := func(change map[string]any) string {
		text, err := open(t, scope, spec(t, b, "green", change, green...)).Explain(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if text := explain(with(b, "weight", 5)); text != "5 % (2 of 40) of the traffic of backend shop goes to green1, green2; now it goes to blue1 50 %, blue2 50 %" {
		t.Error(text)
	}
	if text := explain(with(b, "targets", "${steps.deploy.outputs.addresses}")); text != "100 % of the traffic of backend shop goes to the new servers; now it goes to blue1 50 %, blue2 50 %" {
		t.Error(text)
	}
	if text := explain(nil); !strings.Contains(text, "a reload or restart of HAProxy forgets this shift") {
		t.Error(text)
	}
	bare := strings.NewReplacer("  option idle-close-on-response\n", "", "  retry-on all-retryable-errors\n", "", "  option httpchk GET /healthz\n", "", "  timeout check 30s\n", "").Replace(b.read(t))
	b.write(t, bare)
	for _, want := range []string{"idle-close-on-response", "retry-on", "option httpchk GET /healthz", "timeout check"} {
		if text := explain(keeps(b)); !strings.Contains(text, want) {
			t.Errorf("no word of %s: %s", want, text)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	b := &balancer{socket: "/run/x.sock"}
	green := startTarget(t, "green")
	for name, test := range map[string]struct {
		change map[string]any
		want   string
	}{
		"relative socket": {map[string]any{"socket": "x.sock"}, "not an absolute path"},
		"no backend":      {map[string]any{"backend": ""}, "is not a name"},
		"a bad backend":   {map[string]any{"backend": "a; quit"}, "is not a name"},
		"relative config": {map[string]any{"config": "haproxy.cfg"}, "not an absolute path"},
		"weight":          {map[string]any{"weight": 101}, "weight 101 is not a share"},
		"negative weight": {map[string]any{"weight": -1}, "weight -1 is not a share"},
		"no target":       {map[string]any{"targets": ""}, "no targets"},
		"a bad target":    {map[string]any{"targets": "127.0.0.1"}, "missing port"},
		"a bad port":      {map[string]any{"targets": "127.0.0.1:99999"}, "not HOST:PORT"},
		"twice":           {map[string]any{"targets": "127.0.0.1:1, 127.0.0.1:1"}, "twice"},
		"injection":       {map[string]any{"targets": "x;shutdown:1"}, "is not a host"},
		"options":         {map[string]any{"options": "maxconn 1; x"}, "options"},
		"validate":        {map[string]any{"validate": []string{"true"}}, "validate is no command"},
		"health":          {map[string]any{"health": map[string]any{"interval": -1}}, "interval"},
		"health path":     {map[string]any{"health": map[string]any{"http": "healthz"}}, "begins with /"},
		"colour":          {map[string]any{"colour": "blue;"}, "colour"},
	} {
		_, err := haproxy.New().Open(t.Context(), spec(t, b, "green", test.change, green), ripcord.Scope{})
		if ripcord.CodeOf(err) != ripcord.CodePlan || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
