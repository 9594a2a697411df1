package analysis

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// evidence is what a metric has gathered; which of it depends on its kind.
type evidence struct {
	Comparison *Comparison     `json:"comparison,omitempty"`
	Promote    *PromoteProcess `json:"promote,omitempty"`
	Fuse       *FuseProcess    `json:"fuse,omitempty"`
	Latency    *LatencyProcess `json:"latency,omitempty"`
	Gauge      *GaugeProcess   `json:"gauge,omitempty"`
	Rules      []Breached      `json:"rules,omitempty"`
}

// track is one metric on its way through the canary.
type track struct {
	Evidence evidence `json:"evidence"`
	New      Meter    `json:"new"`
	Old      Meter    `json:"old"`
	// Total are all counts so far, of metrics with counters.
	Total Counts `json:"total"`
	// Counted is up to when the counters have been counted; Heard is when the
	// metric last said something, or when it was first asked.
	Counted time.Time `json:"counted,omitzero"`
	// Watched is for how long in seconds it was judged from; see Evidence.
	Watched float64 `json:"watched,omitempty"`
	// Begun is when it first said something; see Metric.WarmUp.
	Begun time.Time `json:"begun,omitzero"`
	Heard time.Time `json:"heard,omitzero"`
	// Outcome and Note are of the last reading.
	Outcome Outcome `json:"outcome"`
	Note    string  `json:"note,omitempty"`
	// NewValue and OldValue are the last values that were seen.
	NewValue *float64 `json:"new_value,omitempty"`
	OldValue *float64 `json:"old_value,omitempty"`
}

// Sample is what reading a metric gave: a reading, or an error of its system.
type Sample struct {
	Reading ripcord.Reading
	Err     error
}

// observe takes a sample in. It changes nothing but the note where the sample
// says nothing.
func (t *track) observe(m Metric, s Sample, at time.Time, alone bool) {
	if t.Heard.IsZero() {
		t.Heard = at
	}
	if s.Err != nil {
		t.silent(OutcomeError, s.Err.Error())
		return
	}
	var outcome Outcome
	var note string
	counted := t.Counted
	if m.Kind == KindGauge || m.Kind == KindThreshold && len(s.Reading.New.Counters) == 0 {
		outcome, note = t.observeValues(m, s.Reading, at, alone)
	} else {
		outcome, note = t.observeCounters(m, s.Reading, at, alone)
	}
	if outcome != OutcomePass {
		t.silent(outcome, note)
		return
	}
	switch {
	case note == warmingNote:
	case counted.IsZero(): // values are of one moment
		t.Watched += min(at.Sub(t.Heard).Seconds(), longestValue)
	default:
		t.Watched += min(at.Sub(counted).Seconds(), longestCount)
	}
	t.Outcome, t.Note, t.Heard = OutcomePass, note, at
}

// How much of the time in seconds since the last reading counts as watched: counters
// cover all of it, but one look at an hour is no hour; a value says nothing of it.
const (
	longestCount = 60.0
	longestValue = 10.0
)

// maxNote bounds the text of a metrics system that goes into the journal.
const maxNote = 300

func (t *track) silent(o Outcome, note string) {
	if len(note) > maxNote {
		note = note[:maxNote]
	}
	t.Outcome, t.Note = o, strings.ToValidUTF8(note, "")
}

func (t *track) observeCounters(m Metric, r ripcord.Reading, at time.Time, alone bool) (Outcome, string) {
	newMeter, canary, outcome, note := t.New.Advance(r.New.Counters)
	if outcome != OutcomePass {
		return outcome, "new version: " + note
	}
	oldMeter, baseline, starting := t.Old, Delta{}, !t.New.Started()
	if !alone {
		if oldMeter, baseline, outcome, note = t.Old.Advance(r.Old.Counters); outcome != OutcomePass {
			return outcome, "old version: " + note
		}
		starting = starting || !t.Old.Started()
	}
	if starting {
		t.New, t.Old, t.Counted, t.Begun = newMeter, oldMeter, at, at
		return OutcomeNoData, "counting starts at the first reading"
	}
	if canary.Requests == 0 {
		return OutcomeNoData, "the new version had no requests"
	}
	if !alone && baseline.Requests == 0 {
		return OutcomeNoData, "the old version had no requests"
	}
	if t.warming(m, at) {
		t.New, t.Old, t.Counted = newMeter, oldMeter, at
		return OutcomePass, warmingNote
	}
	if err := t.feed(m, at.Sub(t.Counted).Seconds(), canary, baseline, alone); err != nil {
		return OutcomeError, err.Error()
	}
	t.New, t.Old, t.Counted = newMeter, oldMeter, at
	t.Total = t.Total.Plus(Counts{New: canary.ArmCounts, Old: baseline.ArmCounts})
	return OutcomePass, ""
}

const warmingNote = "the new version is warming up: not counted yet"

// warming reports whether what is read does not count yet. A state from before
// there were warm-ups has no beginning, and is past it.
func (t *track) warming(m Metric, at time.Time) bool {
	return m.WarmUp > 0 && !t.Begun.IsZero() && at.Sub(t.Begun).Seconds() <= m.WarmUp
}

// feed hands one interval to what gathers the metric's evidence.
func (t *track) feed(m Metric, seconds float64, canary, baseline Delta, alone bool) error {
	counts := Counts{New: canary.ArmCounts, Old: baseline.ArmCounts}
	newRate, oldRate := counts.New.Rate(), counts.Old.Rate()
	t.NewValue, t.OldValue = &newRate, &oldRate
	if alone {
		t.OldValue = nil
	}
	switch {
	case t.Evidence.Latency != nil:
		l, err := t.Evidence.Latency.Add(seconds, canary, baseline, alone)
		if err != nil {
			return err
		}
		t.Evidence.Latency = &l
	case t.Evidence.Comparison != nil:
		return t.feedComparison(Interval{Seconds: seconds, Counts: counts}, alone)
	default:
		t.applyRules(m)
	}
	return nil
}

func (t *track) feedComparison(i Interval, alone bool) error {
	c, err := t.Evidence.Comparison.Add(i)
	if err != nil {
		return err
	}
	promote, fuse := t.Evidence.Promote, t.Evidence.Fuse
	if !alone {
		p, err := promote.Add(i.Counts)
		if err != nil {
			return err
		}
		promote = &p
	}
	if fuse != nil {
		var f FuseProcess
		if alone {
			f, err = fuse.AddAlone(i, c.limits.Ceiling(c.total.Old))
		} else {
			f, err = fuse.Add(i)
		}
		if err != nil {
			return err
		}
		fuse = &f
	}
	t.Evidence.Comparison, t.Evidence.Promote, t.Evidence.Fuse = &c, promote, fuse
	return nil
}

func (t *track) observeValues(m Metric, r ripcord.Reading, at time.Time, alone bool) (Outcome, string) {
	canary, baseline := r.New.Value, r.Old.Value
	if alone {
		baseline = nil
	}
	if canary == nil || math.IsNaN(*canary) {
		return OutcomeNoData, "the new version has no value"
	}
	if baseline != nil && math.IsNaN(*baseline) {
		baseline = nil
	}
	for _, v := range []*float64{canary, baseline} {
		if v != nil && math.Abs(*v) > 1e99 {
			return OutcomeError, fmt.Sprintf("a value is %v", *v)
		}
	}
	if m.Kind == KindThreshold {
		t.NewValue, t.OldValue = canary, baseline
		if !t.applyRules(m) {
			return OutcomeNoData, "the old version has no value to compare with"
		}
		return OutcomePass, ""
	}
	if baseline == nil && !alone {
		return OutcomeNoData, "the old version has no value"
	}
	t.NewValue, t.OldValue = canary, baseline
	if baseline == nil { // after a promotion there is nothing to compare with
		return OutcomePass, ""
	}
	if t.Begun.IsZero() && t.Evidence.Gauge.Points() == 0 {
		t.Begun = at
	}
	if t.warming(m, at) {
		return OutcomePass, warmingNote
	}
	g, err := t.Evidence.Gauge.Add(m.Gauge.excess(*canary, *baseline))
	if err != nil {
		return OutcomeError, err.Error()
	}
	t.Evidence.Gauge = &g
	return OutcomePass, ""
}

// applyRules reports whether at least one rule could be applied.
func (t *track) applyRules(m Metric) bool {
	any := false
	rules := make([]Breached, len(m.Rules))
	copy(rules, t.Evidence.Rules)
	for i, r := range m.Rules {
		if v, ok := r.subject(t.NewValue, t.OldValue); ok {
			rules[i], any = rules[i].Add(r, v), true
		}
	}
	t.Evidence.Rules = rules
	return any
}

// logE is the logarithm of the e-value against the canary; false for rules.
func (t *track) logE() (float64, bool) {
	switch e := t.Evidence; {
	case e.Fuse != nil:
		return e.Fuse.spec.Mix(e.Comparison.LogE(), e.Fuse.LogE()), true
	case e.Comparison != nil:
		return e.Comparison.LogE(), true
	case e.Latency != nil:
		return e.Latency.LogE(), true
	case e.Gauge != nil:
		return e.Gauge.LogE(), true
	default:
		return 0, false
	}
}

// broken reports whether a rule with the action has failed.
func (t *track) broken(m Metric, a Action) bool {
	for i, r := range m.Rules {
		if r.Action == a && t.Evidence.Rules[i].Failed(r) {
			return true
		}
	}
	return false
}

// overdue is what the policies say of the metric's silence; "" is nothing yet.
func (t *track) overdue(m Metric, at time.Time) Reaction {
	policy := m.NoData
	switch t.Outcome {
	case OutcomeError:
		policy = m.Error
	case OutcomeNoData:
	default:
		return ""
	}
	if at.Sub(t.Heard).Seconds() < policy.After {
		return ""
	}
	return policy.Do
}
