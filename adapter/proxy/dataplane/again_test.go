package dataplane_test

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// TestPutAgainLosesNothing: a side that was never finished is put again, as it
// was or with other targets. What is in use on it goes on, is counted, and is
// waited for and closed when the side that took its place is drained.
func TestPutAgainLosesNothing(t *testing.T) {
	t.Parallel()
	addr := port.Address(t)
	_, c := startProxy(t, t.TempDir(), addr)
	blue, other := startTarget(t, "blue"), startTarget(t, "green")
	put(t, c, side("blue", blue))
	route(t, c, "blue")
	ws, err := websocket.Dial("ws://"+addr+"/ws", "", "http://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	slow := make(chan int, 1)
	go func() {
		response, err := http.Get("http://" + addr + "/?ms=1500")
		if err != nil {
			slow <- 0
			return
		}
		_ = response.Body.Close()
		slow <- response.StatusCode
	}()
	used := func(name string) dataplane.SideStats {
		s, err := c.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Sides[name]
	}
	eventually(t, "the slow request is there", func() bool { return used("blue").InFlight == 1 })
	put(t, c, side("green", other))
	route(t, c, "green")

	put(t, c, side("blue", blue))
	put(t, c, side("blue", blue, startTarget(t, "blue")))
	if s := used("blue"); s.InFlight != 1 || s.WebSockets != 1 {
		t.Errorf("in use on the side: %+v", s)
	}
	echo(t, []*websocket.Conn{ws})
	drained, err := c.Drain(t.Context(), dataplane.DrainRequest{Side: "blue", Timeout: ripcord.Duration(30 * time.Second), Cut: true})
	if err != nil || drained.InFlight != 0 || drained.Closed != 1 {
		t.Errorf("drained: %+v, %v", drained, err)
	}
	if status := <-slow; status != http.StatusOK {
		t.Errorf("the slow request got %d", status)
	}
	if err := websocket.Message.Send(ws, "hello"); err == nil {
		var text string
		if err = websocket.Message.Receive(ws, &text); err == nil {
			t.Errorf("the drained side still answers %q", text)
		}
	}
}
