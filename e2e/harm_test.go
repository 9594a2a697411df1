package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord/bench/traffic"
)

// harm is what a load has seen.
type harm struct {
	cancel context.CancelFunc
	done   chan traffic.Report
	report traffic.Report
	// lost are requests that may be repeated and were not answered although the
	// balancer listened.
	lost []traffic.Failure
	// refused came while nobody listened. held were in the balancer's hands when
	// it was killed: their connections are older than that. reloaded were sent on
	// a kept connection that an nginx before 1.27.4 closed at a reload. orders may
	// not be repeated.
	refused, held, reloaded, orders int
}

// begin lets a load go on until stop.
func begin(set traffic.Settings) *harm {
	ctx, cancel := context.WithCancel(context.Background())
	h := &harm{cancel: cancel, done: make(chan traffic.Report, 1)}
	go func() { h.done <- traffic.Run(ctx, set) }()
	return h
}

// stop ends the load and says what became of the failures.
func (h *harm) stop(o *outage, reloads bool) *harm {
	h.cancel()
	h.report = <-h.done
	for _, f := range h.report.Failures {
		switch {
		case o != nil && f.Kind == "dial" && strings.Contains(f.Detail, "refused") && f.Sent.Before(o.to) && f.Ended.After(o.from):
			h.refused++
		case o != nil && (f.Kind == "lost" || f.Kind == "broken" || f.Kind == "dial") && connectedBefore(f, o.gone) && f.Ended.After(o.from):
			h.held++
		case f.Post:
			h.orders++
		case reloads && f.Kind == "lost" && f.Reused:
			h.reloaded++
		default:
			h.lost = append(h.lost, f)
		}
	}
	return h
}

// connectedBefore reports whether the connection was made, or begun, before the
// moment.
func connectedBefore(f traffic.Failure, moment time.Time) bool {
	if f.Reused {
		return f.Connected.Before(moment)
	}
	return f.Sent.Before(moment)
}

// count adds it to the tally.
func (h *harm) count(t *tally, balancer, victim string) {
	add := func(what string, n int) {
		if n > 0 {
			t.add(fmt.Sprintf("%s, %s killed: %s", balancer, victim, what), n)
		}
	}
	add("rounds", 1)
	add("requests", h.report.Sent)
	add("not listening", h.refused)
	add("in the hands of the killed balancer", h.held)
	add("orders lost", h.orders)
	add("lost by a reload", h.reloaded)
	add("LOST", len(h.lost))
}

func told(f traffic.Failure) string {
	connected := "never"
	if !f.Connected.IsZero() {
		connected = f.Connected.Format("15:04:05.000")
	}
	return fmt.Sprintf("%s, connected %s, sent %s, lost %s, reused %t: %s",
		f.Kind, connected, f.Sent.Format("15:04:05.000"), f.Ended.Format("15:04:05.000"), f.Reused, f.Detail)
}
