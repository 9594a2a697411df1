package dataplane

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"
)

// The front's limits, the same for all sides.
const (
	readHeaderTimeout = 10 * time.Second
	clientIdle        = 75 * time.Second
	maxHeaderBytes    = 64 << 10
	maxConnections    = 8192
	// garbagePercent trades memory for fewer collections.
	garbagePercent = 400
)

// Main runs "ripcord __proxy --directory DIR --listen ADDR" until ctx ends or
// SIGTERM comes, and returns the exit status: 0, 1 when it could not work, 2 for
// bad arguments. It logs to stderr.
func Main(ctx context.Context, args []string, stderr io.Writer, now func() time.Time) int {
	var o options
	flags := flag.NewFlagSet("__proxy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.directory, "directory", "", "folder for the state and the control socket")
	flags.StringVar(&o.listen, "listen", "", "address for clients, host:port")
	grace := flags.Duration("grace", 10*time.Second, "time for requests in flight when stopped")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	o.grace = *grace
	o.now = now
	o.log = slog.New(slog.NewTextHandler(stderr, nil))
	o.temporary = os.TempDir()
	if o.directory == "" || flags.NArg() > 0 || ValidAddress(o.listen) != nil {
		_, _ = fmt.Fprintln(stderr, "usage: __proxy --directory DIR --listen HOST:PORT")
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	debug.SetGCPercent(garbagePercent)
	if err := run(ctx, o); err != nil {
		o.log.ErrorContext(ctx, "the proxy cannot work", slog.String("error", err.Error()))
		return 1
	}
	return 0
}

type options struct {
	directory string
	listen    string
	temporary string
	grace     time.Duration
	now       func() time.Time
	log       *slog.Logger
}

// run serves until ctx ends, then lets requests in flight end.
func run(ctx context.Context, o options) error {
	dir, err := filepath.Abs(o.directory)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder needs its x bit
		return err
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	state, err := loadState(dir, o.listen)
	if err != nil {
		return err
	}
	if err := fillReserve(dir); err != nil {
		o.log.WarnContext(ctx, "no reserve for a full disk", slog.String("error", err.Error()))
	}
	public, err := listenPublic(ctx, o.listen)
	if err != nil {
		return err
	}
	defer func() { _ = public.Close() }()
	control, err := listenControl(ctx, dir, o.temporary)
	if err != nil {
		return err
	}
	defer func() { _ = control.Close() }()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	p := New(life, dir, state, o.now, o.log)
	var config net.ListenConfig
	if claim, err := config.Listen(ctx, "unix", claimName(o.listen)); err == nil {
		defer func() { _ = claim.Close() }()
		go p.serveClaim(claim, o.listen)
	}
	o.log.InfoContext(ctx, "proxy listens", slog.String("listen", o.listen), slog.String("side", state.Route))
	return p.serve(ctx, end, o, public, control)
}

// loadState returns the state kept in dir, or a first one, for the address.
func loadState(dir, listen string) (*State, error) {
	state, err := ReadState(dir)
	if err != nil {
		return nil, err
	}
	if state == nil {
		state = &State{Version: stateVersion}
	} else if state.Listen == listen {
		return state, nil
	}
	state.Listen = listen
	state.Revision++
	return state, writeState(dir, state)
}

// serve runs both servers until ctx ends or one of them fails.
func (p *Proxy) serve(ctx context.Context, end func(), o options, public, control net.Listener) error {
	front := newFront(p, o.log)
	back := &http.Server{Handler: p.controlHandler(), ReadHeaderTimeout: readHeaderTimeout, ErrorLog: slog.NewLogLogger(quiet{o.log.Handler()}, slog.LevelError)}
	failed := make(chan error, 2)
	go func() { failed <- front.Serve(p.secure(public)) }()
	go func() { failed <- back.Serve(control) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	o.log.InfoContext(ctx, "proxy stops", slog.Int64("in_flight", p.inFlight.Load()))
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.grace)
	defer cancel()
	if shut := front.Shutdown(grace); shut != nil {
		_ = front.Close()
	}
	end()
	_ = back.Close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
