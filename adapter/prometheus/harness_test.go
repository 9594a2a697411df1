package prometheus_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/prometheus"
)

// instance is one that is scraped.
type instance struct {
	addr   string
	server *http.Server
	mu     sync.Mutex
	text   string
	asked  int
}

func startInstance(t *testing.T, text string) *instance {
	t.Helper()
	i := &instance{addr: port.Address(t), text: text}
	i.start(t)
	t.Cleanup(i.stop)
	return i
}

func (i *instance) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", i.addr)
	if err != nil {
		t.Fatal(err)
	}
	i.server = &http.Server{Handler: http.HandlerFunc(i.serve), ReadHeaderTimeout: time.Minute}
	server := i.server
	go func() { _ = server.Serve(listener) }()
}

func (i *instance) stop() { _ = i.server.Close() }

func (i *instance) serve(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	_, _ = fmt.Fprint(w, strings.ReplaceAll(i.text, "NOW", strconv.FormatInt(time.Now().UnixMilli(), 10)))
}

// scraped reports whether that has happened more often than once or twice.
func (i *instance) scraped() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked > 5
}

// says is what the instance exposes from now on.
func (i *instance) says(text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.text = text
}

// counts is what an instance with these counters exposes.
func counts(good, bad int) string {
	return fmt.Sprintf("shop_requests_total{code=\"200\"} %d\nshop_requests_total{code=\"500\"} %d\nshop_errors_total{kind=\"a\"} %d\n", good, bad, bad)
}

// server is a real Prometheus that scrapes instances.
type server struct {
	url     string
	command *exec.Cmd
}

func startServer(t *testing.T, of ...*instance) *server {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("%v: install it, on Debian: apt-get install prometheus", err)
	}
	dir, addr := t.TempDir(), port.Address(t)
	targets := make([]string, 0, len(of))
	for _, i := range of {
		targets = append(targets, "'"+i.addr+"'")
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs:\n- job_name: shop\n  static_configs: [{targets: [%s]}]\n", strings.Join(targets, ", "))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{url: "http://" + addr}
	s.command = exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=error")
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	eventually(t, "prometheus is ready", func() bool {
		response, err := http.Get(s.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return s
}

func (s *server) stop() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// eventually waits for another process.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func side(instances ...*instance) ripcord.Side {
	addresses := make([]string, 0, len(instances))
	for _, i := range instances {
		addresses = append(addresses, i.addr)
	}
	return ripcord.Side{Addresses: strings.Join(addresses, ","), Colour: "blue", Version: "v1"}
}

func settings(t *testing.T, url string, of map[string]any) ripcord.MetricSpec {
	t.Helper()
	all := map[string]any{"url": url}
	maps.Copy(all, of)
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return ripcord.MetricSpec{Name: "errors", Source: prometheus.Kind, Settings: data}
}

func open(t *testing.T, url string, of map[string]any, sides ripcord.Sides) ripcord.Metric {
	t.Helper()
	m, err := prometheus.NewSource(time.Now).Open(t.Context(), settings(t, url, of), sides, ripcord.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	mine     = `{instance=~"${side.instances}"}`
	mineOf   = `shop_requests_total{instance=~"${side.instances}"}`
	mineBad  = `shop_requests_total{instance=~"${side.instances}",code=~"5.."}`
	mineErrs = `shop_errors_total{instance=~"${side.instances}"}`
)

func counters() map[string]any { return map[string]any{"requests": mineOf, "failures": mineBad} }

// awaits reads until the reading is as wanted.
func awaits(t *testing.T, m ripcord.Metric, what string, is func(ripcord.Reading) bool) ripcord.Reading {
	t.Helper()
	var last ripcord.Reading
	eventually(t, what, func() bool {
		r, err := m.Read(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		last = r
		return is(r)
	})
	return last
}

func total(arm ripcord.Arm) (requests, failures float64) {
	for _, c := range arm.Counters {
		requests, failures = requests+c.Requests, failures+c.Failures
	}
	return requests, failures
}

func has(arm ripcord.Arm, requests, failures float64) bool {
	r, f := total(arm)
	return r == requests && f == failures
}
