package cli

import (
	"fmt"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// display shows a run while it happens. Its methods are called from one
// goroutine.
type display interface {
	entry(e ripcord.Entry)
	output(step ripcord.StepID, text []byte)
	aside(text string)
	// tick is called a few times a second.
	tick()
	// close leaves the screen to others.
	close()
}

// queueLimit is how many bytes of output wait for a slow terminal. A terminal
// that is stopped or gone never stops the run.
const queueLimit = 4 << 20

// queue stands between the executor and the display: what it takes never blocks.
type queue struct {
	mu      sync.Mutex
	ready   chan struct{}
	items   []func(d display)
	bytes   int
	dropped int
	closed  bool
	done    chan struct{}
}

func newQueue() *queue {
	return &queue{ready: make(chan struct{}, 1), done: make(chan struct{})}
}

// put adds something to show that is so many bytes large.
func (q *queue) put(size int, item func(d display)) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return
	}
	if size > 0 && q.bytes+size > queueLimit {
		q.dropped++
		q.mu.Unlock()
		return
	}
	q.items, q.bytes = append(q.items, item), q.bytes+size
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take returns what waits.
func (q *queue) take() (items []func(d display), closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, q.items, q.bytes = q.items, nil, 0
	if q.dropped > 0 {
		n := q.dropped
		items = append(items, func(d display) {
			d.aside(fmt.Sprintf("(%s of output left out here, the terminal was too slow; `ripcord logs` has all)", count(n, "piece")))
		})
		q.dropped = 0
	}
	return items, q.closed
}

// run shows everything until the queue is closed and empty.
func (q *queue) run(d display, ticks <-chan struct{}) {
	defer close(q.done)
	for {
		select {
		case <-q.ready:
		case <-ticks:
			d.tick()
		}
		items, closed := q.take()
		for _, item := range items {
			item(d)
		}
		if closed {
			d.close()
			return
		}
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
	<-q.done
}

// listener feeds the queue.
func (q *queue) listener() app.Listener {
	return app.Listener{
		Entry: func(e ripcord.Entry) { q.put(0, func(d display) { d.entry(e) }) },
		Output: func(step ripcord.StepID, text []byte) {
			kept := append([]byte(nil), text...)
			q.put(len(kept), func(d display) { d.output(step, kept) })
		},
	}
}
