package canary

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// Explain implements ripcord.Explainer: what is judged, and what this will find,
// as far as the traffic of this moment tells.
func (s *Step) Explain(ctx context.Context) (string, error) {
	if s.first() {
		return "judges nothing: there is no older version to compare with", nil
	}
	chosen, err := s.choices()
	if err != nil { // the release would not use it either
		chosen = nil
	}
	spec, err := s.spec(chosen).WithDefaults()
	if err != nil {
		return "", err
	}
	rows := make([]string, 0, len(spec.Metrics))
	for i := range spec.Metrics {
		rows = append(rows, s.explain(&spec.Metrics[i], s.set.Metrics[i].Source))
	}
	return strings.Join(append(rows, s.forecast(ctx, spec)...), "\n  "), ctx.Err()
}

// explain says in one line what becomes of one metric.
func (s *Step) explain(m *analysis.Metric, source string) string {
	what := "failed requests of both versions"
	switch m.Kind {
	case analysis.KindLatency:
		what = "slow requests of both versions"
	case analysis.KindGauge:
		what = "the value of both versions"
	case analysis.KindThreshold:
		return fmt.Sprintf("%s: %s, from %s every %s", m.Name, rules(m.Rules), source, s.set.Interval)
	case analysis.KindErrors:
	}
	does := "rolls back"
	if m.Action == analysis.ActionWarn {
		does = "warns"
	}
	text := fmt.Sprintf("%s: compares %s, from %s every %s; %s when the new one is proved to be worse", m.Name, what, source, s.set.Interval, does)
	if m.Kind == analysis.KindErrors && m.Choice.Dispersion > 0 {
		text += "\n  " + m.Name + ": " + how(m)
	}
	return text
}

// how says by what failures are compared, and why.
func how(m *analysis.Metric) string {
	text := "by requests"
	if m.Choice.Method == analysis.MethodFractions {
		text = "by windows of " + seconds(m.Choice.Window)
		if !m.Fuse.Off {
			text += " and a fuse"
		}
	}
	return text + ": " + m.Choice.Reason
}

// rules says what plain rules do.
func rules(all []analysis.Rule) string {
	parts := make([]string, 0, len(all))
	for _, r := range all {
		text := "rolls back"
		if r.Action == analysis.ActionWarn {
			text = "warns"
		}
		var limits []string
		if r.Max != nil {
			limits = append(limits, "above "+number(*r.Max))
		}
		if r.Min != nil {
			limits = append(limits, "below "+number(*r.Min))
		}
		text += " when "
		if r.Against != analysis.AgainstNothing {
			text += "the " + string(r.Against) + " to the old version is "
		}
		text += strings.Join(limits, " or ")
		if r.Of > 1 {
			text += fmt.Sprintf(" in %d of %d readings", r.Breaches, r.Of)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

const (
	// between is the time between the two readings that tell the traffic.
	between = time.Second
	// mostForecast is how many stages are forecast.
	mostForecast = 3
)

// traffic is what the version that runs now does.
type traffic struct{ rate, requests, failures float64 }

// baseline is its failure rate. Where nothing failed it is no more than a guess:
// one more request might have.
func (t traffic) baseline() float64 {
	return min(max(t.failures, 1)/max(t.requests, 1), 0.5)
}

// forecast says when a bad version would be found. Nothing is said where the source
// cannot tell the traffic of this moment: it is a help, not a condition.
func (s *Step) forecast(ctx context.Context, spec analysis.Spec) []string {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for i := range spec.Metrics {
		m := &spec.Metrics[i]
		if m.Kind != analysis.KindErrors || m.Action != analysis.ActionFail || len(s.set.Shares) == 0 {
			continue
		}
		now, ok := watchTraffic(ctx, s.metrics[i])
		if !ok {
			continue
		}
		rows := []string{now.say()}
		for _, share := range s.set.Shares[:min(mostForecast, len(s.set.Shares))] {
			if row := s.foresee(now, share, m, spec.Alpha); row != "" {
				rows = append(rows, row)
			}
		}
		if len(rows) == 1 {
			continue
		}
		if open(&s.set.Metrics[i].Metric) && m.Choice.Dispersion == 0 {
			rows = append(rows, "it may be sooner where failures are known to be independent: `ripcord measure` finds out, and so does each release")
		}
		return rows
	}
	return nil
}

// watchTraffic reads a metric twice.
func watchTraffic(ctx context.Context, m ripcord.Metric) (traffic, bool) {
	first, err := m.Read(ctx)
	if err != nil || len(first.Old.Counters) == 0 {
		return traffic{}, false
	}
	if sleep(ctx, between) != nil {
		return traffic{}, false
	}
	second, err := m.Read(ctx)
	if err != nil {
		return traffic{}, false
	}
	before, after := sum(first.Old), sum(second.Old)
	seconds := second.At.Sub(first.At).Seconds()
	if seconds <= 0 {
		seconds = between.Seconds()
	}
	after.rate = (after.requests - before.requests) / seconds
	return after, after.rate > 0 && after.failures >= 0
}

func sum(a ripcord.Arm) (t traffic) {
	for _, c := range a.Counters {
		t.requests += c.Requests
		t.failures += c.Failures
	}
	return t
}

// say tells people what the forecast is based on.
func (t traffic) say() string {
	text := fmt.Sprintf("now there are about %s requests a second, ", round(t.rate))
	if t.failures == 0 {
		return text + fmt.Sprintf("and none of %s has failed; for the forecast, one has:", round(t.requests))
	}
	return text + fmt.Sprintf("and %s %% of them fail:", round(100*t.failures/t.requests))
}

// foresee says when two bad versions would be found at one share.
func (s *Step) foresee(now traffic, share float64, m *analysis.Metric, alpha float64) string {
	if share <= 0 || share >= 100 {
		return "" // nothing is left to compare with
	}
	const few, many = 5, 20
	parts := make([]string, 0, 2)
	for _, ratio := range []float64{few, many} {
		f, err := m.Predict(analysis.Scenario{
			Rate: now.rate, Share: share / 100, Baseline: now.baseline(), Ratio: ratio, Look: s.set.Interval.Std().Seconds(),
		}, alpha)
		if err != nil {
			return ""
		}
		what := number(ratio) + " times as high"
		if len(parts) == 0 {
			what = "an error rate " + what
		}
		if math.IsInf(f.Seconds, 1) {
			parts = append(parts, what+" is not found")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s is rolled back after about %s, with about %s more failed requests", what, lasting(f.Seconds), round(f.Harmed)))
	}
	return fmt.Sprintf("at %s %%: %s", number(share), strings.Join(parts, "; "))
}

// round writes two digits that count: more would promise what nobody knows.
func round(v float64) string {
	rough, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64)
	if err != nil {
		rough = v
	}
	return strconv.FormatFloat(rough, 'f', -1, 64)
}

// lasting writes a duration as roughly as it is known.
func lasting(seconds float64) string {
	const minute, hour = 60, 3600
	switch {
	case seconds < 2*minute:
		return fmt.Sprintf("%.0f s", math.Ceil(seconds))
	case seconds < 2*hour:
		return fmt.Sprintf("%.0f min", math.Ceil(seconds/minute))
	}
	return round(seconds/hour) + " h"
}
