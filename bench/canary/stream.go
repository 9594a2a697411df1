package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/bench/peers"
)

// slowFrom is the boundary in seconds of what counts as slow: the proxy's first one
// of at least half a second.
const slowFrom = 0.5

// second is what the proxy counted in about a second.
type second struct {
	at time.Time
	peers.Look
}

// stream are the counts of one canary, each second, from its first request on.
type stream struct {
	client   *dataplane.Client
	new, old analysis.Meter
	seconds  []second
	began    time.Time
}

// read adds what happened since it was read last. It reports whether two versions
// have traffic.
func (s *stream) read(ctx context.Context) (bool, error) {
	stats, err := s.client.Stats(ctx)
	if err != nil {
		return false, err
	}
	fresh := canarySide(stats)
	if fresh == "" {
		return false, nil
	}
	newMeter, newDelta, newOutcome, _ := s.new.Advance(stats.Arm(ripcord.Side{Colour: fresh}).Counters)
	oldMeter, oldDelta, oldOutcome, _ := s.old.Advance(stats.Arm(ripcord.Side{Colour: stats.Route}).Counters)
	if newOutcome != analysis.OutcomePass || oldOutcome != analysis.OutcomePass {
		return true, nil
	}
	s.new, s.old = newMeter, oldMeter
	if s.began.IsZero() {
		s.began = stats.At
		return true, nil
	}
	look := peers.Look{
		NewRequests: newDelta.Requests, NewFailures: newDelta.Failures, OldRequests: oldDelta.Requests, OldFailures: oldDelta.Failures,
	}
	for i, upper := range newDelta.Upper {
		if upper >= slowFrom {
			look.Slow = newDelta.Slower[i]
			break
		}
	}
	s.seconds = append(s.seconds, second{at: stats.At, Look: look})
	return true, nil
}

// canarySide is the side that gets a part of the traffic beside the route's.
func canarySide(stats dataplane.Stats) string {
	for name, side := range stats.Sides {
		if name != "" && name != stats.Route && side.Share > 0 {
			return name
		}
	}
	return ""
}

// harmed are the new version's requests that were harmed until that time, beyond what
// the old version would have harmed.
func (s *stream) harmed(by harm, until time.Time) float64 {
	var sum peers.Look
	for _, each := range s.seconds {
		if each.at.After(until) {
			break
		}
		sum.NewRequests += each.NewRequests
		sum.NewFailures += each.NewFailures
		sum.Slow += each.Slow
		sum.OldRequests += each.OldRequests
		sum.OldFailures += each.OldFailures
	}
	switch by {
	case byFailures:
		if sum.OldRequests == 0 {
			return sum.NewFailures
		}
		return max(sum.NewFailures-sum.NewRequests*sum.OldFailures/sum.OldRequests, 0)
	case bySlow:
		return sum.Slow
	case byAll:
		return sum.NewRequests
	case byNone:
	}
	return 0
}

// write writes the stream for others to judge.
func (s *stream) write(to io.Writer) error {
	if _, err := fmt.Fprintln(to, "seconds,new_requests,new_failures,new_slow,old_requests,old_failures,down"); err != nil {
		return err
	}
	for _, each := range s.seconds {
		if _, err := fmt.Fprintf(to, "%.1f,%.0f,%.0f,%.0f,%.0f,%.0f,%t\n", each.at.Sub(s.began).Seconds(), each.NewRequests,
			each.NewFailures, each.Slow, each.OldRequests, each.OldFailures, each.Down); err != nil {
			return err
		}
	}
	return nil
}
