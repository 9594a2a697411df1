package dataplane_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// load sends requests from several clients until stopped, and counts.
type load struct {
	answered, bad, lost atomic.Int64
	first               atomic.Pointer[string] // the first thing that went wrong
	stop                context.CancelFunc
	done                sync.WaitGroup
}

// startLoad mixes fast and slow GETs, POSTs, and big bodies over kept
// connections. Requests that are not idempotent stay out of it unless asked for.
func startLoad(ctx context.Context, addr string, posts bool) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{stop: cancel}
	for worker := range 8 {
		l.done.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := worker; ctx.Err() == nil; i++ {
				l.send(client, addr, i, posts)
			}
		})
	}
	return l
}

func (l *load) send(client *http.Client, addr string, i int, posts bool) {
	method, path, body := http.MethodGet, "/", io.Reader(nil)
	switch i % 5 {
	case 1:
		path = "/?ms=15"
	case 2:
		if posts {
			method, body = http.MethodPost, strings.NewReader("small")
		}
	case 3:
		if posts {
			method, body = http.MethodPost, bytes.NewReader(make([]byte, 100<<10))
		}
	}
	request, err := http.NewRequest(method, "http://"+addr+path, body)
	if err != nil {
		panic(err)
	}
	response, err := client.Do(request)
	if err != nil {
		l.lost.Add(1)
		l.note(fmt.Sprintf("%s %s: %v", method, path, err))
		return
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK {
		l.bad.Add(1)
		l.note(fmt.Sprintf("%s %s: %d %s %v", method, path, response.StatusCode, text, err))
		return
	}
	l.answered.Add(1)
}

func (l *load) note(text string) { l.first.CompareAndSwap(nil, &text) }

// end stops the load and fails the test unless everything was answered 200.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.done.Wait()
	if l.bad.Load()+l.lost.Load() > 0 {
		t.Errorf("%d answered, %d bad, %d lost; first: %s", l.answered.Load(), l.bad.Load(), l.lost.Load(), *l.first.Load())
	}
	if l.answered.Load() == 0 {
		t.Error("the load sent nothing")
	}
}

func TestSwitchesLoseNothing(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	names := []string{"blue", "green"}
	current := []*process{startTarget(t, "blue"), startTarget(t, "blue")}
	put(t, c, side("blue", current...))
	route(t, c, "blue")

	var sockets []*websocket.Conn
	for range 5 {
		ws, err := websocket.Dial("ws://"+addr+"/ws", "", "http://"+addr)
		if err != nil {
			t.Fatalf("websocket: %v", err)
		}
		defer func() { _ = ws.Close() }()
		sockets = append(sockets, ws)
	}
	pinned := current
	l := startLoad(t.Context(), addr, true)
	for i := range 20 {
		next, old := names[(i+1)%2], names[i%2]
		targets := []*process{startTarget(t, next), startTarget(t, next)}
		put(t, c, side(next, targets...))
		before := l.answered.Load()
		route(t, c, next)
		eventually(t, "requests after the switch", func() bool { return l.answered.Load() > before+20 || l.bad.Load()+l.lost.Load() > 0 })
		if i == 0 {
			echo(t, sockets)
			current = targets
			continue // the first side stays for its WebSockets
		}
		drained, err := c.Drain(t.Context(), dataplane.DrainRequest{Side: old, Timeout: ripcord.Duration(time.Minute), Cut: true})
		if err != nil || drained.InFlight != 0 {
			t.Fatalf("drain %s: %+v, %v", old, drained, err)
		}
		if _, err := c.DeleteSide(t.Context(), old); err != nil {
			t.Fatalf("delete %s: %v", old, err)
		}
		for _, p := range current {
			p.kill()
		}
		current = targets
		if i == 1 {
			for _, p := range pinned {
				p.kill()
			}
		}
	}
	l.end(t)
	stats, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range stats.Sides {
		if s.Status["5xx"] != 0 || s.Errors != (dataplane.ErrorStats{}) {
			t.Errorf("side %q: %+v", name, s)
		}
	}
}

// echo checks that each WebSocket still talks to blue, where it began.
func echo(t *testing.T, sockets []*websocket.Conn) {
	t.Helper()
	for _, ws := range sockets {
		var text string
		if err := websocket.Message.Send(ws, "hello"); err != nil {
			t.Fatalf("websocket: %v", err)
		}
		if err := websocket.Message.Receive(ws, &text); err != nil || text != "blue hello" {
			t.Fatalf("websocket: %q, %v", text, err)
		}
	}
}
