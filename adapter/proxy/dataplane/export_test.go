package dataplane

import (
	"net"
	"testing"
	"time"
)

// HangUp takes what a successor gets, and then goes away without serving.
func HangUp(t *testing.T, dir string) {
	t.Helper()
	conn, err := NewClient(dir).dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	got, err := receive(conn.(*net.UnixConn), options{now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	got.sockets.close()
}
