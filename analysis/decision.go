package analysis

import (
	"math"
	"time"
)

// Decision is what a judge says after an observation, with the evidence for it.
// It is data for the journal; its size is bounded by the number of metrics.
type Decision struct {
	At      time.Time `json:"at"`
	Verdict Verdict   `json:"verdict"`
	// Reason says why, in a sentence for people.
	Reason string `json:"reason"`
	// LogE is the logarithm of the combined e-value against the canary; Limit is
	// where it rolls back.
	LogE  float64 `json:"log_e"`
	Limit float64 `json:"limit"`
	// Culprits are the metrics to blame for a roll-back, the worst first.
	Culprits []string `json:"culprits,omitempty"`
	// Warnings are the metrics that tell people and do nothing else.
	Warnings []string `json:"warnings,omitempty"`
	// Silent are the metrics that say nothing at the moment.
	Silent []string `json:"silent,omitempty"`
	// MayAdvance reports whether a gate may open: nothing is proved against the
	// canary, and every metric that counts has said something and still does.
	MayAdvance bool       `json:"may_advance"`
	Evidence   []Evidence `json:"evidence"`
}

// Evidence is what one metric has to say. Rates are shares of requests.
type Evidence struct {
	Metric  string  `json:"metric"`
	Kind    Kind    `json:"kind"`
	Outcome Outcome `json:"outcome"`
	Note    string  `json:"note,omitempty"`
	// SilentFor is how long in seconds it has said nothing.
	SilentFor float64 `json:"silent_for,omitempty"`
	// Watched is for how long in seconds it was judged from, so far.
	Watched float64 `json:"watched,omitempty"`
	// Gate reports whether gates wait for it: not for what only tells people, or may
	// be gone on without.
	Gate bool `json:"gate,omitempty"`
	// New and Old are the values of the last interval: a failure rate, or a
	// gauge's value.
	New *float64 `json:"new,omitempty"`
	Old *float64 `json:"old,omitempty"`
	// Total are the counts since the beginning; of KindLatency those slower than
	// Boundary seconds, the boundary with the most evidence.
	Total    *Counts `json:"total,omitempty"`
	Boundary float64 `json:"boundary,omitempty"`
	// Points are those of a gauge, Excess its mean beyond what is tolerated.
	Points int     `json:"points,omitempty"`
	Excess float64 `json:"excess,omitempty"`
	// LogE is the logarithm of the e-value against the canary: the smaller of
	// LogRatio and LogFloor, averaged with that of the fuse where there is one.
	// Limit is where it would roll back by itself.
	LogE     float64 `json:"log_e"`
	LogRatio float64 `json:"log_ratio,omitempty"`
	LogFloor float64 `json:"log_floor,omitempty"`
	Limit    float64 `json:"limit,omitempty"`
	// Fuse is that of KindErrors by windows.
	Fuse *FuseEvidence `json:"fuse,omitempty"`
	// LogPromote is the logarithm of the e-value for a promotion.
	LogPromote   float64 `json:"log_promote,omitempty"`
	PromoteLimit float64 `json:"promote_limit,omitempty"`
	Choice       *Choice `json:"choice,omitempty"`
	// Breaches are those of each rule in its last readings.
	Breaches []int `json:"breaches,omitempty"`
}

// Point is the part of a decision that a chart over time needs.
type Point struct {
	At      time.Time `json:"at"`
	Verdict Verdict   `json:"verdict"`
	LogE    float64   `json:"log_e"`
	Limit   float64   `json:"limit"`
	// Each are the logarithms of the e-values by metric.
	Each map[string]float64 `json:"each,omitempty"`
}

// Point returns the decision's point in a chart.
func (d Decision) Point() Point {
	p := Point{At: d.At, Verdict: d.Verdict, LogE: d.LogE, Limit: d.Limit}
	for _, e := range d.Evidence {
		if e.Limit == 0 {
			continue
		}
		if p.Each == nil {
			p.Each = map[string]float64{}
		}
		p.Each[e.Metric] = e.LogE
	}
	return p
}

// evidenceOf describes one metric's track.
func evidenceOf(m Metric, t track, alpha, beta float64, at time.Time) Evidence {
	e := Evidence{
		Metric: m.Name, Kind: m.Kind, Outcome: t.Outcome, Note: t.Note,
		New: present(t.NewValue), Old: present(t.OldValue), Watched: t.Watched,
		Gate: !m.warnsOnly() && t.overdue(m, at) != ReactionContinue,
	}
	if t.Outcome != OutcomePass {
		e.SilentFor = at.Sub(t.Heard).Seconds()
	}
	if logE, ok := t.logE(); ok {
		e.LogE, e.Limit = logE, logLimit(alpha)
	}
	switch {
	case t.Evidence.Comparison != nil:
		c := t.Evidence.Comparison
		total := c.Total()
		e.Total, e.LogRatio, e.LogFloor, e.Choice = &total, c.LogRatio(), c.LogFloor(), &c.choice
		e.LogPromote, e.PromoteLimit = t.Evidence.Promote.LogE(), logLimit(beta)
		switch f := t.Evidence.Fuse; {
		case f != nil && f.spec.Independent: // it stands instead of the comparison
			e.LogRatio, e.LogFloor = f.LogRatio(), f.LogFloor()
		case f != nil:
			e.Fuse = f.evidence()
		}
	case t.Evidence.Latency != nil:
		choice := m.Choice
		e.Choice = &choice
		if upper, c, ok := t.Evidence.Latency.Worst(); ok {
			total := c.Total()
			e.Boundary, e.Total, e.LogRatio, e.LogFloor = upper, &total, c.LogRatio(), c.LogFloor()
		}
	case t.Evidence.Gauge != nil:
		e.Points, e.Excess = t.Evidence.Gauge.Points(), t.Evidence.Gauge.Mean()
	}
	for i := range m.Rules {
		e.Breaches = append(e.Breaches, t.Evidence.Rules[i].Breaches())
	}
	if t.Outcome == OutcomePass && (e.Limit > 0 && e.LogE >= e.Limit || t.broken(m, ActionFail) || t.broken(m, ActionWarn)) {
		e.Outcome = OutcomeFail
	}
	return e
}

// present copies a value that JSON can hold.
func present(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	value := *v
	return &value
}
