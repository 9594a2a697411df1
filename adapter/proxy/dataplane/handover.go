package dataplane

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HandOver is the version of how a proxy hands over to its successor: one that
// has another cannot be replaced by this binary without a gap.
const HandOver = 1

const (
	handOverPath = "/hand-over"
	// handOverPatience is how long the successor may take to serve.
	handOverPatience = 10 * time.Second
	// quietTime is how long the old process answers with "Connection: close"
	// before it closes connections that are unused.
	quietTime = 3 * time.Second
	// OldProcessLimit is how long it stays for upgraded connections, and answers
	// that do not end.
	OldProcessLimit = 5 * time.Minute
	reportInterval  = 100 * time.Millisecond
	// frameMark begins what a successor gets; a refusal begins with "HTTP".
	frameMark   = 1
	maxSnapshot = 16 << 20
	serving     = "serving\n"
)

// sockets are what a process takes over from the one before, in this order.
type sockets struct {
	public, control, claim net.Listener
	lock                   *os.File
}

func (s *sockets) close() {
	for _, l := range []net.Listener{s.public, s.control, s.claim} {
		if l != nil {
			_ = l.Close()
		}
	}
	_ = s.lock.Close()
}

// duplicates returns new descriptors for a successor, which the caller closes.
// They share their mode with ours: were one of them made blocking, as File of a
// listener does, our own accepting could never be ended.
func (s *sockets) duplicates() (all []int, err error) {
	for _, from := range []any{s.public, s.control, s.claim, s.lock} {
		conn, ok := from.(syscall.Conn)
		if !ok {
			return all, errors.New("a socket cannot be handed over")
		}
		raw, err := conn.SyscallConn()
		if err != nil {
			return all, err
		}
		var copied int
		var failed error
		if err := raw.Control(func(fd uintptr) { copied, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
			return all, err
		}
		if failed != nil {
			return all, failed
		}
		all = append(all, copied)
	}
	return all, nil
}

// snapshot is what a successor gets besides the sockets.
type snapshot struct {
	State  *State      `json:"state"`
	Report predecessor `json:"report"`
}

// link is the connection between a process that has handed over and its
// successor. The old one sends reports until it ends; the successor names sides
// whose upgraded connections are to be closed.
type link struct {
	conn   net.Conn
	reader *bufio.Reader
}

// closeTunnels asks the old process to close a side's upgraded connections.
func (l *link) closeTunnels(side string) { _ = json.NewEncoder(l.conn).Encode(side) }

// handOverTo gives everything to a successor on the other end of the connection,
// and reports whether it serves. As long as that is not known, this process goes
// on, with a state that nobody may change.
func (p *Proxy) handOverTo(conn *net.UnixConn) error {
	p.mu.Lock()
	if p.handing {
		p.mu.Unlock()
		return conflict("the proxy is being handed over already")
	}
	p.handing = true
	p.mu.Unlock()
	err := p.give(conn)
	if err != nil {
		p.mu.Lock()
		p.handing = false
		p.mu.Unlock()
		return err
	}
	return nil
}

func (p *Proxy) give(conn *net.UnixConn) error {
	data, err := json.Marshal(snapshot{State: p.snapshotState(), Report: p.report(true, os.Getpid())})
	if err != nil {
		return err
	}
	rights, err := p.sockets.duplicates()
	defer func() {
		for _, fd := range rights {
			_ = unix.Close(fd)
		}
	}()
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(p.now().Add(handOverPatience))
	frame := binary.BigEndian.AppendUint32([]byte{frameMark}, uint32(len(data))) //nolint:gosec // far below the limit
	if _, _, err := conn.WriteMsgUnix(frame, syscall.UnixRights(rights...), nil); err != nil {
		return fmt.Errorf("send the sockets: %w", err)
	}
	if _, err := conn.Write(data); err != nil {
		return fmt.Errorf("send the state: %w", err)
	}
	word := make([]byte, len(serving))
	if _, err := io.ReadFull(conn, word); err != nil {
		return fmt.Errorf("the successor does not serve: %w", err)
	}
	return conn.SetDeadline(time.Time{})
}

func (p *Proxy) snapshotState() *State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.clone()
}

// serveHandOver answers a successor's request for everything.
func (p *Proxy) serveHandOver(w http.ResponseWriter, r *http.Request) {
	if p.sockets == nil || p.handed == nil {
		answer(w, nil, conflict("this proxy cannot be handed over"))
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		answer(w, nil, err)
		return
	}
	conn, ok := client.(*net.UnixConn)
	if !ok {
		_ = client.Close()
		return
	}
	if err := p.handOverTo(conn); err != nil {
		p.log.WarnContext(r.Context(), "not handed over", slog.String("error", err.Error()))
		_ = conn.Close()
		return
	}
	p.log.InfoContext(r.Context(), "handed over")
	p.leaving.Store(true)
	p.handed <- &link{conn: conn, reader: bufio.NewReader(conn)}
}

// retire ends a process that has handed over: it answers what comes on the
// connections that it has, tells clients to come back on new ones, and then
// keeps only what is still in use, for a while.
func (p *Proxy) retire(front *http.Server, l *link) {
	defer func() { _ = l.conn.Close() }()
	go p.obey(l)
	end := time.NewTimer(OldProcessLimit)
	defer end.Stop()
	quiet := time.NewTimer(quietTime)
	defer quiet.Stop()
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	var shut chan struct{}
	limit, cancel := context.WithTimeout(p.life, OldProcessLimit)
	defer cancel()
	for {
		select {
		case <-quiet.C:
			shut = make(chan struct{})
			go func() {
				defer close(shut)
				_ = front.Shutdown(limit)
			}()
		case <-end.C:
			_ = front.Close()
			return
		case <-tick.C:
		}
		report := p.report(shut == nil, os.Getpid())
		_ = l.conn.SetWriteDeadline(p.now().Add(reportInterval)) // a successor that hangs must not hold this process up
		_ = json.NewEncoder(l.conn).Encode(report)               // when the successor is gone, what is in use here goes on
		if shut == nil || !isClosed(shut) {
			continue
		}
		if idle(report) {
			return
		}
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// idle reports whether nothing is in use any more.
func idle(r predecessor) bool {
	for _, s := range r.Sides {
		if s.Count.InFlight+s.Testers.InFlight+s.Count.WebSockets+s.Testers.WebSockets > 0 {
			return false
		}
	}
	return true
}

// obey closes upgraded connections as the successor says.
func (p *Proxy) obey(l *link) {
	decoder := json.NewDecoder(l.reader)
	for {
		var side string
		if decoder.Decode(&side) != nil {
			return
		}
		p.mu.Lock()
		s := p.live[side]
		p.mu.Unlock()
		if s != nil {
			s.closeTunnels()
		}
	}
}
