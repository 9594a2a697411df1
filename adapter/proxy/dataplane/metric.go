package dataplane

import (
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Arm returns what the proxy has counted of a version: of the side with its
// addresses, or else of the one with its colour. Requests are those whose outcome
// is known; testers' are not among them, nor what the proxy refused by itself, nor
// those whose client went away before. Without such a side it has no data.
func (s Stats) Arm(of ripcord.Side) ripcord.Arm {
	name, ok := s.sideOf(of)
	if !ok {
		return ripcord.Arm{}
	}
	side := s.Sides[name]
	counter := ripcord.Counter{
		Series:   name + " since " + side.Since.UTC().Format(time.RFC3339Nano),
		Requests: float64(side.Latency.Count),
		Failures: float64(side.Failed + side.Left),
	}
	counter.Buckets = side.Latency.boundaries()
	return ripcord.Arm{Counters: []ripcord.Counter{counter}}
}

// These take one boundary of two, from a millisecond on: an analysis needs the
// same ones in each reading, and those that differ by two fifths are close enough
// to see where a version became slower.
const (
	firstOfFew  = 16
	lastOfFew   = 72 // 16 s
	boundaryGap = 2
)

// boundaries are the same at all times, also where nothing was counted.
func (l LatencyStats) boundaries() []ripcord.Bucket {
	var list []ripcord.Bucket
	for i := firstOfFew; i <= lastOfFew; i += boundaryGap {
		count := l.Count
		if i < len(l.Buckets) {
			count = l.Buckets[i].Count
		}
		list = append(list, ripcord.Bucket{UpTo: boundOf(i).Seconds(), Count: float64(count)})
	}
	return list
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
