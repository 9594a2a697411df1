package dataplane

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// The ways in which an attempt at a target fails.
var (
	// errUnsent: nothing of the request reached a target.
	errUnsent = errors.New("the target could not be reached")
	// errUnanswered: the target closed the connection before it answered.
	errUnanswered = errors.New("the target closed the connection without an answer")
	// errCut: the target was ejected while the request waited for its answer.
	errCut = errors.New("the target stopped answering its probes")
	// errLate: no answer within the limit.
	errLate = errors.New("the target did not answer in time")
	// errBadAnswer: what came back is not HTTP.
	errBadAnswer = errors.New("the target's answer is not valid HTTP")
	// errClientGone: the client went away or broke its request off.
	errClientGone = errors.New("the client went away")
)

// stopped says who stopped an exchange.
type stopped int

const (
	stoppedByCut stopped = 1 << iota
	stoppedByClient
)

// exchange is one request on one connection to one target.
type exchange struct {
	target *target
	cuts   uint64
	conn   *upstreamConn
	limits Limits
	now    func() time.Time
	// repeatable says that the request may be sent again elsewhere.
	repeatable bool
	// release ends the watch over the client's context; false when it fired.
	release func() bool
	// sending carries the end of a streamed body; nil where there is none.
	sending chan error

	mu       sync.Mutex
	stop     stopped
	answered bool
}

// abort makes the exchange fail at once. A cut does not reach an exchange whose
// answer has begun.
func (x *exchange) abort(by stopped) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if by == stoppedByCut && x.answered {
		return
	}
	x.stop |= by
	x.conn.abort()
}

func (x *exchange) stopped(by stopped) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stop&by != 0
}

// expect limits the wait for the answer's header from now on.
func (x *exchange) expect() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.answered && x.stop == 0 {
		_ = x.conn.SetReadDeadline(x.now().Add(x.limits.ResponseHeader.Std()))
	}
}

// begin lifts the limits: the answer's header is there, its body may take long.
func (x *exchange) begin(bodyBuffered bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answered = true
	if x.stop&stoppedByClient == 0 && (!bodyBuffered || x.stop != 0) {
		_ = x.conn.SetReadDeadline(time.Time{})
	}
}

// open starts an exchange: a connection, watched by the client's context and by
// the target's ejection.
func open(ctx context.Context, c choice, limits Limits, repeatable bool, now func() time.Time) (*exchange, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, errClientGone
		}
		c.doubt() // until its next probe: others need not try it first
		return nil, errUnsent
	}
	x := &exchange{target: c.target, cuts: c.cuts, conn: conn, limits: limits, repeatable: repeatable, now: now}
	_ = conn.SetDeadline(now().Add(limits.ResponseHeader.Std()))
	if c.wait(x) {
		_ = conn.Close()
		return nil, errUnsent
	}
	x.release = context.AfterFunc(ctx, func() { x.abort(stoppedByClient) })
	return x, nil
}

// send writes the request's header and what is kept of its body, and starts to
// stream the rest of it.
func (x *exchange) send(header []byte, body *requestBody) error {
	n, err := x.conn.Write(header)
	if err != nil {
		if n == 0 && x.conn.reused {
			return x.explain(errUnsent)
		}
		return x.explain(err)
	}
	if body.stream == nil {
		return nil
	}
	_ = x.conn.SetReadDeadline(time.Time{})
	x.sending = make(chan error, 1)
	body.started = true
	go func() {
		err := body.copyTo(x)
		if err == nil {
			x.expect()
		}
		x.sending <- err
	}()
	return nil
}

// receive reads the header of the answer. Interim answers are handed to interim.
func (x *exchange) receive(r *http.Request, interim func(*http.Response)) (*http.Response, error) {
	const maxInterim = 8
	for range maxInterim {
		x.conn.headerLeft = maxResponseHeader
		if _, err := x.conn.reader.Peek(1); err != nil {
			return nil, x.explain(err)
		}
		response, err := http.ReadResponse(x.conn.reader, r)
		if err != nil {
			if broken(err) {
				return nil, x.explain(err)
			}
			return nil, errBadAnswer
		}
		if response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			x.conn.headerLeft = -1
			x.target.answered(x)
			x.target.sign()
			x.begin(response.ContentLength >= 0 && response.ContentLength <= int64(x.conn.reader.Buffered()))
			return response, nil
		}
		if response.StatusCode != http.StatusContinue {
			interim(response)
		}
	}
	return nil, errBadAnswer
}

// explain turns an error of the connection into one of the kinds above.
func (x *exchange) explain(err error) error {
	switch {
	case x.stopped(stoppedByClient):
		return errClientGone
	case x.stopped(stoppedByCut):
		return errCut
	case errors.Is(err, errUnsent):
		return errUnsent
	case isTimeout(err):
		return errLate
	case errors.Is(err, errHeaderTooLarge):
		return errBadAnswer
	default:
		return errUnanswered
	}
}

// end gives the connection back when whole says that its answer was read to the
// end and nothing else was left on it; otherwise it closes it.
func (x *exchange) end(whole bool) {
	x.target.answered(x)
	if !x.release() {
		whole = false
	}
	if whole {
		x.target.pool.put(x.conn)
		return
	}
	_ = x.conn.Close()
}

// sent reports whether the request's body has been sent to its end.
func (x *exchange) sent() bool {
	if x.sending == nil {
		return true
	}
	select {
	case err := <-x.sending:
		x.sending <- err
		return err == nil
	default:
		return false
	}
}

// settle waits until nothing reads the client's body any more. Stop makes a
// pending read of it fail.
func (x *exchange) settle(stop func()) {
	if x.sending == nil {
		return
	}
	select {
	case err := <-x.sending:
		x.sending <- err
		return
	default:
	}
	stop()
	_ = x.conn.Close()
	x.sending <- <-x.sending
}

// broken reports whether err is the connection's, and not what came over it.
func broken(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// requestBody is what follows a request's header.
type requestBody struct {
	// kept is the whole body, where it was small.
	kept *bytes.Buffer
	// stream is the body of any other request; nil where there is none.
	stream  io.Reader
	length  int64 // of stream; negative is unknown
	started bool  // stream is no longer whole
	// client limits the reading of stream.
	client *clientReads
	read   func(n int)
}

// replayable reports whether the body can be sent once more.
func (b *requestBody) replayable() bool { return !b.started }
