package dataplane_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// The test binary also plays the proxy and its targets.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "__proxy":
			os.Exit(dataplane.Main(context.Background(), os.Args[2:], os.Stderr, time.Now))
		case "__target":
			os.Exit(serveTarget(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

// serveTarget is an application that tells its name and serves slowly if asked.
func serveTarget(name string) int {
	var healthy atomic.Bool
	healthy.Store(true)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !healthy.Load() {
			http.Error(w, "database is away", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { healthy.Store(false) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if ms, err := strconv.Atoi(r.URL.Query().Get("ms")); err == nil {
			time.Sleep(time.Duration(ms) * time.Millisecond)
		}
		_, _ = fmt.Fprintf(w, "%s %s %d", name, r.Method, len(body))
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: %s\n\n", name)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.Handle("/ws", websocket.Handler(func(c *websocket.Conn) {
		for {
			var text string
			if websocket.Message.Receive(c, &text) != nil {
				return
			}
			if websocket.Message.Send(c, name+" "+text) != nil {
				return
			}
		}
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: mux}
	_ = server.Serve(listener)
	return 0
}

// process is a child of the test.
type process struct {
	cmd  *exec.Cmd
	addr string
	log  string
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal: %v", err)
	}
	if s == syscall.SIGSTOP { // the signal is on its way: each thread stops when it sees it
		eventually(t, "all threads stopped", p.stopped)
	}
}

// stopped reports whether each thread of the process has stopped.
func (p *process) stopped() bool {
	states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	if err != nil {
		return false
	}
	for _, path := range states {
		data, err := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(data), ") ")
		if err == nil && !strings.HasPrefix(rest, "T") {
			return false
		}
	}
	return len(states) > 0
}

// kill ends the process at once and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func startTarget(t *testing.T, name string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "__target", name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("target %s: %v", name, err)
	}
	p.addr = strings.TrimSpace(line)
	return p
}

func startProxy(t *testing.T, dir, listen string) (*process, *dataplane.Client) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "__proxy", "--directory", dir, "--listen", listen)
	log := filepath.Join(t.TempDir(), "proxy.log")
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	cmd.Stderr = file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, addr: listen, log: log}
	t.Cleanup(func() {
		p.kill()
		if text, _ := os.ReadFile(log); t.Failed() {
			t.Logf("proxy:\n%s", text)
		}
	})
	client := dataplane.NewClient(dir)
	eventually(t, "the proxy answers", func() bool {
		status, err := client.Status(t.Context())
		return err == nil && status.PID == cmd.Process.Pid
	})
	return p, client
}

// eventually polls for something that another process does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func side(name string, targets ...*process) dataplane.Side {
	s := dataplane.Side{Name: name, Health: dataplane.Health{HTTP: "/healthz", Interval: ripcord.Duration(50 * time.Millisecond), Timeout: ripcord.Duration(10 * time.Second)}}
	for _, t := range targets {
		s.Targets = append(s.Targets, t.addr)
	}
	return s
}

// put puts the side and waits until all its targets are ready.
func put(t *testing.T, c *dataplane.Client, s dataplane.Side) {
	t.Helper()
	if _, err := c.PutSide(t.Context(), s); err != nil {
		t.Fatalf("put side: %v", err)
	}
	eventually(t, s.Name+" is ready", func() bool {
		status, err := c.Status(t.Context())
		if err != nil {
			t.Fatalf("status: %v", err)
		}
		return status.Side(s.Name).Ready() == len(s.Targets)
	})
}

func route(t *testing.T, c *dataplane.Client, name string) {
	t.Helper()
	if _, err := c.SetRoute(t.Context(), dataplane.RouteChange{Side: name}); err != nil {
		t.Fatalf("route to %s: %v", name, err)
	}
}

// get returns the body of a GET, and fails the test unless it is a 200.
func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("get %s: %d %s", url, response.StatusCode, body)
	}
	return string(body)
}

// runProxy runs a proxy that is expected to end by itself.
func runProxy(t *testing.T, dir, listen string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "__proxy", "--directory", dir, "--listen", listen)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}
