// Command service is the smallest web service that can be released: it tells its
// version.
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
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, *version) }
	server := &http.Server{Addr: *listen, Handler: http.HandlerFunc(answer), ReadHeaderTimeout: time.Second}
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
