// Command web is a small service in a container. On the address that follows it
// serves HTTP; with "__health" it asks itself, as an image's health check does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "__health":
		os.Exit(asked(os.Getenv("RIPCORD_ADDRESS")))
	case len(os.Args) > 1:
		os.Exit(web(os.Args[1], os.Args[2:]))
	}
	os.Exit(web(os.Getenv("RIPCORD_ADDRESS"), nil))
}

// web is a small service. Files in its working directory make it misbehave.
func web(address string, rest []string) int {
	is := func(file string) bool {
		_, err := os.Stat(file)
		return err == nil
	}
	_, _ = fmt.Fprintln(os.Stderr, "starting", os.Getenv("RIPCORD_VERSION"), "with", os.Getenv("TOKEN")) // in the order of what follows
	if is("broken") {
		fmt.Fprintln(os.Stderr, "cannot open the database with", os.Getenv("TOKEN"))
		return 1
	}
	if is("hungry") {
		var all [][]byte
		for {
			piece := make([]byte, 1<<20)
			for i := range piece {
				piece[i] = byte(i)
			}
			all = append(all, piece)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case is("sick"):
			http.Error(w, "sick, says "+os.Getenv("TOKEN"), http.StatusInternalServerError)
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

// asked is the image's own health check.
func asked(address string) int {
	response, err := http.Get("http://" + strings.Replace(address, "0.0.0.0", "127.0.0.1", 1) + "/healthz")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_ = response.Body.Close()
	fmt.Println("status", response.StatusCode, "with", os.Getenv("TOKEN"))
	if response.StatusCode != http.StatusOK {
		return 1
	}
	return 0
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
