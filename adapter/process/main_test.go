package process_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/shim"
)

// The test binary plays the service: with "__web" it serves HTTP on the address
// that follows.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "__shim" {
		os.Exit(shim.Main(os.Args[2], time.Now))
	}
	if len(os.Args) > 2 && os.Args[1] == "__web" {
		os.Exit(web(os.Args[2]))
	}
	os.Exit(m.Run())
}

// web is a small service. Files in its working directory make it misbehave.
func web(address string) int {
	is := func(file string) bool {
		_, err := os.Stat(file)
		return err == nil
	}
	fmt.Println("starting", os.Getenv("RIPCORD_VERSION"), "with", os.Getenv("TOKEN"))
	if is("broken") {
		fmt.Fprintln(os.Stderr, "cannot open the database with", os.Getenv("TOKEN"))
		return 1
	}
	var turn atomic.Int64
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case is("flaps") && turn.Add(1)%2 == 0, is("sick"):
			http.Error(w, "sick", http.StatusInternalServerError)
		case r.URL.Path == "/healthz", r.URL.Path == "/version":
			_, _ = fmt.Fprintln(w, os.Getenv("RIPCORD_VERSION"), os.Getenv("RIPCORD_INSTANCE"))
		default:
			http.NotFound(w, r)
		}
	})}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		fmt.Fprintln(os.Stderr, err)
		return 2
	case <-ctx.Done():
		return 0
	}
}
