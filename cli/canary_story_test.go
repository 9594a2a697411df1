package cli_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
)

// shopProgram answers requests: shop ADDRESS VERSION. A version whose name begins
// with "bad" is healthy and fails each second request of a customer.
func shopProgram() {
	var count atomic.Int64
	handler := http.NewServeMux()
	handler.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		orders, failed := count.Load(), int64(0)
		if strings.HasPrefix(os.Args[2], "worse") { // what no balancer sees
			failed = orders / 2
		}
		_, _ = fmt.Fprintf(w, "shop_orders_total %d\nshop_failed_orders_total{why=\"stock\"} %d\n", orders, failed)
	})
	handler.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	handler.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		if count.Add(1)%2 == 0 && strings.HasPrefix(os.Args[2], "bad") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	server := &http.Server{Addr: os.Args[1], Handler: handler, ReadHeaderTimeout: time.Minute}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	_ = server.ListenAndServe()
}

// customersProgram sends requests until it is told to end: customers URL.
func customersProgram() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				visit(ctx)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	group.Wait()
}

func visit(ctx context.Context) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Args[1], nil)
	if err != nil {
		panic(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}

// freeAddress puts an address that nobody listens on into a variable.
func freeAddress(ts *testscript.TestScript, _ bool, args []string) {
	n, err := port.Free()
	ts.Check(err)
	ts.Setenv(args[0], net.JoinHostPort("127.0.0.1", strconv.Itoa(n)))
}

// endAll ends what a story has left running in its folder, if it failed before it
// could do so itself.
func endAll(folder string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")) // it may have ended
		environ, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if strings.Contains(string(line)+"\x00"+string(environ), folder+"/") || strings.Contains(string(environ), "="+folder+"\x00") {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}
