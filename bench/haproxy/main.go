// Command haproxy switches all traffic of a real HAProxy between two sides, with
// the adapter and its written configuration, under a steady load with kept and
// new connections, orders, slow answers and WebSockets.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/haproxy"
	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/bench/front"
	"github.com/ripcord-dev/ripcord/bench/traffic"
)

func main() {
	count := flag.Int("switches", 100, "how many switches")
	rate := flag.Float64("rate", 1000, "requests a second")
	flag.Parse()
	if err := bench(context.Background(), *count, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "bench/haproxy:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, count int, rate float64) error {
	dir, err := os.MkdirTemp("", "ripcord-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	conditions := figure.Now(dir)
	var sides [2]*traffic.Application
	for n, version := range []string{"blue", "green"} {
		if sides[n], err = traffic.StartApplication(version); err != nil {
			return err
		}
		defer sides[n].Close()
	}
	s := &stage{dir: dir, listen: front.FreeAddress()}
	if err := s.start(sides[0].Address); err != nil {
		return err
	}
	defer func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}()
	figures, err := traffic.Switches{
		Name: "haproxy", Listen: s.listen, Sides: sides, Switch: s.shift, Count: count,
		Load: traffic.Settings{Rate: rate, Connections: 64, Posts: 0.1, Slow: 0.01, Fresh: 0.1, WebSockets: 50, Timeout: 10 * time.Second},
	}.Measure(ctx)
	if err != nil {
		return err
	}
	return figure.Report(os.Stdout, conditions, figures...)
}

// stage is one HAProxy.
type stage struct {
	dir, listen string
	cmd         *exec.Cmd
}

func (s *stage) socket() string { return filepath.Join(s.dir, "admin.sock") }

func (s *stage) config() string { return filepath.Join(s.dir, "haproxy.cfg") }

func (s *stage) start(first string) error {
	at, err := exec.LookPath("haproxy")
	if err != nil {
		return fmt.Errorf("HAProxy is needed (apt-get install haproxy): %w", err)
	}
	text := fmt.Sprintf(`global
  stats socket %s mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1h
  timeout check 5s
  option idle-close-on-response
  option redispatch
frontend front
  bind %s
  default_backend shop
backend shop
  balance roundrobin
  option httpchk GET /healthz
  retry-on all-retryable-errors
  http-request disable-l7-retry if METH_POST
  # ripcord begin shop
  server blue1 %s check inter 200ms weight 100
  # ripcord end shop
`, s.socket(), s.listen, first)
	if err := os.WriteFile(s.config(), []byte(text), 0o600); err != nil {
		return err
	}
	s.cmd = exec.Command(at, "-db", "-f", s.config())
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 500 {
		if conn, err := net.Dial("unix", s.socket()); err == nil {
			return conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("HAProxy does not start")
}

// shift is a whole step: Check, then Apply.
func (s *stage) shift(ctx context.Context, to *traffic.Application) error {
	return front.Apply(ctx, haproxy.New(), ripcord.Scope{StateDir: s.dir}, map[string]any{
		"service": "web", "balancer": "front", "socket": s.socket(), "backend": "shop", "config": s.config(),
		"targets": to.Address, "colour": to.Version, "health": map[string]any{"http": "/healthz", "interval": 0.1},
	})
}
