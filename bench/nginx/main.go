// Command nginx switches all traffic of a real nginx between two sides under a
// steady load with kept and new connections, orders, slow answers and WebSockets:
// once with the adapter, which reloads nginx, and once with the built-in proxy
// behind an nginx that is never reloaded.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/bench/front"
	"github.com/ripcord-dev/ripcord/bench/traffic"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "__proxy" {
		os.Exit(dataplane.Main(context.Background(), os.Args[2:], os.Stderr, time.Now))
	}
	count := flag.Int("switches", 100, "how many switches")
	rate := flag.Float64("rate", 1000, "requests a second")
	flag.Parse()
	if err := bench(context.Background(), *count, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "bench/nginx:", err)
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
	direct, err := measure(ctx, filepath.Join(dir, "direct"), "nginx", count, rate)
	if err != nil {
		return err
	}
	before, err := measure(ctx, filepath.Join(dir, "proxy"), "nginx before the proxy", count, rate)
	if err != nil {
		return err
	}
	return figure.Report(os.Stdout, conditions, append(direct, before...)...)
}

// measure runs one nginx with its own applications.
func measure(ctx context.Context, dir, name string, count int, rate float64) ([]figure.Figure, error) {
	if err := os.MkdirAll(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		return nil, err
	}
	var sides [2]*traffic.Application
	for n, version := range []string{"blue", "green"} {
		app, err := traffic.StartApplication(version)
		if err != nil {
			return nil, err
		}
		defer app.Close()
		sides[n] = app
	}
	s := &stage{dir: dir, listen: front.FreeAddress()}
	change, to := s.reload, sides[0].Address
	if name != "nginx" {
		p := &front.Proxy{Dir: dir, Listen: front.FreeAddress()}
		defer p.Close()
		if err := p.Shift(ctx, sides[0]); err != nil {
			return nil, err
		}
		change, to = p.Shift, p.Listen
	}
	if err := s.start(to); err != nil {
		return nil, err
	}
	defer s.stop()
	return traffic.Switches{
		Name: name, Listen: s.listen, Sides: sides, Switch: change, Count: count,
		Load: traffic.Settings{Rate: rate, Connections: 64, Posts: 0.1, Slow: 0.01, Fresh: 0.1, WebSockets: 50, Timeout: 10 * time.Second},
	}.Measure(ctx)
}

// stage is one nginx.
type stage struct {
	dir, listen string
	cmd         *exec.Cmd
}

func (s *stage) config() string { return filepath.Join(s.dir, "nginx.conf") }

func (s *stage) include() string { return filepath.Join(s.dir, "conf.d", "ripcord-shop.conf") }

func (s *stage) start(first string) error {
	at, err := exec.LookPath("nginx")
	if err != nil {
		at = "/usr/sbin/nginx"
	}
	text := fmt.Sprintf(`daemon off; user root;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
worker_processes 2;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/temp; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  keepalive_requests 1000000;
  include conf.d/*.conf;
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  server {
    listen %[2]s;
    location / {
      proxy_pass http://shop;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_connect_timeout 2s;
      proxy_read_timeout 1h;
    }
  }
}
`, s.dir, s.listen)
	if err := os.WriteFile(s.config(), []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(s.include(), []byte("upstream shop {\n  server "+first+";\n  keepalive 64;\n}\n"), 0o600); err != nil {
		return err
	}
	s.cmd = exec.Command(at, "-p", s.dir, "-c", s.config())
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("nginx is needed (apt-get install nginx-light): %w", err)
	}
	return front.Answers(s.listen)
}

func (s *stage) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// reload is a whole step with the adapter: Check, then Apply. It waits for old
// workers no longer than a moment, because WebSockets keep them.
func (s *stage) reload(ctx context.Context, to *traffic.Application) error {
	return front.Apply(ctx, nginx.New(), ripcord.Scope{StateDir: s.dir}, map[string]any{
		"service": "web", "balancer": "front", "include": s.include(), "upstream": "shop", "config": s.config(),
		"targets": to.Address, "colour": to.Version, "health": map[string]any{"http": "/healthz", "interval": 0.1}, "drain_timeout": 0.05,
	})
}
