package docker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// errDead is what everything says to a step whose executor is dead.
var errDead = errors.New("the executor is dead")

// How an executor dies at a touch.
const (
	before = "before" // the engine never hears of it
	unread = "unread" // the engine does it, and nobody hears the answer
	after  = "after"  // the answer was heard
	never  = "never"
)

// mortal is this machine for an executor that dies at one of the calls that change
// something at the engine. Once dead it touches nothing.
type mortal struct {
	ripcord.Machine
	at  int
	how string
	die context.CancelFunc

	mu    sync.Mutex
	count int
	dead  bool
}

func (*mortal) Name() string { return "" }

func (m *mortal) machine(context.Context, string) (ripcord.Machine, error) { return m, nil }

// Dial connects; each call of the engine has a connection of its own.
func (m *mortal) Dial(ctx context.Context, network, address string) (io.ReadWriteCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, errDead
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &call{Conn: c, m: m}, nil
}

// call is one connection.
type call struct {
	net.Conn
	m    *mortal
	last bool // the executor dies with it
}

// Write is where a touch begins.
func (c *call) Write(data []byte) (int, error) {
	m := c.m
	if !strings.HasPrefix(string(data), "POST ") && !strings.HasPrefix(string(data), "DELETE ") {
		return c.Conn.Write(data)
	}
	m.mu.Lock()
	m.count++
	c.last = m.count == m.at
	m.mu.Unlock()
	if !c.last {
		return c.Conn.Write(data)
	}
	if m.how == before {
		m.end()
		return 0, errDead
	}
	n, err := c.Conn.Write(data)
	if m.how == unread {
		m.end()
	}
	return n, err
}

// Close is where a touch ends.
func (c *call) Close() error {
	err := c.Conn.Close()
	if c.last && c.m.how == after {
		c.m.end()
	}
	return err
}

func (m *mortal) end() {
	m.mu.Lock()
	m.dead = true
	m.mu.Unlock()
	m.die()
}

// TestKilledAnywhere kills the executor at each touch of an Apply, before the
// engine hears of it, while it does it, and after; the next one completes it, or
// brings everything back.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	first, second := t.Name()+"-1", t.Name()+"-2"
	network(t, first)
	network(t, second)
	one := settingsIn(t.TempDir(), map[string]any{"instances": 1, "networks": []string{first, second}})
	killedAnywhere(t, 3, one, nil) // create, connect, start
}

// killedAnywhere does so for settings whose Apply touches the engine so often.
func killedAnywhere(t *testing.T, touches int, one string, old func(scope ripcord.Scope)) {
	t.Helper()
	count := &mortal{how: never}
	killed(t, one, count, false, old)
	if count.count != touches {
		t.Fatalf("an Apply touches the engine %d times", count.count)
	}
	for at := 1; at <= touches; at++ {
		for n, how := range []string{before, unread, after} {
			undo := (at+n)%2 == 0 // each touch in both ways
			t.Run(fmt.Sprintf("touch %d, %s, then undo %t", at, how, undo), func(t *testing.T) {
				t.Parallel()
				killed(t, one, &mortal{at: at, how: how}, undo, old)
			})
		}
	}
}

// killed applies with a mortal machine, and then as another executor.
func killed(t *testing.T, settings string, m *mortal, undo bool, old func(scope ripcord.Scope)) {
	t.Helper()
	scope := newScope(t)
	if old != nil {
		old(scope)
	}
	was := fingerprint(t, scope.Application)
	journal := journalOf(t, scope, open(t, scope, settings))
	dying := scope
	dying.Machines = machinesOf(m.machine)
	ctx, die := context.WithCancel(t.Context())
	defer die()
	m.die = die
	if err := open(t, dying, settings).Apply(ctx, journal.Attempt(1)); (m.how != never) != (err != nil) {
		t.Fatalf("%s: Apply: %v", m.how, err)
	}
	if !undo {
		step := open(t, scope, settings)
		must(t, step.Apply(t.Context(), journal.Attempt(2)))
		if seen, err := step.Check(t.Context()); err != nil || seen.Presence != ripcord.Present {
			t.Fatalf("after Apply again it is %s: %s, %v", seen.Presence, seen.Detail, err)
		}
	}
	// The way back is interrupted as well.
	ctx, die = context.WithCancel(t.Context())
	defer die()
	again := &mortal{at: 1 + m.at%2, how: m.how, die: die}
	dying.Machines = machinesOf(again.machine)
	_ = open(t, dying, settings).Undo(ctx, journal.Attempt(1))
	// What the dead executor had asked for last may come only now: who undoes looks
	// afterwards, and does it again.
	deadline := time.Now().Add(time.Minute)
	for number := 2; ; number++ {
		must(t, open(t, scope, settings).Undo(t.Context(), journal.Attempt(number)))
		seen, err := open(t, scope, settings).Check(t.Context())
		must(t, err)
		if string(seen.Image) == string(journal.Before.Image) {
			break
		}
		if number > 2 && time.Now().After(deadline) {
			t.Fatalf("the image is %s; it was %s", seen.Image, journal.Before.Image)
		}
	}
	if now := fingerprint(t, scope.Application); now != was {
		t.Errorf("before\n%s\nafter\n%s", was, now)
	}
}
