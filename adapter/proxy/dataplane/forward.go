package dataplane

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// inbound is one request of a client on its way.
type inbound struct {
	proxy *Proxy
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	// luck draws the side of a visitor that nobody knows.
	luck    float64
	body    *requestBody
	upgrade string
	// give is the header with the affinity cookie that the visitor is to get.
	give string
	// side is where the request is counted in, in count; nil where it is not.
	side  *liveSide
	count *counters
	// boarded is when it was given to that side.
	boarded time.Time
	// left are the sides that failed it.
	left []*liveSide
	// early counts bytes of the body that came before there was a side.
	early uint64
	// uncounted says that the request is no part of the proxy's total any more.
	uncounted bool
}

// leave counts the request out everywhere. It may be called twice.
func (in *inbound) leave() {
	if in.side != nil {
		in.count.inFlight.Add(-1)
		in.side = nil
	}
	if !in.uncounted {
		in.uncounted = true
		in.proxy.inFlight.Add(-1)
	}
}

// bytesRead counts what the client sent of the body.
func (in *inbound) bytesRead(n int) {
	switch {
	case n <= 0:
	case in.count == nil:
		in.early += uint64(n)
	default:
		in.count.bytesIn.Add(uint64(n))
	}
}

// forward sends the request to a target, and to another one where that is
// safe, and passes the answer on.
func (in *inbound) forward() {
	var tried []*target
	err := errUnsent
	for attempt := 1; attempt <= maxAttempts; attempt++ {
		if moved := in.board(); moved {
			tried = nil
		}
		if in.side == nil {
			in.proxy.refuse(in.w, http.StatusServiceUnavailable, "no release has the route")
			return
		}
		c := in.side.pick(tried)
		if (c.target == nil || !c.usable()) && in.cross() {
			tried = nil
			c = in.side.pick(nil)
		}
		if c.target == nil {
			break
		}
		if attempt > 1 {
			in.count.replays.Add(1)
		}
		var x *exchange
		var response *http.Response
		x, response, err = in.try(c) //nolint:bodyclose // closing would read the body to its end; the exchange closes the connection
		if err == nil {
			in.deliver(x, response)
			return
		}
		if !in.mayRepeat(err) {
			break
		}
		if x == nil || !x.conn.reused {
			// a kept connection that broke says nothing about its target.
			tried = append(tried, c.target)
		}
	}
	in.fail(err)
}

// board counts the request in on the side that it is to go to, and out of the
// one before. It reports whether that is another side.
func (in *inbound) board() (moved bool) {
	if in.side != nil && in.proxy.table.Load().holds(in.side) {
		return false
	}
	side, count := in.proxy.enter(in)
	moved = side != in.side
	in.move(side, count)
	return moved
}

// cross moves the request to the other side, when that is well and has not
// failed it before.
func (in *inbound) cross() bool {
	t := in.proxy.table.Load()
	other := t.other(in.side)
	if other == nil || !other.anyUsable() || slices.Contains(in.left, other) {
		return false
	}
	count := other.counters(in.count == &in.side.testers)
	count.inFlight.Add(1)
	if in.proxy.table.Load() != t { // as in enter
		count.inFlight.Add(-1)
		return false
	}
	in.left = append(in.left, in.side)
	in.give = "" // the visitor is not where its cookie says
	in.move(other, count)
	return true
}

// move makes another side the one that has the request, which is counted in
// there already.
func (in *inbound) move(side *liveSide, count *counters) {
	now := in.proxy.now()
	if in.side != nil {
		in.count.left.Add(1)
		in.count.latency.observe(now.Sub(in.boarded))
		in.count.inFlight.Add(-1)
	}
	in.side, in.count, in.boarded = side, count, now
	if side != nil {
		count.requests.Add(1)
		count.bytesIn.Add(in.early)
		in.early = 0
	}
}

// try makes one attempt at a target and returns when the answer's header is
// there. On failure the exchange has ended.
func (in *inbound) try(c choice) (*exchange, *http.Response, error) {
	c.inFlight.Add(1)
	if c.out.Load() { // it left the rotation between the choice and now
		c.inFlight.Add(-1)
		return nil, nil, errOut
	}
	c.requests.Add(1)
	x, err := open(in.r.Context(), c, in.side.spec.Limits, in.body.replayable() && idempotent(in.r), in.proxy.now)
	if err != nil {
		c.inFlight.Add(-1)
		c.errors.Add(1)
		return nil, nil, err
	}
	head := in.proxy.buffers.bytes(&in.proxy.buffers.head)
	*head = appendHeader((*head)[:0], in.r, in.body, in.upgrade)
	if in.body.kept != nil {
		*head = append(*head, in.body.kept.Bytes()...)
	}
	err = x.send(*head, in.body)
	if cap(*head) <= copyBuffer {
		in.proxy.buffers.head.Put(head)
	}
	var response *http.Response
	if err == nil {
		response, err = x.receive(in.r, in.interim)
	}
	if err != nil {
		in.end(x, false)
		c.errors.Add(1)
		return x, nil, err
	}
	in.count.latency.observe(in.proxy.now().Sub(in.boarded))
	return x, response, nil
}

// end ends an exchange of this request.
func (in *inbound) end(x *exchange, whole bool) {
	if in.body.client != nil {
		x.settle(in.body.client.stop)
	}
	x.end(whole)
	x.target.inFlight.Add(-1)
}

// interim passes an interim answer on, for example 103 Early Hints.
func (in *inbound) interim(response *http.Response) {
	if in.r.ProtoAtLeast(1, 1) && response.StatusCode == http.StatusEarlyHints {
		h := in.w.Header()
		copyAnswerHeader(h, response.Header, false)
		in.w.WriteHeader(response.StatusCode)
		clear(h)
	}
}

// mayRepeat reports whether the request may be sent again after err.
func (in *inbound) mayRepeat(err error) bool {
	switch {
	case errors.Is(err, errOut):
		return true // not even the body was touched
	case errors.Is(err, errUnsent):
		return in.body.replayable()
	case errors.Is(err, errUnanswered), errors.Is(err, errCut):
		return in.body.replayable() && idempotent(in.r)
	default:
		return false
	}
}

// idempotent reports whether sending r twice has the effect of sending it once.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return strings.TrimSpace(r.Header.Get("Idempotency-Key")) != ""
}

// fail answers for a target that did not.
func (in *inbound) fail(err error) {
	count := in.count
	if errors.Is(err, errClientGone) {
		const clientClosedRequest = 499 // as nginx counts it; nobody reads the answer
		count.cancelled.Add(1)
		count.status(clientClosedRequest)
		panic(http.ErrAbortHandler)
	}
	count.upstream.Add(1)
	count.failed.Add(1)
	count.latency.observe(in.proxy.now().Sub(in.boarded))
	status := http.StatusBadGateway
	if errors.Is(err, errLate) || errors.Is(err, errCut) {
		status = http.StatusGatewayTimeout
	}
	text := err.Error()
	if !errors.Is(err, errUnsent) && !idempotent(in.r) {
		text += "; it is not known whether the request took effect"
	}
	count.status(status)
	if in.body.started && in.r.ProtoMajor == 1 {
		in.w.Header().Set("Connection", "close") // the rest of the body stays unread
	}
	writePage(in.w, status, text)
}
