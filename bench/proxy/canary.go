package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/bench/front"
)

// A canary with a fifth of the traffic dies, or hangs, under requests of 20 ms
// each, of which each tenth is a POST. The best that was measured of other
// balancers, with checks each 200 ms and requests sent again, is 0 failures when
// it dies and 7 when it hangs.
const (
	canaryWeight   = 20
	canaryTime     = 20 * time.Millisecond
	canaryClients  = 16
	canaryRequests = 20_000
	postEach       = 10
	bestKilled     = 0
	bestHung       = 7
)

// harm is what one round lost.
type harm struct{ gets, posts float64 }

// canaries measures both ways to die, each round of both at once.
func canaries(rounds int) (figures []figure.Figure, err error) {
	var killed, hung []harm
	for range rounds {
		var both sync.WaitGroup
		var results [2]harm
		var errs [2]error
		for i, signal := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP} {
			both.Go(func() { results[i], errs[i] = canary(signal) })
		}
		both.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		killed, hung = append(killed, results[0]), append(hung, results[1])
	}
	return []figure.Figure{
		lost("a 20 % canary is killed", killed).Below(bestKilled + 1),
		lost("a 20 % canary hangs", hung).Below(bestHung + 1),
	}, nil
}

func lost(name string, rounds []harm) figure.Figure {
	var all, gets, posts []float64
	for _, r := range rounds {
		all, gets, posts = append(all, r.gets+r.posts), append(gets, r.gets), append(posts, r.posts)
	}
	return figure.Of(name, "failures", all).
		With("of %d requests; %.0f of them GETs, %.0f POSTs in flight on it", canaryRequests, figure.Median(gets), figure.Median(posts))
}

// canary is one round.
func canary(signal unix.Signal) (harm, error) {
	dir, err := os.MkdirTemp("", "ripcord-canary-")
	if err != nil {
		return harm{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &stage{dir: dir}
	defer s.close()
	old, err := s.startApp()
	if err != nil {
		return harm{}, err
	}
	young, err := s.startApp()
	if err != nil {
		return harm{}, err
	}
	defer func() { _ = young.cmd.Process.Signal(unix.SIGCONT) }()
	listen := front.FreeAddress()
	self, err := os.Executable()
	if err != nil {
		return harm{}, err
	}
	if _, err := s.start(listen, self, "__proxy", "--directory", filepath.Join(dir, "proxy"), "--listen", listen); err != nil {
		return harm{}, err
	}
	if err := splitTo(filepath.Join(dir, "proxy"), old.addr, young.addr); err != nil {
		return harm{}, err
	}
	return hammer(listen, func() { _ = young.cmd.Process.Signal(signal) }), nil
}

// splitTo leads the proxy to give the young application its part.
func splitTo(dir, old, young string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := dataplane.NewClient(dir)
	for name, addr := range map[string]string{"blue": old, "green": young} {
		side := dataplane.Side{Name: name, Targets: []string{addr}, Health: dataplane.Health{HTTP: "/healthz"}}
		status, err := client.PutSide(ctx, side)
		for errors.Is(err, dataplane.ErrNotRunning) && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
			status, err = client.PutSide(ctx, side)
		}
		for err == nil && status.Side(name).Ready() == 0 {
			time.Sleep(10 * time.Millisecond)
			status, err = client.Status(ctx)
		}
		if err != nil {
			return err
		}
	}
	if _, err := client.SetRoute(ctx, dataplane.RouteChange{Side: "blue"}); err != nil {
		return err
	}
	_, err := client.SetRoute(ctx, dataplane.RouteChange{Side: "blue", Split: &dataplane.Split{Side: "green", Weight: canaryWeight}})
	return err
}

// hammer sends all requests and strikes after a third of them.
func hammer(addr string, strike func()) harm {
	var sent, gets, posts atomic.Int64
	var clients sync.WaitGroup
	for range canaryClients {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for {
				n := sent.Add(1)
				if n > canaryRequests {
					return
				}
				if n == canaryRequests/3 {
					strike()
				}
				method, count := http.MethodGet, &gets
				if n%postEach == 0 {
					method, count = http.MethodPost, &posts
				}
				if !answered(client, method, addr) {
					count.Add(1)
				}
			}
		})
	}
	clients.Wait()
	return harm{gets: float64(gets.Load()), posts: float64(posts.Load())}
}

func answered(client *http.Client, method, addr string) bool {
	var body io.Reader
	if method == http.MethodPost {
		body = bytes.NewReader([]byte("order"))
	}
	request, err := http.NewRequest(method, "http://"+addr+"/", body)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}

// app is a process that answers after a while.
type app struct {
	cmd  *exec.Cmd
	addr string
}

func (s *stage) startApp() (*app, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "__app")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.running = append(s.running, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	return &app{cmd: cmd, addr: strings.TrimSpace(line)}, err
}

// serveApp is that process.
func serveApp() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Println(l.Addr()); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(canaryTime)
		_, _ = io.WriteString(w, "ok")
	})
	return http.Serve(l, mux)
}
