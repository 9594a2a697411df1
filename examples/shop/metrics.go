package main

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

// metrics are counted by hand: a dozen numbers need no library.
type metrics struct {
	codes   [6]atomic.Uint64 // by the first digit of the status
	buckets []atomic.Uint64
	micros  atomic.Uint64
	orders  atomic.Uint64
}

// bounds are the histogram's upper bounds in seconds.
func bounds() []float64 { return []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5} }

func newMetrics() *metrics { return &metrics{buckets: make([]atomic.Uint64, len(bounds())+1)} }

func (m *metrics) observe(status int, took time.Duration) {
	m.codes[min(max(status/100, 0), 5)].Add(1)
	m.micros.Add(uint64(max(took.Microseconds(), 0)))
	at := 0
	for _, bound := range bounds() {
		if took.Seconds() <= bound {
			break
		}
		at++
	}
	m.buckets[at].Add(1)
}

// write answers in Prometheus' text format.
func (m *metrics) write(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // the client may be gone
	line("# TYPE shop_info gauge\nshop_info{version=%q} 1", version)
	line("# TYPE shop_requests_total counter")
	for i := 1; i < len(m.codes); i++ {
		line("shop_requests_total{code=\"%dxx\"} %d", i, m.codes[i].Load())
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	line("# TYPE shop_memory_bytes gauge\nshop_memory_bytes %d", memory.HeapAlloc)
	line("# TYPE shop_orders_total counter\nshop_orders_total %d", m.orders.Load())
	line("# TYPE shop_request_seconds histogram")
	var total uint64
	for i := range m.buckets {
		total += m.buckets[i].Load()
		le := "+Inf"
		if i < len(bounds()) {
			le = strconv.FormatFloat(bounds()[i], 'g', -1, 64)
		}
		line("shop_request_seconds_bucket{le=%q} %d", le, total)
	}
	line("shop_request_seconds_sum %g\nshop_request_seconds_count %d", float64(m.micros.Load())/1e6, total)
}
