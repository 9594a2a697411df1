package dataplane

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// halfClosed is how long one direction of an upgraded connection may outlive
// the other.
const halfClosed = 60 * time.Second

// switchProtocols turns the client's connection and the target's into a tunnel.
// The tunnel stays with its side when the route changes, until one end closes
// it or the side is drained.
func (in *inbound) switchProtocols(x *exchange, response *http.Response) {
	side, count := in.side, in.count
	if !strings.EqualFold(in.upgrade, response.Header.Get("Upgrade")) || in.upgrade == "" {
		count.failed.Add(1)
		in.notSwitched(x, &count.upstream, http.StatusBadGateway, errBadAnswer.Error())
		return
	}
	count.websockets.Add(1)
	if side.websockets() > int64(side.spec.Limits.MaxWebSockets) {
		count.websockets.Add(-1)
		in.notSwitched(x, &count.own, http.StatusServiceUnavailable, "too many open connections")
		return
	}
	defer count.websockets.Add(-1)
	client, buffered, err := http.NewResponseController(in.w).Hijack()
	if err != nil {
		in.notSwitched(x, &count.own, http.StatusBadGateway, "the connection cannot be upgraded")
		return
	}
	count.status(http.StatusSwitchingProtocols)
	_ = client.SetDeadline(time.Time{})
	x.release()
	t := &tunnel{client: client, upstream: x.conn.Conn, target: x.target}
	side.addTunnel(t)
	defer side.removeTunnel(t)
	defer t.close()
	count.upgraded.Add(1)
	// from here on it is no request any more: it must not hold up a drain of those.
	x.target.answered(x)
	x.target.inFlight.Add(-1)
	in.leave()
	if err := writeSwitch(client, response); err != nil {
		return
	}
	_ = x.conn.SetDeadline(time.Time{})
	t.run(count, buffered.Reader, x.conn.reader, in.proxy.now)
}

// notSwitched answers in place of a switch, and counts whose error it was.
func (in *inbound) notSwitched(x *exchange, count *atomic.Uint64, status int, text string) {
	in.end(x, false)
	count.Add(1)
	in.count.status(status)
	writePage(in.w, status, text)
}

// writeSwitch writes the answer that ends HTTP on this connection.
func writeSwitch(client net.Conn, response *http.Response) error {
	h := make(http.Header)
	copyAnswerHeader(h, response.Header, true)
	h.Set("Connection", "Upgrade")
	h.Del("Content-Length")
	out := bufio.NewWriter(client)
	_, _ = out.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(out)
	_, _ = out.WriteString("\r\n")
	return out.Flush()
}

// run copies in both directions until both have ended.
func (t *tunnel) run(count *counters, fromClient, fromTarget *bufio.Reader, now func() time.Time) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		n := pump(t.upstream, t.client, fromClient, now)
		count.bytesIn.Add(n)
	}()
	n := pump(t.client, t.upstream, fromTarget, now)
	count.bytesOut.Add(n)
	<-done
}

// pump copies from one end to the other, first what was read ahead, and passes
// the end on. It returns the number of bytes.
func pump(to, from net.Conn, ahead *bufio.Reader, now func() time.Time) uint64 {
	var total int64
	if n := ahead.Buffered(); n > 0 {
		early, _ := ahead.Peek(n)
		written, err := to.Write(early)
		total = int64(written)
		if err != nil {
			_ = to.Close()
			_ = from.Close()
			return uint64(total) //nolint:gosec // not negative
		}
	}
	n, err := io.Copy(to, from)
	total += n
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		_ = to.Close()
		_ = from.Close()
	} else {
		_ = to.SetReadDeadline(now().Add(halfClosed))
	}
	return uint64(total) //nolint:gosec // not negative
}
