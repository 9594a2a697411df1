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
// SIGTERM comes, or until all is ended that was left after a successor took
// over, and returns the exit status: 0, 1 when it could not work, 2 for
// bad arguments. It logs to stderr.
func Main(ctx context.Context, args []string, stderr io.Writer, now func() time.Time) int {
	var o options
	flags := flag.NewFlagSet("__proxy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.directory, "directory", "", "folder for the state and the control socket")
	flags.StringVar(&o.listen, "listen", "", "address for clients, host:port")
	flags.IntVar(&o.takeOver, "take-over", 0, "process to take over from, when it works in the folder")
	flags.BoolVar(&o.inherit, "inherit", false, "take over from whichever process works in the folder")
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
	signal.Ignore(syscall.SIGPIPE) // whoever read the log may have been killed; the users are still here
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
	// takeOver is the process that this one replaces; 0 is none.
	takeOver int
	// inherit replaces whoever is there, when takeOver names nobody who lives.
	inherit bool
	now     func() time.Time
	log     *slog.Logger
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
	got, err := begin(ctx, dir, o)
	if err != nil {
		return err
	}
	defer got.sockets.close()
	if err := fillReserve(dir); err != nil {
		o.log.WarnContext(ctx, "no reserve for a full disk", slog.String("error", err.Error()))
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	p := New(life, dir, got.state, o.now, o.log)
	p.sockets, p.handed = got.sockets, make(chan *link, 1)
	if p.build, err = BuildOf(ownBinary); err != nil {
		o.log.WarnContext(ctx, "this binary cannot be told from others", slog.String("error", err.Error()))
	}
	if got.sockets.claim != nil {
		go p.serveClaim(got.sockets.claim, o.listen)
	}
	o.log.InfoContext(ctx, "proxy listens", slog.String("listen", o.listen), slog.String("side", got.state.Route))
	return p.serve(ctx, end, o, got)
}

// ownBinary is the binary of this process, also when its file was replaced.
const ownBinary = "/proc/self/exe"

// begin makes sure that this process alone works in dir, and opens or takes over
// everything.
func begin(ctx context.Context, dir string, o options) (*taken, error) {
	lock, err := lockDirectory(dir)
	if err != nil && (o.takeOver > 0 || o.inherit) {
		got, taking := takeOver(ctx, dir, o)
		if taking != nil {
			return nil, errors.Join(err, taking)
		}
		return got, nil
	}
	if err != nil {
		return nil, err
	}
	got := &taken{sockets: &sockets{lock: lock}}
	if err := got.open(ctx, dir, o); err != nil {
		got.sockets.close()
		return nil, err
	}
	return got, nil
}

// open opens the sockets of a proxy that nobody hands over.
func (t *taken) open(ctx context.Context, dir string, o options) (err error) {
	if t.state, err = loadState(dir, o.listen); err != nil {
		return err
	}
	if t.sockets.public, err = listenPublic(ctx, o.listen); err != nil {
		return err
	}
	if t.sockets.control, err = listenControl(ctx, dir, o.temporary); err != nil {
		return err
	}
	var config net.ListenConfig
	if claim, err := config.Listen(ctx, "unix", claimName(o.listen)); err == nil {
		t.sockets.claim = claim
	}
	return nil
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

// serve runs both servers until ctx ends, one of them fails, or a successor has
// taken over.
func (p *Proxy) serve(ctx context.Context, end func(), o options, got *taken) error {
	front := newFront(p, o.log)
	back := &http.Server{Handler: p.controlHandler(), ReadHeaderTimeout: readHeaderTimeout, ErrorLog: slog.NewLogLogger(quiet{o.log.Handler()}, slog.LevelError)}
	defer func() { _ = back.Close() }()
	if err := p.succeed(ctx, got); err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- front.Serve(p.secure(got.sockets.public)) }()
	go func() { failed <- back.Serve(got.sockets.control) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	case l := <-p.handed:
		got.sockets.close()
		p.retire(front, l) //nolint:contextcheck // ctx ends for whoever wants this process to go, which it does by itself
		end()
		return nil
	}
	o.log.InfoContext(ctx, "proxy stops", slog.Int64("in_flight", p.inFlight.Load()))
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.grace)
	defer cancel()
	if shut := front.Shutdown(grace); shut != nil {
		_ = front.Close()
	}
	end()
	if gone := withdraw(p.dir); gone != nil {
		o.log.WarnContext(ctx, "the folder of the control socket stays", slog.String("error", gone.Error()))
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// succeed tells the predecessor, if there is one, that this process serves. The
// sockets listen already, so nobody waits for more than the next lines.
func (p *Proxy) succeed(ctx context.Context, got *taken) error {
	if got.link == nil {
		return nil
	}
	p.adopt(&got.report)
	p.link = got.link
	if _, err := got.link.conn.Write([]byte(serving)); err != nil {
		return fmt.Errorf("tell the process before that this one serves: %w", err)
	}
	_ = got.link.conn.SetDeadline(time.Time{})
	go p.follow(got.link)
	p.log.InfoContext(ctx, "taken over", slog.Int("from", got.report.PID))
	return nil
}
