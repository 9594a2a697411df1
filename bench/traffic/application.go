package traffic

import (
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// slowAnswer is how long /slow takes.
const slowAnswer = 500 * time.Millisecond

// Application is what stands behind a balancer: pages, orders, something slow and
// an upgraded echo. It knows when it was asked first and last.
type Application struct {
	Version string
	Address string
	server  *http.Server
	first   atomic.Int64
	last    atomic.Int64
}

// StartApplication serves on a free port of loopback until Close.
func StartApplication(version string) (*Application, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &Application{Version: version, Address: l.Addr().String()}
	a.server = &http.Server{Handler: Handler(version, a.seen), ReadHeaderTimeout: time.Minute}
	go func() { _ = a.server.Serve(l) }()
	return a, nil
}

// Handler is an application without an address. It calls seen for each page and
// each order.
func Handler(version string, seen func()) http.Handler {
	page := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // an order is read before it is answered
		w.Header().Set("X-Shop-Version", version)
		_, _ = io.WriteString(w, "welcome to the shop, version "+version)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		seen()
		time.Sleep(slowAnswer)
		page(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		seen()
		page(w, r)
	})
	return mux
}

// Close ends it at once.
func (a *Application) Close() { _ = a.server.Close() }

func (a *Application) seen() {
	now := time.Now().UnixNano()
	a.first.CompareAndSwap(0, now)
	a.last.Store(now)
}

// mark forgets when it was asked first.
func (a *Application) mark() { a.first.Store(0) }

func echo(w http.ResponseWriter, r *http.Request) {
	const protocol = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // by RFC 6455
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + protocol))
	conn, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	if err == nil {
		_, _ = io.Copy(conn, buffer) // until the client goes
	}
}
