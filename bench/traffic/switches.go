package traffic

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord/bench/figure"
)

const (
	warmUp = 3 * time.Second
	// around is the time on each side of a switch that counts as the switch.
	around = 100 * time.Millisecond
	// between is the pause after each switch.
	between = 300 * time.Millisecond
)

// Switches says what is measured.
type Switches struct {
	// Name is the balancer's.
	Name string
	// Listen is where clients connect.
	Listen string
	// Sides are the applications; the first one has the traffic.
	Sides [2]*Application
	// Switch moves all traffic to a side and returns when it has moved.
	Switch func(ctx context.Context, to *Application) error
	Count  int
	Load   Settings
}

// Measure switches again and again under load, and returns the figures.
func (s Switches) Measure(ctx context.Context) ([]figure.Figure, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	load := s.Load
	load.Target, load.Keep = &url.URL{Scheme: "http", Host: s.Listen}, true
	done := make(chan Report, 1)
	go func() { done <- Run(ctx, load) }()
	time.Sleep(warmUp)
	var moments []time.Time
	var decided, mixed []float64
	for n := range s.Count {
		from, to := s.Sides[n%2], s.Sides[(n+1)%2]
		to.mark()
		began := time.Now()
		if err := s.Switch(ctx, to); err != nil {
			return nil, fmt.Errorf("switch %d: %w", n+1, err)
		}
		time.Sleep(between)
		first, last := time.Unix(0, to.first.Load()), time.Unix(0, from.last.Load())
		moments = append(moments, first)
		decided = append(decided, milliseconds(last.Sub(began)))
		mixed = append(mixed, max(0, milliseconds(last.Sub(first))))
	}
	stop()
	report := <-done
	return s.figures(report, moments, decided, mixed), nil
}

func (s Switches) figures(r Report, moments []time.Time, decided, mixed []float64) []figure.Figure {
	peace, busy := split(r.Samples, moments)
	lost, failed := 0, 0
	for kind, n := range r.Kinds {
		if strings.HasPrefix(kind, "status_5") {
			failed += n
		} else {
			lost += n
		}
	}
	name := fmt.Sprintf("%s, %d switches, ", s.Name, s.Count)
	return []figure.Figure{
		figure.Of(name+"requests lost", "requests", []float64{float64(lost)}).Below(1).
			With("of %d, of them %d POSTs; %v %v", r.Sent, r.Posts, r.Kinds, r.Examples),
		figure.Of(name+"answers with 5xx", "requests", []float64{float64(failed)}).Below(1).With("of %d", r.Sent),
		figure.Of(name+"WebSockets lost", "connections", []float64{float64(r.WebSockets - r.WebSocketsAlive)}).Below(1).With("of %d", r.WebSockets),
		figure.Of(name+"p99 at a switch", "of p99 in peace", []float64{p99(busy) / p99(peace)}).
			With("%.1f ms of %d requests within %s of a switch, %.1f ms of %d others", p99(busy), len(busy), around, p99(peace), len(peace)),
		figure.Of(name+"decision to last request on the old side", "ms", decided).With("largest %.0f ms; readiness checks of the new side included", slices.Max(decided)),
		figure.Of(name+"first request on the new to last on the old side", "ms", mixed).With("largest %.0f ms", slices.Max(mixed)),
	}
}

// split sorts latencies in milliseconds by whether a switch was near. Slow answers
// do not count.
func split(samples []Sample, moments []time.Time) (peace, busy []float64) {
	for _, sample := range samples {
		if sample.Slow {
			continue
		}
		n, _ := slices.BinarySearchFunc(moments, sample.Due.Add(-around), time.Time.Compare)
		if n < len(moments) && moments[n].Sub(sample.Due) <= around {
			busy = append(busy, milliseconds(sample.Took))
		} else {
			peace = append(peace, milliseconds(sample.Took))
		}
	}
	slices.Sort(peace)
	slices.Sort(busy)
	return peace, busy
}

func p99(sorted []float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(0.99*float64(len(sorted))), len(sorted)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
