package haproxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/haproxy"
)

// target is an application that answers with its name, and can fall ill.
type target struct {
	*httptest.Server
	name  string
	ill   atomic.Bool
	asked atomic.Int64
	// hold is closed to end the answers to /slow.
	hold chan struct{}
}

func startTarget(t *testing.T, name string) *target {
	t.Helper()
	to := &target{name: name, hold: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		to.asked.Add(1)
		if to.ill.Load() {
			http.Error(w, "migrations are missing", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/drop", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
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

// balancer is a real HAProxy.
type balancer struct {
	socket, operator, config, listen string
	cmd                              *exec.Cmd
	mu                               sync.Mutex
	log                              bytes.Buffer
}

// lines gives a server line for each target, named as colour and number. A check has
// no longer than the time between two to connect: on a busy machine some in a row fail.
func lines(colour string, targets ...*target) string {
	var text strings.Builder
	for n, to := range targets {
		fmt.Fprintf(&text, "  server %s%d %s check inter 20ms fall 50 weight 100\n", colour, n+1, to.addr())
	}
	return text.String()
}

// marked puts server lines between the marks of backend shop.
func marked(text string) string {
	return "  # ripcord begin shop\n" + text + "  # ripcord end shop\n"
}

// startBalancer starts HAProxy with these lines in backend shop.
func startBalancer(t *testing.T, shop string) *balancer {
	t.Helper()
	dir, err := os.MkdirTemp("", "hap") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{
		socket: filepath.Join(dir, "admin.sock"), operator: filepath.Join(dir, "operator.sock"),
		config: filepath.Join(dir, "haproxy.cfg"), listen: port.Address(t),
	}
	b.write(t, b.text(shop))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b.start(t)
	t.Cleanup(b.stop)
	return b
}

// text is a whole configuration.
func (b *balancer) text(shop string) string {
	return fmt.Sprintf(`global
  stats socket %s mode 600 level admin
  stats socket %s mode 600 level operator
  hard-stop-after 3s
defaults
  mode http
  timeout connect 30s
  timeout client 90s
  timeout server 90s
  timeout check 30s
  option idle-close-on-response
  option redispatch
  retry-on all-retryable-errors
frontend front
  bind %s
  default_backend shop
backend shop
  balance roundrobin
  option httpchk GET /healthz
  http-request disable-l7-retry if METH_POST
%s`, b.socket, b.operator, b.listen, shop)
}

func (b *balancer) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *balancer) read(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func haproxyPath() string {
	if at, err := exec.LookPath("haproxy"); err == nil {
		return at
	}
	return "/usr/sbin/haproxy"
}

func (b *balancer) start(t *testing.T) {
	t.Helper()
	b.cmd = exec.Command(haproxyPath(), "-db", "-f", b.config)
	b.cmd.Stderr = &b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for {
		if listens(b.socket) && listens(b.operator) { // they come one after the other
			return
		}
		if time.Now().After(deadline) {
			b.stop()
			t.Fatalf("HAProxy does not start: %s", b.log.String())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func listens(socket string) bool {
	c, err := net.Dial("unix", socket)
	return err == nil && c.Close() == nil
}

func (b *balancer) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

func (b *balancer) restart(t *testing.T) {
	t.Helper()
	b.stop()
	b.start(t)
}

// ask uses the socket as socat does.
func (b *balancer) ask(t *testing.T, command string) string {
	t.Helper()
	c, err := net.Dial("unix", b.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// servers describes each server: name, where it goes, weight and admin state.
func (b *balancer) servers(t *testing.T, targets ...*target) string {
	t.Helper()
	var text strings.Builder
	for n, line := range strings.Split(b.ask(t, "show servers state shop"), "\n") {
		f := strings.Fields(line)
		if n < 2 || len(f) < 20 {
			continue
		}
		admin := f[6]
		if admin == "5" {
			admin = "1" // in maintenance by the file too
		}
		fmt.Fprintf(&text, "%s %s:%s weight %s admin %s\n", f[3], f[4], f[18], f[7], admin)
	}
	return sorted(named(text.String(), targets...))
}

// named puts names in the place of addresses, which differ from test to test.
func named(text string, targets ...*target) string {
	for _, to := range targets {
		text = strings.ReplaceAll(text, to.addr(), "at-"+to.name)
	}
	return text
}

// answers counts who answers so many requests.
func (b *balancer) answers(t *testing.T, requests int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for range requests {
		response, err := client.Get("http://" + b.listen + "/")
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

// spec is a shift to targets, with settings changed by change.
func spec(t *testing.T, b *balancer, colour string, change map[string]any, targets ...*target) ripcord.StepSpec {
	t.Helper()
	var addresses []string
	for _, to := range targets {
		addresses = append(addresses, to.addr())
	}
	settings := map[string]any{
		"service": "web", "balancer": "front", "socket": b.socket, "backend": "shop",
		"targets": strings.Join(addresses, ","), "colour": colour,
		"health":        map[string]any{"http": "/healthz", "interval": 0.02, "timeout": 20, "successes": 2, "failures": 50},
		"drain_timeout": 60, "ready_timeout": 60,
	}
	maps.Copy(settings, change)
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return ripcord.StepSpec{ID: "shift", Kind: "shift", Adapter: haproxy.Kind, Settings: raw}
}

func open(t *testing.T, scope ripcord.Scope, spec ripcord.StepSpec) *haproxy.Step {
	t.Helper()
	step, err := haproxy.New().Open(t.Context(), spec, scope)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return step.(*haproxy.Step)
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
		t.Fatalf("after apply: %s, %v\n%s", now.Presence, err, now.Image)
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
