package dataplane

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

// connectionLimit closes new connections of clients above maxConnections.
type connectionLimit struct{ open atomic.Int64 }

func (l *connectionLimit) note(c net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		if l.open.Add(1) > maxConnections {
			_ = c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		l.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// newFront returns the server for clients.
func newFront(p *Proxy, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	connections := new(connectionLimit)
	return &http.Server{
		Handler: p, Protocols: protocols, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: clientIdle,
		MaxHeaderBytes: maxHeaderBytes, ConnState: connections.note,
		ErrorLog: slog.NewLogLogger(quiet{log.Handler()}, slog.LevelError),
	}
}

// quiet lets through what a server logs of panics only: a client's broken
// connection is nothing to write about.
type quiet struct{ slog.Handler }

// Handle passes a record on if it is of a panic.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if !strings.Contains(r.Message, "panic") {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}
