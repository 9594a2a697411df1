// Command service is the smallest web service that can be released: it tells its
// version. It also answers what the load of the benchmarks asks for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord/bench/traffic"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	listen := flag.String("listen", "", "address to listen on")
	version := flag.String("version", "", "version to tell")
	flag.String("home", "", "a mark by which tests find the process")
	number := flag.Int("number", 0, "which instance it is")
	dies := flag.Int("dies", 0, "the instance that cannot start; 0 is none")
	flag.Parse()
	if *dies > 0 && *number == *dies {
		return errors.New("the stock is not to be had")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pages := traffic.Handler(*version, func() {})
	answers := http.NewServeMux()
	for _, path := range []string{"/slow", "/echo", "/order"} {
		answers.Handle(path, pages)
	}
	answers.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Shop-Version", *version)
		fmt.Fprint(w, *version)
	})
	server := &http.Server{Addr: *listen, Handler: answers, ReadHeaderTimeout: time.Second}
	if token := os.Getenv("TOKEN"); token != "" {
		fmt.Println("serving with", token)
	}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
