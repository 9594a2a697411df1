package shim

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// pipe makes a pipe whose write end blocks, as programs expect, while the read
// end does not.
func pipe() (read, write int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return 0, 0, fmt.Errorf("pipe: %w", err)
	}
	if err := unix.SetNonblock(ends[0], true); err != nil {
		return 0, 0, fmt.Errorf("pipe: %w", err)
	}
	return ends[0], ends[1], nil
}

// pump reads the command's output from a pipe until nobody can write to it any
// more.
type pump struct {
	from   int
	to     *redactor
	news   func()
	wake   int // an eventfd: drain now
	buffer []byte

	drained     chan struct{}
	ended       chan struct{}
	drainedOnce sync.Once
}

func newPump(from int, to *redactor, news func()) (*pump, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &pump{
		from: from, to: to, news: news, wake: wake, buffer: make([]byte, 64<<10),
		drained: make(chan struct{}), ended: make(chan struct{}),
	}
	go p.run()
	return p, nil
}

// Drain returns when everything that was in the pipe has been passed on. What
// comes later is read and dropped.
func (p *pump) Drain() {
	_, _ = unix.Write(p.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-p.drained
}

// Ended is closed when nobody can write any more.
func (p *pump) Ended() <-chan struct{} { return p.ended }

func (p *pump) run() {
	dropping := false
	for {
		fds := []unix.PollFd{{Fd: int32(p.from), Events: unix.POLLIN}, {Fd: int32(p.wake), Events: unix.POLLIN}} // #nosec G115 -- descriptors are small
		if dropping {
			fds = fds[:1]
		}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
		if !dropping && fds[1].Revents != 0 {
			p.rest()
			dropping = true
			p.finish()
			continue
		}
		if fds[0].Revents == 0 {
			continue
		}
		n, err := p.read()
		if n == 0 && err == nil {
			break
		}
		if n > 0 && !dropping {
			p.pass(p.buffer[:n])
		}
	}
	if !dropping {
		_ = p.to.Flush()
		p.news()
	}
	p.finish()
	_ = unix.Close(p.from)
	close(p.ended)
}

// rest passes on what is in the pipe now. It counts, because something in the
// background may write without end.
func (p *pump) rest() {
	left, err := unix.IoctlGetInt(p.from, unix.TIOCINQ)
	for err == nil && left > 0 {
		var n int
		if n, err = p.read(); n <= 0 {
			break
		}
		p.pass(p.buffer[:n])
		left -= n
	}
	// At the end of the pipe nothing more can complete a secret.
	if n, err := p.read(); n == 0 && err == nil {
		_ = p.to.Flush()
	} else if n > 0 {
		p.pass(p.buffer[:n])
	}
}

// read returns 0 and no error at the end, and EAGAIN when nothing is there.
func (p *pump) read() (int, error) {
	n, err := unix.Read(p.from, p.buffer)
	return max(n, 0), err
}

func (p *pump) pass(data []byte) {
	_, _ = p.to.Write(data)
	p.news()
}

func (p *pump) finish() { p.drainedOnce.Do(func() { close(p.drained) }) }
