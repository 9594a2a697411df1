package dataplane

import (
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Arm returns what the proxy has counted of a version: of the side with its
// addresses, or else of the one with its colour. Testers' requests are not in it,
// nor what the proxy refused by itself. Without such a side it has no data.
func (s Stats) Arm(of ripcord.Side) ripcord.Arm {
	name, ok := s.sideOf(of)
	if !ok {
		return ripcord.Arm{}
	}
	side := s.Sides[name]
	counter := ripcord.Counter{
		Series:   name + " since " + side.Since.UTC().Format(time.RFC3339Nano),
		Requests: float64(side.Requests - min(side.Errors.Own, side.Requests)),
		Failures: float64(side.Failed + side.Left),
	}
	for _, b := range side.Latency.Buckets {
		if b.LE > 0 {
			counter.Buckets = append(counter.Buckets, ripcord.Bucket{UpTo: b.LE, Count: float64(b.Count)})
		}
	}
	return ripcord.Arm{Counters: []ripcord.Counter{counter}}
}

func (s Stats) sideOf(of ripcord.Side) (name string, ok bool) {
	var wanted []string
	for address := range strings.SplitSeq(of.Addresses, ",") {
		if address = strings.TrimSpace(address); address != "" {
			wanted = append(wanted, address)
		}
	}
	slices.Sort(wanted)
	for name, side := range s.Sides {
		there := make([]string, 0, len(side.Targets))
		for address := range side.Targets {
			there = append(there, address)
		}
		slices.Sort(there)
		if len(wanted) > 0 && slices.Equal(wanted, there) {
			return name, true
		}
	}
	_, ok = s.Sides[of.Colour]
	return of.Colour, ok && of.Colour != "" && len(wanted) == 0
}
