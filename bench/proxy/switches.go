package main

import (
	"context"
	"os"
	"time"

	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/bench/front"
	"github.com/ripcord-dev/ripcord/bench/traffic"
)

// switches moves all traffic of a proxy between two sides, each time as a whole
// step.
func switches(ctx context.Context, count int, rate float64) ([]figure.Figure, error) {
	dir, err := os.MkdirTemp("", "ripcord-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var sides [2]*traffic.Application
	for n, version := range []string{"blue", "green"} {
		if sides[n], err = traffic.StartApplication(version); err != nil {
			return nil, err
		}
		defer sides[n].Close()
	}
	p := &front.Proxy{Dir: dir, Listen: front.FreeAddress()}
	defer p.Close()
	if err := p.Shift(ctx, sides[0]); err != nil {
		return nil, err
	}
	return traffic.Switches{
		Name: "proxy", Listen: p.Listen, Sides: sides, Switch: p.Shift, Count: count,
		Load: traffic.Settings{Rate: rate, Connections: 64, Posts: 0.1, Slow: 0.01, Fresh: 0.1, WebSockets: 50, Timeout: 10 * time.Second},
	}.Measure(ctx)
}
