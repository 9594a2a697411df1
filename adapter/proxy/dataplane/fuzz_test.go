package dataplane

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

// FuzzState: whatever is read as a state is one that is written and read again
// without a change.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"listen":"127.0.0.1:80","revision":3}`))
	f.Add([]byte(`{"version":1,"listen":":80","revision":3,"route":"blue","sides":[{"name":"blue","targets":["127.0.0.1:1"],"health":{"http":"/h","interval":0.2},"limits":{"dial":1}}],"stamp":{"state":"s","run":"r","fence":1}}`))
	f.Add([]byte(`{"version":1,"listen":"[::1]:80","sides":[{"name":"b","targets":[]},{"name":"a","targets":["x:1"]}]}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := ParseState(data)
		if err != nil {
			return
		}
		written, err := json.Marshal(state)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", state, err)
		}
		again, err := ParseState(written)
		if err != nil {
			t.Fatalf("%s is not read again: %v", written, err)
		}
		rewritten, err := json.Marshal(again)
		if err != nil || !bytes.Equal(written, rewritten) {
			t.Fatalf("first %s\nthen  %s, %v", written, rewritten, err)
		}
	})
}

// FuzzCommand: a side that is taken leaves a valid state, and defaults are
// filled in once.
func FuzzCommand(f *testing.F) {
	f.Add([]byte(`{"name":"blue","targets":["127.0.0.1:1","127.0.0.1:2"],"health":{"http":"/healthz","interval":0.2,"timeout":1,"successes":2,"failures":2},"limits":{"max_in_flight":1}}`))
	f.Add([]byte(`{"side":"blue","revision":7,"force":true}`))
	f.Add([]byte(`{"side":"blue","timeout":1e300,"cut":true}`))
	f.Add([]byte(`{"name":"..","targets":["a:0"],"health":{"interval":-1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var route RouteChange
		_ = decodeStrict(data, &route)
		var drain DrainRequest
		_ = decodeStrict(data, &drain)
		var stamp ripcord.Stamp
		_ = decodeStrict(data, &stamp)
		var side Side
		if decodeStrict(data, &side) != nil {
			return
		}
		side = side.WithDefaults()
		if diff := cmp.Diff(side, side.WithDefaults()); diff != "" {
			t.Errorf("defaults twice: %s", diff)
		}
		if side.Validate() != nil {
			return
		}
		if side.Health.Interval <= 0 || side.Health.Timeout <= 0 || side.Limits.MaxInFlight <= 0 || side.Limits.Idle <= 0 {
			t.Errorf("a valid side cannot work: %+v", side)
		}
		state := &State{Version: stateVersion, Listen: "127.0.0.1:1", Sides: []Side{side}, Route: side.Name}
		written, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseState(written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if !again.Sides[0].equal(side) {
			t.Errorf("written %+v, read %+v", side, again.Sides[0])
		}
	})
}

// FuzzForward: what is passed on is exactly one request, with the method, host
// and body that came.
func FuzzForward(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "x", "/")
	f.Add([]byte("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"), "x", "/a b")
	f.Add([]byte("PUT http://y/a?b#c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: a, upgrade\r\nUpgrade: b\r\nA: 1\r\nX_Forwarded_For: 1\r\n\r\nab"), "x\r\nA: b", "/\r\n")
	f.Add([]byte("OPTIONS * HTTP/1.0\r\nForwarded: for=1\r\n\r\n"), "", "*")
	f.Fuzz(func(t *testing.T, data []byte, host, uri string) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		r.RemoteAddr = "127.0.0.1:5"
		for _, changed := range []bool{false, true} {
			if changed { // as HTTP/2 could bring it
				r.Host, r.RequestURI = host, uri
			}
			if !sendable(r) {
				continue
			}
			forwarded(t, r)
			r.Body = io.NopCloser(strings.NewReader(""))
		}
	})
}

func forwarded(t *testing.T, r *http.Request) {
	t.Helper()
	content, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	body := &requestBody{}
	if len(content) > 0 {
		body.kept = bytes.NewBuffer(content)
	}
	sent := appendHeader(nil, r, body, upgradeOf(r.Header))
	if body.kept != nil {
		sent = append(sent, content...)
	}
	reader := bufio.NewReader(bytes.NewReader(sent))
	got, err := http.ReadRequest(reader)
	if err != nil {
		t.Fatalf("the target cannot read %q: %v", sent, err)
	}
	read, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(read, content) {
		t.Fatalf("body %q, %v; sent %q", read, err, sent)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Fatalf("%q follows the request %q", rest, sent)
	}
	if got.Method != r.Method || got.Host != r.Host {
		t.Fatalf("%s %s became %s %s", r.Method, r.Host, got.Method, got.Host)
	}
	if len(got.TransferEncoding) > 0 || len(got.Header["X-Forwarded-For"]) != 1 || len(got.Header["X-Forwarded-Proto"]) != 1 {
		t.Fatalf("sent %q", sent)
	}
}
