package dataplane

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxIdlePerTarget  = 1024
	maxResponseHeader = 256 << 10
	upstreamBuffer    = 8 << 10
)

var errHeaderTooLarge = errors.New("the header of the answer is too large")

// longAgo is a deadline that stops an operation at once.
func longAgo() time.Time { return time.Unix(1, 0) }

// upstreamConn is a connection to a target. One goroutine at a time uses it;
// only abort may come from others.
type upstreamConn struct {
	net.Conn
	reader *bufio.Reader
	raw    syscall.RawConn
	// headerLeft is how many bytes of header may still be read; negative is
	// no limit.
	headerLeft int
	idleSince  time.Time
	reused     bool
	// quiet is set by look: nothing came and nobody hung up.
	quiet bool
	look  func(fd uintptr) bool
}

func newUpstreamConn(c net.Conn) *upstreamConn {
	u := &upstreamConn{Conn: c}
	u.reader = bufio.NewReaderSize(headerLimit{u}, upstreamBuffer)
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			u.raw = raw
		}
	}
	u.look = func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		u.quiet = errors.Is(err, syscall.EAGAIN)
		return true
	}
	return u
}

// headerLimit reads from a connection up to its limit of header bytes.
type headerLimit struct{ *upstreamConn }

func (h headerLimit) Read(p []byte) (int, error) {
	u := h.upstreamConn
	if u.headerLeft < 0 {
		return u.Read(p)
	}
	if u.headerLeft == 0 {
		return 0, errHeaderTooLarge
	}
	if len(p) > u.headerLeft {
		p = p[:u.headerLeft]
	}
	n, err := u.Read(p)
	u.headerLeft -= n
	return n, err
}

// usable reports whether an idle connection is still open and in step: a target
// that hung up, or sent something nobody asked for, makes it worthless.
func (u *upstreamConn) usable() bool {
	if u.raw == nil || u.reader.Buffered() > 0 {
		return false
	}
	u.quiet = false
	err := u.raw.Read(u.look)
	return err == nil && u.quiet
}

// abort makes all of the connection's operations fail at once.
func (u *upstreamConn) abort() { _ = u.SetDeadline(longAgo()) }

// pool keeps the idle connections to one target, newest last.
type pool struct {
	addr   string
	limits Limits
	now    func() time.Time
	// idling is the length of idle, readable without the lock.
	idling atomic.Int32

	mu     sync.Mutex
	idle   []*upstreamConn
	closed bool
}

// take returns an idle connection that is still good, or nil.
func (p *pool) take() *upstreamConn {
	for p.idling.Load() > 0 {
		u := p.pop()
		if u == nil {
			return nil
		}
		// the deadline of the last request must not disturb the look.
		_ = u.SetDeadline(time.Time{})
		if p.now().Sub(u.idleSince) < p.limits.Idle.Std() && u.usable() {
			u.reused = true
			return u
		}
		_ = u.Close()
	}
	return nil
}

func (p *pool) pop() *upstreamConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	u := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	p.idling.Store(int32(last)) //nolint:gosec // at most maxIdlePerTarget
	return u
}

// dial opens a new connection.
func (p *pool) dial(ctx context.Context) (*upstreamConn, error) {
	d := net.Dialer{Timeout: p.limits.Dial.Std()}
	c, err := d.DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	return newUpstreamConn(c), nil
}

// put gives a connection back whose answer was read to its end.
func (p *pool) put(u *upstreamConn) {
	if u.reader.Buffered() > 0 || !p.keep(u) {
		_ = u.Close()
	}
}

func (p *pool) keep(u *upstreamConn) bool {
	u.idleSince = p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdlePerTarget {
		return false
	}
	p.idle = append(p.idle, u)
	p.idling.Store(int32(len(p.idle))) //nolint:gosec // at most maxIdlePerTarget
	return true
}

// prune closes connections that have been idle for too long.
func (p *pool) prune() {
	oldest := p.now().Add(-p.limits.Idle.Std())
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && !p.idle[n].idleSince.After(oldest) {
		n++
	}
	stale := append([]*upstreamConn(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.idling.Store(int32(len(p.idle))) //nolint:gosec // at most maxIdlePerTarget
	p.mu.Unlock()
	for _, u := range stale {
		_ = u.Close()
	}
}

// close closes all idle connections; those in use are closed when given back.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.idling.Store(0)
	p.mu.Unlock()
	for _, u := range idle {
		_ = u.Close()
	}
}

// flush closes the idle connections, for example when their target was ejected.
func (p *pool) flush() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.idling.Store(0)
	p.mu.Unlock()
	for _, u := range idle {
		_ = u.Close()
	}
}
