package dataplane

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// WritePrometheus writes the counters in the Prometheus text form. The colour
// is the side's name.
func (s Stats) WritePrometheus(w io.Writer) error {
	out := &metricWriter{w: w}
	names := slices.Sorted(maps.Keys(s.Sides))
	each := func(name, kind, help string, value func(SideStats) float64) {
		out.head(name, kind, help)
		for _, side := range names {
			out.line(name, fmt.Sprintf("{colour=%q}", side), value(s.Sides[side]))
		}
	}
	each("ripcord_proxy_requests_total", "counter", "Requests received.",
		func(c SideStats) float64 { return float64(c.Requests) })
	out.head("ripcord_proxy_responses_total", "counter", "Answers by class of status.")
	for _, side := range names {
		for _, class := range slices.Sorted(maps.Keys(s.Sides[side].Status)) {
			out.line("ripcord_proxy_responses_total", fmt.Sprintf("{colour=%q,class=%q}", side, class), float64(s.Sides[side].Status[class]))
		}
	}
	out.head("ripcord_proxy_errors_total", "counter", "Errors by origin: own or upstream.")
	for _, side := range names {
		out.line("ripcord_proxy_errors_total", fmt.Sprintf("{colour=%q,origin=\"own\"}", side), float64(s.Sides[side].Errors.Own))
		out.line("ripcord_proxy_errors_total", fmt.Sprintf("{colour=%q,origin=\"upstream\"}", side), float64(s.Sides[side].Errors.Upstream))
	}
	each("ripcord_proxy_failed_total", "counter", "Requests that the side answered with 5xx, or not, or not to the end.",
		func(c SideStats) float64 { return float64(c.Failed) })
	each("ripcord_proxy_left_total", "counter", "Requests that the side failed and another one was given.",
		func(c SideStats) float64 { return float64(c.Left) })
	each("ripcord_proxy_share_ratio", "gauge", "Part of the requests that the side gets.",
		func(c SideStats) float64 { return c.Share / 100 })
	each("ripcord_proxy_tester_requests_total", "counter", "Requests of testers, which no other counter has.",
		func(c SideStats) float64 { return float64(c.tester().Requests) })
	each("ripcord_proxy_tester_failed_total", "counter", "Testers' requests that failed.",
		func(c SideStats) float64 { return float64(c.tester().Failed) })
	each("ripcord_proxy_cancelled_total", "counter", "Requests whose client went away.",
		func(c SideStats) float64 { return float64(c.Cancelled) })
	each("ripcord_proxy_replays_total", "counter", "Requests sent again.",
		func(c SideStats) float64 { return float64(c.Replays) })
	each("ripcord_proxy_in_flight", "gauge", "Requests whose answer is not complete.",
		func(c SideStats) float64 { return float64(c.InFlight) })
	each("ripcord_proxy_websockets", "gauge", "Upgraded connections that are open.",
		func(c SideStats) float64 { return float64(c.WebSockets) })
	each("ripcord_proxy_received_bytes_total", "counter", "Bytes of bodies from clients.",
		func(c SideStats) float64 { return float64(c.BytesIn) })
	each("ripcord_proxy_sent_bytes_total", "counter", "Bytes of bodies to clients.",
		func(c SideStats) float64 { return float64(c.BytesOut) })
	out.head("ripcord_proxy_latency_seconds", "histogram", "Time from arrival to the header of the answer.")
	for _, side := range names {
		out.histogram("ripcord_proxy_latency_seconds", side, s.Sides[side].Latency)
	}
	return out.err
}

// tester returns the testers' counters, zero where there are none.
func (s SideStats) tester() SideStats {
	if s.Testers == nil {
		return SideStats{}
	}
	return *s.Testers
}

// metricWriter writes lines until the first error.
type metricWriter struct {
	w   io.Writer
	err error
}

func (m *metricWriter) printf(format string, args ...any) {
	if m.err == nil {
		_, m.err = fmt.Fprintf(m.w, format, args...)
	}
}

func (m *metricWriter) head(name, kind, help string) {
	m.printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (m *metricWriter) line(name, labels string, value float64) {
	m.printf("%s%s %s\n", name, labels, strconv.FormatFloat(value, 'g', -1, 64))
}

func (m *metricWriter) histogram(name, side string, l LatencyStats) {
	for _, b := range l.Buckets {
		if b.LE > 0 {
			m.line(name+"_bucket", fmt.Sprintf("{colour=%q,le=\"%g\"}", side, b.LE), float64(b.Count))
		}
	}
	m.line(name+"_bucket", fmt.Sprintf("{colour=%q,le=\"+Inf\"}", side), float64(l.Count))
	m.line(name+"_sum", fmt.Sprintf("{colour=%q}", side), l.Sum.Std().Seconds())
	m.line(name+"_count", fmt.Sprintf("{colour=%q}", side), float64(l.Count))
}
