package nginx_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
)

// TestRefused: what cannot work is said in plain words, with the fix, before
// anything has an effect: by Stamp, which comes first, and by Explain.
func TestRefused(t *testing.T) {
	t.Parallel()
	green := startTarget(t, "green")
	for name, test := range map[string]struct {
		wrong     func(t *testing.T, b *balancer)
		change    map[string]any
		want, fix string
	}{
		"not included": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.config(), strings.Replace(b.plainConfig(), "include conf.d/*.conf;", "upstream shop { server 127.0.0.1:1; }", 1))
		}, nil, "is not included by", "add `include "},
		"included outside of http": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.config(), "include conf.d/*.conf;\n"+strings.Replace(b.plainConfig(), "include conf.d/*.conf;", "", 1))
		}, nil, "is not included by", "to its http block"},
		"defined elsewhere": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.config(), strings.Replace(b.plainConfig(), "include conf.d/*.conf;", "include conf.d/*.conf; upstream shop { server 127.0.0.1:1; }", 1))
		}, nil, "upstream shop is defined at", "move that block to"},
		"nobody asks":     {nil, map[string]any{"upstream": "shpo"}, "nobody sends requests to upstream shpo", "proxy_pass http://shpo;"},
		"not defined yet": {func(t *testing.T, b *balancer) { t.Helper(); _ = os.Remove(b.include()) }, nil, "upstream shop is not defined yet", "upstream shop { server HOST:PORT; }"},
		"invalid already": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.config(), strings.Replace(b.plainConfig(), "proxy_connect_timeout", "proxy_conect_timeout", 1))
		}, nil, `invalid already: unknown directive "proxy_conect_timeout"`, "mend the configuration"},
		"unreadable": {func(t *testing.T, b *balancer) { t.Helper(); write(t, b.config(), b.plainConfig()+"}") }, nil, "cannot be read", "main file"},
		"other things in the file": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.include(), "server_tokens off;\n"+upstream(green))
		}, nil, "line 1: server_tokens off stands beside upstream shop", "nothing else"},
		"a backup": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.include(), "upstream shop { server 127.0.0.1:2; server 127.0.0.1:1 backup; }")
		}, nil, "is a backup", "nothing else"},
		"not running": {func(_ *testing.T, b *balancer) { stop(b.cmd) }, nil, "no nginx runs", "start nginx"},
		"two masters": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.config(), strings.NewReplacer("nginx.pid", "second.pid", b.listen, port.Address(t)).Replace(b.plainConfig()))
			second := exec.Command(nginxPath(), "-p", b.dir, "-c", b.config())
			second.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
			if err := second.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { stop(second) })
			waitFor(t, "the second master", func() bool { return serves(second.Process.Pid) })
		}, nil, "two nginx masters run with this configuration", "end the one"},
		"no program": {nil, map[string]any{"program": "/nonexistent/nginx"}, "could not be tested", "program"},
		"no folder":  {nil, map[string]any{"include": "/nonexistent/shop.conf"}, "is not included", "include /nonexistent/shop.conf;"},
		"a silent log": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.config(), strings.Replace(b.plainConfig(), "access_log "+b.dir+"/access.log", "access_log off", 1))
		}, map[string]any{"log": "/tmp/x.log"}, "do not reach the log /tmp/x.log", "in place of `access_log off;`"},
		"a deaf log": {func(t *testing.T, b *balancer) {
			t.Helper()
			write(t, b.config(), strings.Replace(b.plainConfig(), "listen", "access_log "+b.dir+"/x; listen", 1))
		}, map[string]any{"log": "/tmp/x.log"}, "do not reach the log /tmp/x.log: the access_log at", "access_log /tmp/x.log ripcord_shop;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBalancer(t, upstream(green))
			if test.wrong != nil {
				test.wrong(t, b)
			}
			step := open(t, adaptertest.NewScope(t), spec(t, b, "green", test.change, green))
			_, err := step.Stamp(t.Context())
			var refused *ripcord.Error
			if !errors.As(err, &refused) || refused.Code != ripcord.CodeRefused || !strings.Contains(err.Error(), test.want) || !strings.Contains(refused.Fix, test.fix) {
				t.Errorf("%v (%+v)", err, refused)
			}
			if _, explained := step.Explain(t.Context()); explained == nil || !strings.Contains(explained.Error(), test.want) {
				t.Errorf("explain: %v", explained)
			}
		})
	}
}

// TestInvalidGoal: nginx finds the configuration invalid with our new file; the old
// one was never touched, and no copy is left.
func TestInvalidGoal(t *testing.T) {
	t.Parallel()
	b := startBalancer(t, "upstream shop { server 127.0.0.1:1 down; }")
	step := open(t, adaptertest.NewScope(t), spec(t, b, "green", map[string]any{"log": filepath.Join(b.dir, "no", "folder.log")}, startTarget(t, "green")))
	before := b.state(t)
	journal := begin(t, step)
	err := step.Apply(t.Context(), journal.Attempt(1))
	failure, ok := errors.AsType[*ripcord.Failure](err)
	if !ok || !strings.Contains(err.Error(), "invalid with Ripcord's new file") || len(failure.Lines) == 0 || strings.Contains(strings.Join(failure.Lines, ""), "-test") {
		t.Errorf("%v %+v", err, failure)
	}
	if now := b.state(t); now != before {
		t.Errorf("%s", now)
	}
	undo(t, step, journal)
}

// TestExplain says what would change, and what people should know.
func TestExplain(t *testing.T) {
	t.Parallel()
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	explain := func(change map[string]any) string {
		text, err := open(t, adaptertest.NewScope(t), spec(t, b, "green", change, green)).Explain(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	want := "requests to upstream shop go to 5 % to green (" + green.addr() + ") and 95 % to " + blue.addr() + "; now they go to 100 % to " + blue.addr()
	if text := explain(map[string]any{"weight": 5}); !strings.HasPrefix(text, want) || strings.Contains(text, "proxy_connect_timeout") {
		t.Errorf("%s\nwant %s", text, want)
	}
	if text := explain(map[string]any{"targets": "${steps.deploy.outputs.addresses}"}); !strings.HasPrefix(text, "100 % of the requests to upstream shop go to the new instances") {
		t.Error(text)
	}
	bare := b.plainConfig()
	for _, line := range []string{"worker_shutdown_timeout 90s;", "proxy_http_version 1.1;", "proxy_connect_timeout 2s;"} {
		bare = strings.Replace(bare, line, "", 1)
	}
	write(t, b.config(), bare)
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(b.config(), later, later); err != nil {
		t.Fatal(err)
	}
	text := explain(nil)
	if !strings.Contains(text, b.config()+" was changed after nginx read it") {
		t.Error(text)
	}
	for _, want := range []string{"worker_shutdown_timeout", "proxy_http_version", "proxy_connect_timeout", "built-in proxy behind nginx"} {
		if !strings.Contains(text, want) && (want != "built-in proxy behind nginx" || !strings.Contains(text, "keepalive_min_timeout")) {
			t.Errorf("no word of %s: %s", want, text)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	b := &balancer{dir: "/etc/nginx"}
	green := startTarget(t, "green")
	for name, test := range map[string]struct {
		change map[string]any
		want   string
	}{
		"relative include": {map[string]any{"include": "x.conf"}, "include"},
		"include injected": {map[string]any{"include": "/x;.conf"}, "include"},
		"include is main":  {map[string]any{"include": "/etc/nginx/nginx.conf"}, "include"},
		"no upstream":      {map[string]any{"upstream": ""}, "is not a name"},
		"a bad upstream":   {map[string]any{"upstream": "a {"}, "is not a name"},
		"relative config":  {map[string]any{"config": "nginx.conf"}, "config"},
		"no program":       {map[string]any{"program": " "}, "program is empty"},
		"log":              {map[string]any{"log": "/x y"}, "log"},
		"cookie":           {map[string]any{"cookie": "a-b"}, "cookie"},
		"weight":           {map[string]any{"weight": 101}, "weight 101 is not a share"},
		"negative weight":  {map[string]any{"weight": -1}, "weight -1 is not a share"},
		"no target":        {map[string]any{"targets": ""}, "no targets"},
		"a bad target":     {map[string]any{"targets": "127.0.0.1"}, "missing port"},
		"a bad port":       {map[string]any{"targets": "127.0.0.1:99999"}, "not HOST:PORT"},
		"twice":            {map[string]any{"targets": "127.0.0.1:1, 127.0.0.1:1"}, "twice"},
		"injection":        {map[string]any{"targets": "x;deny all:1"}, "is not a host"},
		"health":           {map[string]any{"health": map[string]any{"interval": 0}}, "interval"},
		"health path":      {map[string]any{"health": map[string]any{"http": "healthz"}}, "begins with /"},
		"colour":           {map[string]any{"colour": "blue;"}, "colour"},
		"drain":            {map[string]any{"drain_timeout": -1}, "drain_timeout"},
	} {
		_, err := nginx.New().Open(t.Context(), spec(t, b, "green", test.change, green), ripcord.Scope{})
		if ripcord.CodeOf(err) != ripcord.CodePlan || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNamespaces: an nginx with a mount namespace of its own that reads our file is
// found, as under systemd's PrivateTmp; one that has another file of that name is
// none of ours.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	green := startTarget(t, "green")
	for name, test := range map[string]struct {
		prepare string
		found   bool
	}{
		"the same file": {"true", true},
		"another file":  {`mkdir "$0/other" && cp "$0/nginx.conf" "$0/other/" && mount --bind "$0/other/nginx.conf" "$0/nginx.conf"`, false},
	} {
		b := newBalancer(t, upstream(green))
		cmd := exec.Command("unshare", "--mount", "sh", "-c", test.prepare+` && exec "$1" -p "$0" -c "$0/nginx.conf"`, b.dir, nginxPath())
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(cmd) })
		waitFor(t, name, func() bool { return serves(cmd.Process.Pid) })
		_, err := open(t, adaptertest.NewScope(t), spec(t, b, "green", nil, green)).Stamp(t.Context())
		if found := err == nil; found != test.found || err != nil && !strings.Contains(err.Error(), "no nginx runs") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
