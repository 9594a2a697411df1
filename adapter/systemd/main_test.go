package systemd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/machine"
)

// All tests run inside a machine with systemd. The test binary plays the service
// as well: with "__web" it serves HTTP on the address that follows.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "__web" {
		os.Exit(web(os.Args[2], os.Args[3:]))
	}
	os.Exit(machine.Main(m))
}

// web is a small service. Files in its working directory make it misbehave.
func web(address string, rest []string) int {
	is := func(file string) bool {
		_, err := os.Stat(file)
		return err == nil
	}
	fmt.Println("starting", os.Getenv("RIPCORD_VERSION"), "with", os.Getenv("TOKEN"))
	if is("broken") {
		fmt.Fprintln(os.Stderr, "cannot open the database with", os.Getenv("TOKEN"))
		return 1
	}
	if is("hungry") {
		eaten := make([][]byte, 0, 1<<10)
		for range cap(eaten) {
			eaten = append(eaten, bytes.Repeat([]byte("x"), 1<<20))
		}
		fmt.Println("ate", len(eaten), "MiB")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case is("sick"):
			http.Error(w, "sick", http.StatusInternalServerError)
		case r.URL.Path == "/healthz", r.URL.Path == "/version":
			_, _ = fmt.Fprintln(w, os.Getenv("RIPCORD_VERSION"), os.Getenv("RIPCORD_INSTANCE"))
		case r.URL.Path == "/world":
			_ = json.NewEncoder(w).Encode(worldOf(rest))
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

// inner is what an instance sees of its world.
type inner struct {
	Args  []string
	Env   map[string]string
	UID   int
	GID   int
	Dir   string
	Files uint64
}

func worldOf(args []string) inner {
	dir, _ := os.Getwd()
	var limit syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	in := inner{Args: args, Env: map[string]string{}, UID: os.Getuid(), GID: os.Getgid(), Dir: dir, Files: limit.Max}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		in.Env[name] = value
	}
	return in
}
