package nginx_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
)

// target is an application that answers with its name, and can fall ill.
type target struct {
	*httptest.Server
	name string
	ill  atomic.Bool
	// lag is how long it thinks about its health.
	lag time.Duration
	// hold is closed to end the answers to /slow.
	hold chan struct{}
}

func startTarget(t *testing.T, name string) *target {
	t.Helper()
	to := &target{name: name, hold: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(to.lag)
		if to.ill.Load() {
			http.Error(w, "migrations are missing", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/drop", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		select {
		case <-to.hold:
			_, _ = io.WriteString(w, name)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	to.Server = httptest.NewServer(mux)
	t.Cleanup(to.Close)
	return to
}

func (t *target) addr() string { return t.Listener.Addr().String() }

// balancer is a real nginx with a folder of its own.
type balancer struct {
	dir, listen string
	cmd         *exec.Cmd
	stderr      bytes.Buffer
}

func (b *balancer) config() string  { return filepath.Join(b.dir, "nginx.conf") }
func (b *balancer) include() string { return filepath.Join(b.dir, "conf.d", "ripcord-shop.conf") }
func (b *balancer) log() string     { return filepath.Join(b.dir, "ripcord.log") }
func (b *balancer) program() string { return nginxPath() + " -p " + b.dir }

func nginxPath() string {
	if at, err := exec.LookPath("nginx"); err == nil {
		return at
	}
	return "/usr/sbin/nginx"
}

// plainConfig is a configuration that sends everything to upstream shop.
func (b *balancer) plainConfig() string {
	return fmt.Sprintf(`daemon off; user root;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
worker_processes %[3]d;
worker_shutdown_timeout 90s;
events { worker_connections 256; }
http {
  access_log %[1]s/access.log;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  include conf.d/*.conf;
  server {
    listen %[2]s;
    location / {
      proxy_pass http://shop;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_connect_timeout 2s;
      proxy_buffering off;
    }
  }
}
`, b.dir, b.listen, workerProcesses)
}

// startBalancer starts nginx with this text in Ripcord's file.
func startBalancer(t *testing.T, shop string) *balancer {
	t.Helper()
	b := newBalancer(t, shop)
	b.start(t)
	return b
}

func newBalancer(t *testing.T, shop string) *balancer {
	t.Helper()
	b := &balancer{dir: t.TempDir(), listen: port.Address(t)}
	if err := os.Mkdir(filepath.Dir(b.include()), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, b.config(), b.plainConfig())
	write(t, b.include(), shop)
	return b
}

func upstream(targets ...*target) string {
	var text strings.Builder
	text.WriteString("upstream shop {\n")
	for _, to := range targets {
		fmt.Fprintf(&text, "  server %s;\n", to.addr())
	}
	return text.String() + "}\n"
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (b *balancer) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(nginxPath(), "-p", b.dir, "-c", b.config())
	cmd.Stderr = &b.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.cmd = cmd
	t.Cleanup(func() { stop(cmd) })
	waitFor(t, "nginx serves", func() bool { return serves(cmd.Process.Pid) })
}

// workerProcesses is how many workers plainConfig asks for.
const workerProcesses = 2

// serves reports whether a master has all its workers, each of which has said so in
// its title: the port is open before, by the master itself.
func serves(master int) bool {
	if !titled(strconv.Itoa(master), "nginx: master process") {
		return false
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", master))
	all := strings.Fields(string(children))
	return len(all) == workerProcesses && !slices.ContainsFunc(all, func(pid string) bool { return !titled(pid, "nginx: worker process") })
}

// titled reports whether a process calls itself so.
func titled(pid, title string) bool {
	is, _ := os.ReadFile("/proc/" + pid + "/cmdline")
	return strings.HasPrefix(string(is), title)
}

// stop kills nginx with its workers.
func stop(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait()
}

// answers counts who answers so many requests, each on a connection of its own.
func (b *balancer) answers(t *testing.T, requests int, cookie ...string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for n := range requests {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.listen+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if len(cookie) > 0 {
			request.AddCookie(&http.Cookie{Name: "visitor", Value: cookie[n%len(cookie)]})
		}
		response, err := client.Do(request)
		if err != nil {
			counts[err.Error()]++
			continue
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		who := string(body)
		if response.StatusCode != http.StatusOK {
			who = response.Status
		}
		counts[who]++
	}
	return counts
}

// state is the whole world: the file, what else lies in the folders, who answers.
func (b *balancer) state(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, dir := range []string{b.dir, filepath.Dir(b.include())} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if name := entry.Name(); strings.HasPrefix(name, ".") || dir != b.dir {
				text.WriteString(name + " ")
			}
		}
	}
	info, err := os.Stat(b.include())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\n%s\n%s", text.String(), info.Mode(), read(t, b.include()))
}

// spec is a shift to targets, with settings changed by change.
func spec(t *testing.T, b *balancer, colour string, change map[string]any, targets ...*target) ripcord.StepSpec {
	t.Helper()
	var addresses []string
	for _, to := range targets {
		addresses = append(addresses, to.addr())
	}
	settings := map[string]any{
		"service": "web", "balancer": "front", "include": b.include(), "upstream": "shop", "config": b.config(), "program": b.program(),
		"targets": strings.Join(addresses, ","), "colour": colour,
		"health":        map[string]any{"http": "/healthz", "interval": 0.02, "timeout": 20, "successes": 2, "failures": 2},
		"drain_timeout": 60, "ready_timeout": 60,
	}
	maps.Copy(settings, change)
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return ripcord.StepSpec{ID: "shift", Kind: "shift", Adapter: nginx.Kind, Settings: raw}
}

func open(t *testing.T, scope ripcord.Scope, spec ripcord.StepSpec) *nginx.Step {
	t.Helper()
	step, err := nginx.New().Open(t.Context(), spec, scope)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return step.(*nginx.Step)
}

// begin is the step's journal after its Check.
func begin(t *testing.T, step ripcord.Step) *adaptertest.Journal {
	t.Helper()
	before, err := step.Check(t.Context())
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	return adaptertest.NewJournal("run-1/shift", before)
}

// apply applies the step and returns its journal.
func apply(t *testing.T, step ripcord.Step) *adaptertest.Journal {
	t.Helper()
	journal := begin(t, step)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatalf("apply: %v\n%s", err, journal.Output())
	}
	if now, err := step.Check(t.Context()); err != nil || now.Presence != ripcord.Present {
		t.Fatalf("after apply: %s (%s), %v\n%s", now.Presence, now.Detail, err, now.Image)
	}
	return journal
}

// undo takes a step back and compares with its before-image.
func undo(t *testing.T, step ripcord.Step, journal *adaptertest.Journal) {
	t.Helper()
	if err := step.Undo(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatalf("undo: %v\n%s", err, journal.Output())
	}
	now, err := step.Check(t.Context())
	if err != nil || string(now.Image) != string(journal.Before.Image) {
		t.Fatalf("after undo (%v):\nbefore %s\nnow    %s", err, journal.Before.Image, now.Image)
	}
}

// waitFor polls for something that another process does.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
