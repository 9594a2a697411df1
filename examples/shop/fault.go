package main

import (
	"fmt"
	"strconv"
	"strings"
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

	now      func() time.Time
	requests atomic.Int64
	first    atomic.Int64 // unix nanoseconds
}

// parseFault reads no-start, unhealthy, crash, crash:DURATION or crash:REQUESTS.
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
	default:
		return nil, fmt.Errorf("unknown fault %q", text)
	}
	return m, nil
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
