// Package peers are rules like those of Flagger, Argo Rollouts and Kayenta, for
// benchmarks that feed them and Ripcord with the same requests. They are models of
// what those are documented to do, not their code.
package peers

import (
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/kayenta"
)

// Look is what happened since the look before.
type Look struct {
	NewRequests, NewFailures float64
	OldRequests, OldFailures float64
	// Slow are the new version's requests that took longer than half a second.
	Slow float64
	// Down says that the metrics system did not answer.
	Down bool
}

// Rule looks at a release look by look and says when it rolls back.
type Rule interface {
	Look(i int, l Look) (rollBack bool, err error)
}

// The peers' intervals in seconds.
const (
	minute     = 60.0
	tenMinutes = 600.0
	// retries is for how long Argo Rollouts asks a system again that does not answer:
	// consecutiveErrorLimit 4, ten seconds apart.
	retries = 40.0
	// slowShare is the share of slow requests at which p99 is above half a second.
	slowShare = 0.01
)

// EveryMinute is a failure rate of the last minute above Limit, so many times in all:
// that of Flagger (interval 1 min, threshold 5) and of Argo Rollouts (interval 1 min,
// failureLimit 0 or 3).
type EveryMinute struct {
	// Limit is a share of requests, Tick how many seconds are between two looks.
	Limit, Tick float64
	// Fails is how many minutes must fail.
	Fails int
	// Latency judges as well whether p99 is above half a second, as Flagger does.
	Latency bool
	// SilenceFails counts a minute without an answer or without requests as failed, as
	// Flagger does. SilenceAborts ends the release after 40 seconds of it, as Argo
	// Rollouts does.
	SilenceFails, SilenceAborts bool

	requests, failed, slow float64
	silent                 float64 // seconds
	count                  int
}

// Look implements Rule.
func (e *EveryMinute) Look(i int, l Look) (bool, error) {
	e.silent += e.Tick
	if !l.Down && l.NewRequests > 0 {
		e.requests += l.NewRequests
		e.failed += l.NewFailures
		e.slow += l.Slow
		e.silent = 0
	}
	if e.SilenceAborts && e.silent > retries {
		return true, nil
	}
	if (i+1)%int(minute/e.Tick) != 0 {
		return false, nil
	}
	if e.requests > 0 && (e.failed/e.requests > e.Limit || e.Latency && e.slow/e.requests > slowShare) ||
		e.SilenceFails && e.silent >= minute {
		e.count++
	}
	e.requests, e.failed, e.slow = 0, 0, 0
	return e.count >= e.Fails, nil
}

// EveryTenMinutes is Kayenta's judge on the failure rates of all minutes so far.
type EveryTenMinutes struct {
	// Tick is how many seconds are between two looks.
	Tick float64

	canary, baseline []float64
	minute           Look
}

// Look implements Rule.
func (e *EveryTenMinutes) Look(i int, l Look) (bool, error) {
	e.minute.NewRequests += l.NewRequests
	e.minute.NewFailures += l.NewFailures
	e.minute.OldRequests += l.OldRequests
	e.minute.OldFailures += l.OldFailures
	if (i+1)%int(minute/e.Tick) != 0 {
		return false, nil
	}
	e.canary = append(e.canary, e.minute.NewFailures/e.minute.NewRequests)
	e.baseline = append(e.baseline, e.minute.OldFailures/e.minute.OldRequests)
	e.minute = Look{}
	if (i+1)%int(tenMinutes/e.Tick) != 0 {
		return false, nil
	}
	r := kayenta.Classify(e.baseline, e.canary, kayenta.Config{Direction: kayenta.Increase, AllowedIncrease: analysis.DefaultTolerance})
	return r.Label == kayenta.High, nil
}

// Tuned is the limit of a rule that is tuned to a failure rate: three times it, and
// 1 % where that is nothing.
func Tuned(base float64) float64 {
	if base == 0 { // three times nothing is no threshold
		return 0.01
	}
	return min(3*base, 0.9)
}
