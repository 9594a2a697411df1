package traffic

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// The kinds of failures.
const (
	kindDial    = "dial"    // no connection
	kindLost    = "lost"    // sent on a connection that closed without an answer
	kindTimeout = "timeout" // no answer in time
	kindBroken  = "broken"  // the answer broke off
	kindQueue   = "queue"   // not sent: all connections were busy for a minute
)

// worker is one kept connection. It speaks HTTP itself, because net/http would
// send a request again when a connection closes.
type worker struct {
	set    Settings
	began  time.Time
	conn   net.Conn
	reader *bufio.Reader
	// connected is when the connection was made, sent when the newest request was;
	// answered counts what came back on it.
	connected, sent time.Time
	answered        int
	counts          *counts
}

func (w *worker) work(queue <-chan due) {
	for d := range queue {
		w.counts.sent++
		if d.post {
			w.counts.posts++
		}
		version, kind, detail := w.request(d)
		if kind != "" {
			w.counts.fail(kind, d, detail)
			w.keep(d, kind, detail)
			w.drop()
			continue
		}
		w.answered++
		took := time.Since(d.at)
		w.counts.ok(version, took, time.Since(w.began))
		if w.set.Keep {
			w.counts.samples = append(w.counts.samples, Sample{Due: d.at, Took: took, Slow: d.slow})
		}
		if d.fresh {
			w.drop()
		}
	}
	w.drop()
}

// keep keeps a failure.
func (w *worker) keep(d due, kind, detail string) {
	if !w.set.Keep {
		return
	}
	f := Failure{Due: d.at, Sent: w.sent, Ended: time.Now(), Post: d.post, Kind: kind, Detail: detail}
	if w.conn != nil {
		f.Connected, f.Reused = w.connected, w.answered > 0
	}
	w.counts.failures = append(w.counts.failures, f)
}

// request sends one request; kind is empty when it went well.
func (w *worker) request(d due) (version, kind, detail string) {
	if w.conn != nil && closed(w.conn) {
		w.drop() // as a browser does before it sends
	}
	w.sent = time.Now()
	if w.conn == nil {
		conn, err := net.DialTimeout("tcp", w.set.Target.Host, w.set.Timeout)
		if err != nil {
			return "", kindDial, err.Error()
		}
		w.conn, w.reader, w.connected, w.answered = conn, bufio.NewReader(conn), time.Now(), 0
	}
	if err := w.conn.SetDeadline(time.Now().Add(w.set.Timeout)); err != nil {
		return "", kindLost, err.Error()
	}
	if _, err := io.WriteString(w.conn, w.text(d)); err != nil {
		return "", kindOf(err, kindLost), err.Error()
	}
	response, err := http.ReadResponse(w.reader, &http.Request{Method: http.MethodGet})
	if err != nil {
		return "", kindOf(err, kindLost), err.Error()
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return "", kindOf(err, kindBroken), err.Error()
	}
	if response.StatusCode >= http.StatusBadRequest {
		return "", fmt.Sprintf("status_%d", response.StatusCode), strings.TrimSpace(string(body[:min(len(body), 200)]))
	}
	if response.Close {
		w.drop()
	}
	return response.Header.Get("X-Shop-Version"), "", ""
}

// text is a request: mostly a page, sometimes an order or something slow.
func (w *worker) text(d due) string {
	host := w.set.Target.Host
	if d.post {
		body := fmt.Sprintf("product=%d&quantity=%d", 1+rand.IntN(6), 1+rand.IntN(3))
		return fmt.Sprintf("POST /order HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", host, len(body), body)
	}
	if d.slow {
		return fmt.Sprintf("GET /slow HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	}
	path := "/"
	switch rand.IntN(4) {
	case 0:
		path = "/basket"
	case 1:
		path = "/assets/current/style.css"
	}
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
}

func (w *worker) drop() {
	if w.conn != nil {
		_ = w.conn.Close() // nothing is lost with it
		w.conn = nil
	}
}

func kindOf(err error, otherwise string) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return kindTimeout
	}
	return otherwise
}

// closed reports whether the other side has closed an idle connection.
func closed(c net.Conn) bool {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN)
		return true
	})
	return gone || err != nil
}
