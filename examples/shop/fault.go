package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// misbehaviour is what a broken build does.
type misbehaviour struct {
	noStart   bool
	unhealthy bool
	// crashRequests and crashAfter are when it crashes, counted from the first
	// request of a customer; 0 is never.
	crashRequests int64
	crashAfter    time.Duration
	// errors is the share of requests that fail, stalls that of those that take
	// a second longer; slow is how much longer all take.
	errors, stalls float64
	slow           time.Duration
	// leak is how many bytes each request takes and never gives back.
	leak   int
	leaked leaked

	now      func() time.Time
	requests atomic.Int64
	first    atomic.Int64 // unix nanoseconds
}

// leaked is what was never given back.
type leaked struct {
	mu   sync.Mutex
	kept [][]byte
}

func (l *leaked) add(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	piece := make([]byte, bytes)
	for i := 0; i < len(piece); i += 4096 {
		piece[i] = 1 // touched memory is taken memory
	}
	l.kept = append(l.kept, piece)
}

// parseFault reads no-start, unhealthy, crash, crash:DURATION, crash:REQUESTS,
// errors:SHARE, stall:SHARE, slow:DURATION or leak:BYTES; shares as in 0.5%.
func parseFault(text string, now func() time.Time) (*misbehaviour, error) {
	m := &misbehaviour{now: now}
	kind, after, _ := strings.Cut(text, ":")
	switch kind {
	case "", "assets": // a fault of the assets is none of the program
	case "no-start":
		m.noStart = true
	case "unhealthy":
		m.unhealthy = true
	case "crash":
		if after == "" {
			after = "1m"
		}
		if n, err := strconv.ParseInt(after, 10, 64); err == nil && n > 0 {
			m.crashRequests = n
			return m, nil
		}
		d, err := time.ParseDuration(after)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", text, err)
		}
		m.crashAfter = d
	case "errors", "stall":
		share, err := parseShare(after)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", text, err)
		}
		if kind == "errors" {
			m.errors = share
		} else {
			m.stalls = share
		}
	case "slow":
		d, err := time.ParseDuration(after)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", text, err)
		}
		m.slow = d
	case "leak":
		n, err := strconv.Atoi(after)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("fault %q: give a number of bytes", text)
		}
		m.leak = n
	default:
		return nil, fmt.Errorf("unknown fault %q", text)
	}
	return m, nil
}

// parseShare reads 0.5%.
func parseShare(text string) (float64, error) {
	digits, ok := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || share <= 0 || share > 100 {
		return 0, fmt.Errorf("%q is no share; write 0.5%%", text)
	}
	return share / 100, nil
}

// hurt does to a customer's request what the fault does, and reports whether the
// request has failed.
func (m *misbehaviour) hurt() bool {
	if m.leak > 0 {
		m.leaked.add(m.leak)
	}
	pause := m.slow
	if m.stalls > 0 && rand.Float64() < m.stalls {
		pause += time.Second
	}
	if pause > 0 {
		time.Sleep(pause)
	}
	return m.errors > 0 && rand.Float64() < m.errors
}

// serve counts a customer's request, and crashes when it is time.
func (m *misbehaviour) serve() {
	n := m.requests.Add(1)
	now := m.now()
	m.first.CompareAndSwap(0, now.UnixNano())
	due := m.crashRequests > 0 && n >= m.crashRequests ||
		m.crashAfter > 0 && now.UnixNano()-m.first.Load() >= int64(m.crashAfter)
	if due {
		// In a goroutine of its own nothing recovers it, as nothing recovers a
		// real one.
		go panic(fmt.Sprintf("stock of product 3 is negative after %d requests", n))
	}
}
