package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The balancers that stand before a world's service.
const (
	proxyAlone     = "proxy"
	haproxyAlone   = "haproxy"
	nginxAlone     = "nginx"
	nginxThenProxy = "nginx before the proxy"
)

// balancer is where the clients of a world connect to, started and restarted as a
// service manager does. The built-in proxy has its keeper for that.
type balancer struct {
	*world
	kind, listen string
	args         []string
	cmd          *exec.Cmd
}

// restartAfter is how long a service manager waits; systemd's default.
const restartAfter = 100 * time.Millisecond

// newBalancer writes the balancer into the world's plan file and starts it where
// it is not ours.
func newBalancer(w *world, kind string) *balancer {
	w.Helper()
	b := &balancer{world: w, kind: kind, listen: w.listen}
	front := fmt.Sprintf(`{proxy: {listen: %q, health: {interval: 50ms, timeout: 20s}}}`, w.listen)
	switch kind {
	case haproxyAlone:
		front = b.configureHAProxy()
	case nginxAlone:
		front = fmt.Sprintf(`{nginx: {include: %q, upstream: shop, config: %q, program: %q, health: {interval: 50ms, timeout: 20s}}}`,
			w.in("conf.d/shop.conf"), w.in("nginx.conf"), b.configureNginx("server 127.0.0.1:1 down;"))
	case nginxThenProxy:
		first, _, _ := net.SplitHostPort(w.listen)
		b.listen = net.JoinHostPort(first, strings.Split(w.ports, "-")[0]) // the instances' first port is taken then
		b.configureNginx("server " + w.listen + ";")
	}
	w.write("ripcord.yaml", strings.Replace(w.read("ripcord.yaml"), "FRONT", front, 1))
	if kind != proxyAlone {
		b.start()
		w.Cleanup(b.end)
	}
	return b
}

// in is a path in the world's folder.
func (w *world) in(name string) string { return filepath.Join(w.dir, name) }

// file writes a file in the world's folder.
func (w *world) file(name, text string) {
	w.Helper()
	if err := os.MkdirAll(filepath.Dir(w.in(name)), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.in(name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// program finds one that may be in a folder of root's.
func (w *world) program(name string) string {
	w.Helper()
	at, err := exec.LookPath(name)
	if err == nil {
		return at
	}
	if at, err = exec.LookPath("/usr/sbin/" + name); err != nil {
		w.Fatalf("%s is needed (tools/install-test-deps.sh): %v", name, err)
	}
	return at
}

func (b *balancer) configureHAProxy() string {
	b.Helper()
	b.file("haproxy.cfg", fmt.Sprintf(`global
  stats socket %s mode 600 level admin
defaults
  mode http
  timeout connect 30s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1h
  timeout check 30s
  option idle-close-on-response
  option redispatch
  retries 3
  retry-on all-retryable-errors
frontend front
  bind %s
  default_backend shop
backend shop
  balance roundrobin
  option httpchk GET /healthz
  http-request disable-l7-retry if METH_POST
  # ripcord begin shop
  # ripcord end shop
`, b.in("admin.sock"), b.listen))
	b.args = []string{b.program("haproxy"), "-db", "-f", b.in("haproxy.cfg")}
	return fmt.Sprintf(`{haproxy: {socket: %q, backend: shop, config: %q, validate: [%q, -c, -f, "%%s"], health: {interval: 50ms, timeout: 20s, failures: 10}}}`,
		b.in("admin.sock"), b.in("haproxy.cfg"), b.program("haproxy"))
}

// configureNginx returns how nginx is called.
func (b *balancer) configureNginx(server string) string {
	b.Helper()
	b.file("conf.d/shop.conf", "upstream shop {\n  "+server+"\n  keepalive 16;\n}\n")
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	b.file("nginx.conf", fmt.Sprintf(`daemon off; %[3]s
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
worker_processes 2;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3;
  uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
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
      proxy_set_header Host $http_host;
      proxy_connect_timeout 30s;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries 3;
    }
  }
}
`, b.dir, b.listen, user))
	program := b.program("nginx")
	b.args = []string{program, "-p", b.dir, "-c", b.in("nginx.conf")}
	return program + " -p " + b.dir
}

// start starts it, and returns when it listens.
func (b *balancer) start() {
	b.Helper()
	log, err := os.OpenFile(b.in("balancer.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	b.cmd = exec.Command(b.args[0], b.args[1:]...)
	b.cmd.Stdout, b.cmd.Stderr = log, log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.until("the balancer listens", b.listens)
}

func (b *balancer) listens() bool {
	conn, err := net.Dial("tcp", b.listen)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// end kills all of it, and returns when nobody listens any more.
func (b *balancer) end() {
	_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
	_ = b.cmd.Wait()
}

// die kills the balancer and starts it again; it returns when it was killed, when
// it was gone, and when it listened again.
func (b *balancer) die() outage {
	b.Helper()
	o := outage{from: time.Now()}
	if b.kind == proxyAlone {
		b.kill(b.processesWith("__proxy"))
	} else {
		b.end()
	}
	// Processes and threads of it may be dying for a moment longer.
	b.until("nobody listens", func() bool { return !b.listens() })
	o.gone = time.Now()
	if b.kind == proxyAlone {
		b.until("the proxy listens again", b.listens)
	} else {
		time.Sleep(restartAfter)
		b.start()
	}
	o.to = time.Now()
	return o
}
