// Command proxy compares the built-in proxy with nginx under the same load, in
// the same run, on the same machine.
//
// Both stand in front of the same application (nginx with a fixed answer) and
// get one core; load and application share what is left. The rounds alternate,
// and the medians count. Two ratios are printed: answers a second, and answers a
// second of processor time, which other work on the machine disturbs less.
//
// Then it counts the requests that fail when a canary dies or hangs, and switches
// all traffic again and again under the load that the other balancers have.
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
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/bench/front"
)

// aim is the least ratio of answers to nginx's.
const aim = 0.36

func main() {
	if len(os.Args) > 1 && os.Args[1] == "__proxy" {
		os.Exit(dataplane.Main(context.Background(), os.Args[2:], os.Stderr, time.Now))
	}
	if len(os.Args) > 1 && os.Args[1] == "__app" {
		fmt.Fprintln(os.Stderr, "bench/proxy:", serveApp())
		os.Exit(1)
	}
	deaths := flag.Int("canaries", 5, "rounds in which a canary dies; 0 leaves them out")
	rounds := flag.Int("rounds", 5, "rounds for each of the two proxies; 0 leaves them out")
	length := flag.Duration("length", 3*time.Second, "length of a round")
	connections := flag.Int("connections", 64, "kept connections of the load")
	count := flag.Int("switches", 100, "how many switches; 0 leaves them out")
	rate := flag.Float64("rate", 1000, "requests a second during the switches")
	flag.Parse()
	if err := bench(*rounds, *deaths, *length, *connections, *count, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "bench/proxy:", err)
		os.Exit(1)
	}
}

// contender is one of the two proxies.
type contender struct {
	name string
	addr string
	pid  int
	// rates and efficiencies of the rounds: answers a second, and a second of
	// processor time.
	rates, efficiencies []float64
}

func bench(rounds, deaths int, length time.Duration, connections, count int, rate float64) error {
	conditions := figure.Now(os.TempDir())
	var figures []figure.Figure
	if rounds > 0 {
		of, err := throughput(rounds, length, connections)
		if err != nil {
			return err
		}
		figures = of
	}
	if deaths > 0 {
		of, err := canaries(deaths)
		if err != nil {
			return err
		}
		figures = append(figures, of...)
	}
	if count > 0 {
		of, err := switches(context.Background(), count, rate)
		if err != nil {
			return err
		}
		figures = append(figures, of...)
	}
	return figure.Report(os.Stdout, conditions, figures...)
}

// throughput compares the proxy with nginx.
func throughput(rounds int, length time.Duration, connections int) ([]figure.Figure, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("nginx is needed for the comparison (apt-get install nginx-light): %w", err)
	}
	dir, err := os.MkdirTemp("", "ripcord-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	stage := &stage{dir: dir, nginx: nginx}
	defer stage.close()
	contenders, err := stage.open()
	if err != nil {
		return nil, err
	}
	for round := range rounds + 1 {
		for _, c := range contenders {
			if err := c.measure(length, connections, round > 0); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return ratios(contenders), nil
}

func ratios(contenders []*contender) []figure.Figure {
	base, ours := contenders[0], contenders[1]
	ratios := make([]float64, len(ours.rates))
	efficiencies := make([]float64, len(ours.rates))
	for i := range ratios {
		ratios[i], efficiencies[i] = ours.rates[i]/base.rates[i], ours.efficiencies[i]/base.efficiencies[i]
	}
	return []figure.Figure{
		figure.Of("proxy, answers a second", "of nginx", ratios).AtLeast(aim).
			With("%.0f/s, nginx %.0f/s, each on one core", figure.Median(ours.rates), figure.Median(base.rates)),
		figure.Of("proxy, answers a second of processor time", "of nginx", efficiencies).
			With("%.0f/s, nginx %.0f/s", figure.Median(ours.efficiencies), figure.Median(base.efficiencies)),
	}
}

// measure runs one round; the first is for warming up and does not count.
func (c *contender) measure(length time.Duration, connections int, counts bool) error {
	cpu := processorTime(c.pid)
	start := time.Now()
	answers, err := load(c.addr, connections, length)
	if err != nil {
		return err
	}
	elapsed, spent := time.Since(start), processorTime(c.pid)-cpu
	if counts {
		c.rates = append(c.rates, float64(answers)/elapsed.Seconds())
		c.efficiencies = append(c.efficiencies, float64(answers)/spent.Seconds())
	}
	return nil
}

// processorTime returns what the process has used so far.
func processorTime(pid int) time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

// stage holds the processes of the comparison.
type stage struct {
	dir, nginx string
	running    []*exec.Cmd
}

func (s *stage) close() {
	for _, cmd := range s.running {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
	}
}

// open starts the application and both proxies: nginx first.
func (s *stage) open() ([]*contender, error) {
	app, front, ours := front.FreeAddress(), front.FreeAddress(), front.FreeAddress()
	if _, err := s.startNginx("app", fmt.Sprintf(
		`server { listen %s backlog=1024; keepalive_requests 1000000000; location / { return 200 "%s"; } }`,
		app, strings.Repeat("x", 512)), app); err != nil {
		return nil, err
	}
	master, err := s.startNginx("front", fmt.Sprintf(
		`upstream app { server %s; keepalive 128; keepalive_requests 1000000000; }
server { listen %s backlog=1024; keepalive_requests 1000000000;
  location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host; } }`, app, front), front)
	if err != nil {
		return nil, err
	}
	pid, err := s.startOurs(ours, app)
	if err != nil {
		return nil, err
	}
	pin(master, pid)
	return []*contender{{name: "nginx", addr: front, pid: master}, {name: "ripcord", addr: ours, pid: pid}}, nil
}

// startNginx runs one nginx process without a master and returns its pid.
func (s *stage) startNginx(name, servers, addr string) (int, error) {
	prefix := filepath.Join(s.dir, name)
	if err := os.MkdirAll(prefix, 0o755); err != nil {
		return 0, err
	}
	conf := filepath.Join(prefix, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 2048; }
http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s; %[2]s }`, prefix, servers)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return 0, err
	}
	return s.start(addr, s.nginx, "-p", prefix, "-e", prefix+"/error.log", "-c", conf)
}

func (s *stage) startOurs(listen, app string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(s.dir, "ours")
	pid, err := s.start(listen, self, "__proxy", "--directory", dir, "--listen", listen)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := dataplane.NewClient(dir)
	side := dataplane.Side{Name: "blue", Targets: []string{app}, Health: dataplane.Health{HTTP: "/"}}
	status, err := client.PutSide(ctx, side)
	for errors.Is(err, dataplane.ErrNotRunning) && ctx.Err() == nil { // clients are listened to before commands are
		time.Sleep(10 * time.Millisecond)
		status, err = client.PutSide(ctx, side)
	}
	for err == nil && status.Side("blue").Ready() == 0 {
		time.Sleep(10 * time.Millisecond)
		status, err = client.Status(ctx)
	}
	if err != nil {
		return 0, err
	}
	_, err = client.SetRoute(ctx, dataplane.RouteChange{Side: "blue"})
	return pid, err
}

// start runs a process until it listens on addr.
func (s *stage) start(addr, name string, args ...string) (int, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	s.running = append(s.running, cmd)
	for range 500 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return cmd.Process.Pid, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0, fmt.Errorf("%s does not listen on %s", name, addr)
}

// pin gives the processes the first core that we may use, all their threads.
// Everything else stays free to run anywhere.
func pin(pids ...int) {
	var all unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil || all.Count() < 2 {
		return
	}
	var one unix.CPUSet
	for cpu := range 1024 {
		if all.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	for _, pid := range pids {
		threads, _ := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
		for _, thread := range threads {
			if tid, err := strconv.Atoi(thread.Name()); err == nil {
				_ = unix.SchedSetaffinity(tid, &one)
			}
		}
	}
}
