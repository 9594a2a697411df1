package dataplane_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

func itoa(n int) string { return strconv.Itoa(n) }

// exchange sends raw bytes and returns everything that comes back.
func exchange(t *testing.T, conn net.Conn, request string) string {
	t.Helper()
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatalf("write: %v", err)
	}
	answer, _ := io.ReadAll(conn) // a reset after the answer is fine
	return string(answer)
}

func raw(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return exchange(t, conn, request)
}

// rawTarget is a target that shows what it was sent and answers as it is told.
type rawTarget struct {
	addr string
	// seen gets the header and body of each request, as they came.
	seen chan string
}

// startRawTarget answers each request with answer; to a request for /healthz it
// says that all is well.
func startRawTarget(t *testing.T, answer string) *rawTarget {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	target := &rawTarget{addr: l.Addr().String(), seen: make(chan string, 100)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go target.serve(conn, answer)
		}
	}()
	return target
}

func (r *rawTarget) serve(conn net.Conn, answer string) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	for {
		var text strings.Builder
		request, err := http.ReadRequest(bufio.NewReader(io.TeeReader(onebyone{reader}, &text)))
		if err != nil {
			if text.Len() > 0 {
				r.seen <- "BROKEN " + text.String()
			}
			return
		}
		_, _ = io.ReadAll(request.Body)
		if request.URL.Path == "/healthz" {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		r.seen <- text.String()
		if _, err := io.WriteString(conn, answer); err != nil || strings.Contains(answer, "Connection: close") {
			return
		}
	}
}

// onebyone keeps a reader above it from reading ahead.
type onebyone struct{ r io.Reader }

func (o onebyone) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }

// startRaw starts a proxy in front of a raw target.
func startRaw(t *testing.T, answer string) (addr string, target *rawTarget) {
	t.Helper()
	target = startRawTarget(t, answer)
	addr = port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	put(t, c, dataplane.Side{Name: "blue", Targets: []string{target.addr}, Health: side("x").Health})
	route(t, c, "blue")
	return addr, target
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestSmuggling: whatever a client writes, the target sees no request that the
// proxy did not see, and none that both could read differently.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	addr, target := startRaw(t, fine)
	tests := []struct {
		name, request string
		status        string // of the first answer; empty is any that is no 200
		sent          int    // requests that reach the target
	}{
		{"length and chunks", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n", "200", 1},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nabcd", "400", 0},
		{"length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd", "400", 0},
		{"strange encoding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501", 0},
		{"two encodings", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "", 0},
		{"space before colon", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\nabcd", "400", 0},
		{"folded header", "GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", "200", 1},
		{"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400", 0},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "400", 0},
		{"nul in a value", "GET / HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n", "400", 0},
		{"connect", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", "405", 0},
		{"bad chunk size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "", 1},
		{"length in disguise", "POST / HTTP/1.1\r\nHost: x\r\nContent_Length: 9\r\nX_Forwarded_For: 1.2.3.4\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", "200", 1},
		{"hidden by connection", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Forwarded-For, Host, X-Secret\r\nX-Secret: 1\r\n\r\n", "200", 1},
		{"two in one", "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200", 2},
		{"too large a header", "GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 80<<10) + "\r\n\r\n", "431", 0},
	}
	for _, test := range tests {
		answer := raw(t, addr, test.request)
		if test.status != "" && !strings.HasPrefix(answer, "HTTP/1.1 "+test.status+" ") {
			t.Errorf("%s: %.80q; want %s", test.name, answer, test.status)
		}
		if test.status == "" && strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("%s: %.80q", test.name, answer)
		}
		for range test.sent {
			request := <-target.seen
			for _, bad := range []string{"BROKEN", "Transfer-Encoding: chunked\r\nContent-Length", "Content_Length", "X_Forwarded", "X-Secret", "/admin", "\r\n Transfer"} {
				if strings.Contains(request, bad) {
					t.Errorf("%s: the target saw %q", test.name, request)
				}
			}
			if !strings.Contains(request, "\r\nHost: x\r\n") || !strings.Contains(request, "\r\nX-Forwarded-For: 127.0.0.1\r\n") {
				t.Errorf("%s: the target saw %q", test.name, request)
			}
		}
	}
	if len(target.seen) > 0 {
		t.Errorf("the target saw %q besides", <-target.seen)
	}
}

// TestBadAnswers: what a target says wrongly is not passed on as if it were
// right, and never reaches the next client.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, answer string
		want         string // prefix of the client's answer; empty is one that is cut
	}{
		{"garbage", "hello\r\n\r\nConnection: close", "HTTP/1.1 502 "},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", "HTTP/1.1 502 "},
		{"more than its length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", "HTTP/1.1 200 "},
		{"less than its length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nok", ""},
		{"a switch nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 502 "},
		{"endless header", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 300<<10) + "\r\n\r\n", "HTTP/1.1 502 "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := startRaw(t, test.answer)
			for range 3 {
				answer := raw(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				if !strings.HasPrefix(answer, test.want) || (test.want == "" && strings.HasSuffix(answer, "ok")) || strings.Contains(answer, "poison") {
					t.Errorf("%.100q", answer)
				}
			}
		})
	}
}

// TestForwarding looks at what reaches the target, and what comes back.
func TestForwarding(t *testing.T) {
	t.Parallel()
	addr, target := startRaw(t, "HTTP/1.1 203 Whatever\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nKeep-Alive: 5\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Own: a\r\nX-Own: b\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
	answer := raw(t, addr, "GET http://shop.test/a%2Fb?q=%zz HTTP/1.1\r\nHost: ignored\r\nConnection: close\r\nProxy-Authorization: x\r\nTE: trailers\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nAccept: */*\r\n\r\n")
	for _, want := range []string{"HTTP/1.1 203 ", "\r\nX-Own: a\r\n", "\r\nX-Own: b\r\n", "\r\nX-Sum: 7\r\n", "\r\nDate: "} {
		if !strings.Contains(answer, want) {
			t.Errorf("%q is missing in %q", want, answer)
		}
	}
	for _, bad := range []string{"X-Hop", "Keep-Alive", "Content-Type", "Server"} {
		if strings.Contains(answer, bad) {
			t.Errorf("%q is in %q", bad, answer)
		}
	}
	request := <-target.seen
	for _, want := range []string{
		"GET /a%2Fb?q=%zz HTTP/1.1\r\nHost: shop.test\r\n", "\r\nX-Forwarded-For: 1.1.1.1, 127.0.0.1\r\n",
		"\r\nX-Forwarded-Proto: https\r\n", "\r\nX-Forwarded-Host: shop.test\r\n",
		"\r\nForwarded: for=1.1.1.1, for=127.0.0.1;host=\"shop.test\";proto=http\r\n",
	} {
		if !strings.Contains(request, want) {
			t.Errorf("%q is missing in %q", want, request)
		}
	}
	for _, bad := range []string{"Proxy-Authorization", "Te:", "TE:", "User-Agent", "Connection"} {
		if strings.Contains(request, bad) {
			t.Errorf("%q is in %q", bad, request)
		}
	}
}

// TestEventsAreFlushed: a stream's first piece comes before its end.
func TestEventsAreFlushed(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	route(t, c, "blue")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	if err != nil || line != "data: blue\n" {
		t.Errorf("first event %q, %v", line, err)
	}
	cancel()
	eventually(t, "the stream is counted out", func() bool {
		s := stats(t, c)
		return s.InFlight == 0 && s.Cancelled == 1 && s.Errors.Upstream == 0
	})
}

// TestHTTP2: clients may speak HTTP/2 with prior knowledge.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	route(t, c, "blue")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for i, length := range []int{0, 10, 300 << 10} {
		response, err := client.Post("http://"+addr+"/", "text/plain", strings.NewReader(strings.Repeat("x", length)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if want := fmt.Sprintf("blue POST %d", length); err != nil || string(body) != want || response.ProtoMajor != 2 {
			t.Errorf("%d: %s %q, %v", i, response.Proto, body, err)
		}
	}
}

// TestBigBodies: bodies larger than every buffer, with and without a length.
func TestBigBodies(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	put(t, c, side("blue", startTarget(t, "blue")))
	route(t, c, "blue")
	const size = 5 << 20
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", size)), io.LimitReader(neverending('x'), size)} {
		response, err := http.Post("http://"+addr+"/", "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(text) != fmt.Sprintf("blue POST %d", size) {
			t.Errorf("%q, %v", text, err)
		}
	}
	if s := stats(t, c); s.BytesIn != 2*size {
		t.Errorf("%d bytes in; want %d", s.BytesIn, 2*size)
	}
}

type neverending byte

func (n neverending) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(n)
	}
	return len(p), nil
}
