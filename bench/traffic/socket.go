package traffic

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// socket is an upgraded connection to an echo.
type socket struct {
	conn   net.Conn
	reader *bufio.Reader
	ok     bool
}

func openSockets(set Settings) []*socket {
	sockets := make([]*socket, set.WebSockets)
	for n := range sockets {
		sockets[n] = openSocket(set)
	}
	return sockets
}

func openSocket(set Settings) *socket {
	conn, err := net.DialTimeout("tcp", set.Target.Host, set.Timeout)
	if err != nil {
		return &socket{}
	}
	s := &socket{conn: conn, reader: bufio.NewReader(conn)}
	if conn.SetDeadline(time.Now().Add(set.Timeout)) != nil {
		return s
	}
	_, err = fmt.Fprintf(conn, "GET /echo HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", set.Target.Host)
	if err != nil {
		return s
	}
	response, err := http.ReadResponse(s.reader, &http.Request{Method: http.MethodGet})
	if err == nil {
		s.ok = response.StatusCode == http.StatusSwitchingProtocols
		_ = response.Body.Close() // a switch has no body
	}
	return s
}

// alive asks each connection once more, and closes it.
func alive(sockets []*socket) int {
	n := 0
	for _, s := range sockets {
		if s.conn == nil {
			continue
		}
		if s.ok && s.answers() {
			n++
		}
		_ = s.conn.Close()
	}
	return n
}

func (s *socket) answers() bool {
	if s.conn.SetDeadline(time.Now().Add(10*time.Second)) != nil {
		return false
	}
	if _, err := io.WriteString(s.conn, "ping\n"); err != nil {
		return false
	}
	line, err := s.reader.ReadString('\n')
	return err == nil && line == "ping\n"
}
