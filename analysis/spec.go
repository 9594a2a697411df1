package analysis

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// The defaults. The page docs/analysis.md says why each is what it is.
const (
	// DefaultAlpha bounds the chance that a canary which is fine is rolled back.
	DefaultAlpha = 0.01
	// DefaultBeta bounds the chance that a canary which is not is promoted.
	DefaultBeta = 0.05
	// DefaultTolerance is R0 for failures: a quarter more is not a bad release.
	DefaultTolerance = 1.25
	// DefaultWorse is R1 for failures.
	DefaultWorse = 2.0
	// DefaultFloor is p_abs for failures: one request in two thousand.
	DefaultFloor = 0.0005
	// DefaultLatencyTolerance is R0 for requests slower than a boundary.
	DefaultLatencyTolerance = 1.1
	// DefaultLatencyFloor is p_abs for requests slower than a boundary.
	DefaultLatencyFloor = 0.001
	// DefaultGaugeTolerance is how much more than the baseline's value is
	// tolerated, as a share of it.
	DefaultGaugeTolerance = 0.1
	// DefaultGaugePoints is the number of points a gauge is tuned to.
	DefaultGaugePoints = 60
	// DefaultWarmUp is how long in seconds a new version may be slow at first.
	DefaultWarmUp = 30
	// DefaultSilence is how long in seconds a metric may be silent.
	DefaultSilence = 120
)

// maxMetrics bounds a spec, and with it what a decision writes to the journal.
const maxMetrics = 64

// Kind is what a metric measures.
type Kind string

// The kinds.
const (
	// KindErrors: failed requests of all requests; counters.
	KindErrors Kind = "errors"
	// KindLatency: the requests' durations; counters with buckets.
	KindLatency Kind = "latency"
	// KindGauge: a value of which more is worse; values.
	KindGauge Kind = "gauge"
	// KindThreshold: plain rules; values, or the failure rate of counters.
	KindThreshold Kind = "threshold"
)

// Spec is what a judge is asked to judge, as data. Zero values are defaults.
type Spec struct {
	Alpha   float64  `json:"alpha,omitempty"`
	Beta    float64  `json:"beta,omitempty"`
	Metrics []Metric `json:"metrics"`
}

// Metric is one metric of a spec. Zero values are defaults.
type Metric struct {
	Name   string  `json:"name"`
	Kind   Kind    `json:"kind"`
	Weight float64 `json:"weight,omitempty"`
	// Action is what evidence against the canary does; rules have their own.
	Action Action `json:"action,omitempty"`
	// Limits are for KindErrors and KindLatency.
	Limits Limits `json:"limits,omitzero"`
	// Choice is the method for KindErrors and KindLatency; see Choose.
	Choice Choice `json:"choice,omitzero"`
	// Fuse is for KindErrors with MethodFractions.
	Fuse Fuse `json:"fuse,omitzero"`
	// WarmUp is for KindLatency and KindGauge: so many seconds from the first
	// reading don't count, because caches are empty and connections not open yet.
	// Below 0 is none. 0 is DefaultWarmUp, or none for latency by windows, which no
	// half minute can prove anything with.
	WarmUp float64 `json:"warm_up,omitempty"`
	// Gauge is for KindGauge.
	Gauge Gauge `json:"gauge,omitzero"`
	// Rules are for KindThreshold.
	Rules  []Rule `json:"rules,omitempty"`
	NoData Policy `json:"no_data,omitzero"`
	Error  Policy `json:"error,omitzero"`
}

// Gauge is what a gauge tolerates: the larger of a share of the baseline's value
// and an absolute slack. A Tolerance below 0 is no share at all.
type Gauge struct {
	Tolerance float64 `json:"tolerance,omitempty"`
	Slack     float64 `json:"slack,omitempty"`
	// LowerIsWorse turns it around.
	LowerIsWorse bool `json:"lower_is_worse,omitempty"`
	// Points is the number of points at which it is most powerful.
	Points float64 `json:"points,omitempty"`
}

// WithDefaults returns the spec with every default filled in, or an error of
// CodePlan that says what is wrong with it.
func (s Spec) WithDefaults() (Spec, error) {
	s.Alpha, s.Beta = orDefault(s.Alpha, DefaultAlpha), orDefault(s.Beta, DefaultBeta)
	for _, level := range []float64{s.Alpha, s.Beta} {
		if !(level > 1e-9 && level < 0.5) {
			return s, ripcord.Errorf(ripcord.CodePlan, "analysis: a chance of %v for a wrong decision is not between 0 and 0.5", level).
				WithFix("leave alpha and beta out, or write 0.01 and 0.05")
		}
	}
	if len(s.Metrics) == 0 || len(s.Metrics) > maxMetrics {
		return s, ripcord.Errorf(ripcord.CodePlan, "analysis: %d metrics; there must be 1 to %d", len(s.Metrics), maxMetrics).
			WithFix("name the metrics to judge by")
	}
	s.Metrics = slices.Clone(s.Metrics)
	names := map[string]bool{}
	for i, m := range s.Metrics {
		m = m.withDefaults()
		if err := m.check(s.Alpha); err != nil {
			return s, ripcord.Errorf(ripcord.CodePlan, "analysis: metric %q: %w", m.Name, err)
		}
		if names[m.Name] {
			return s, ripcord.Errorf(ripcord.CodePlan, "analysis: metric %q is there twice", m.Name).WithFix("give each metric a name of its own")
		}
		names[m.Name] = true
		s.Metrics[i] = m
	}
	return s, nil
}

func orDefault(v, standard float64) float64 {
	if v == 0 {
		return standard
	}
	return v
}

func (m Metric) withDefaults() Metric {
	m.Weight = orDefault(m.Weight, 1)
	if m.Action == "" {
		m.Action = ActionFail
	}
	tolerance, floor := DefaultTolerance, DefaultFloor
	if m.Kind == KindLatency {
		tolerance, floor = DefaultLatencyTolerance, DefaultLatencyFloor
	}
	if m.Kind == KindErrors || m.Kind == KindLatency {
		m.Limits.Tolerance = orDefault(m.Limits.Tolerance, tolerance)
		m.Limits.Worse = orDefault(m.Limits.Worse, max(DefaultWorse, m.Limits.Tolerance))
		m.Limits.Floor = orDefault(m.Limits.Floor, floor)
		if m.Choice.Method == "" {
			m.Choice = DefaultChoice()
		}
		if m.Choice.Method == MethodFractions {
			m.Choice.Window = orDefault(m.Choice.Window, DefaultWindow)
		}
	}
	if m.Choice.guarded() && m.Kind == KindErrors {
		m.Fuse = m.Choice.guard()
	} else if m.fused() {
		m.Fuse = m.Fuse.withDefaults()
	}
	if m.Kind == KindGauge {
		m.Gauge.Tolerance = orDefault(m.Gauge.Tolerance, DefaultGaugeTolerance)
		m.Gauge.Points = orDefault(m.Gauge.Points, DefaultGaugePoints)
	}
	if m.Kind == KindGauge || m.Kind == KindLatency && m.Choice.Method == MethodCounts {
		m.WarmUp = orDefault(m.WarmUp, DefaultWarmUp)
	}
	m.Rules = slices.Clone(m.Rules)
	for i, r := range m.Rules {
		m.Rules[i] = r.withDefaults()
	}
	do := ReactionHold
	if m.warnsOnly() { // what only tells people can't make them wait
		do = ReactionContinue
	}
	m.NoData, m.Error = m.NoData.withDefaults(do), m.Error.withDefaults(do)
	return m
}

// warnsOnly reports whether the metric can do no more than tell people.
func (m Metric) warnsOnly() bool {
	if m.Kind != KindThreshold {
		return m.Action == ActionWarn
	}
	return !slices.ContainsFunc(m.Rules, func(r Rule) bool { return r.Action == ActionFail })
}

func (p Policy) withDefaults(do Reaction) Policy {
	if p.Do == "" {
		p.Do = do
	}
	p.After = orDefault(p.After, DefaultSilence)
	return p
}

func (p Policy) check() error {
	if p.Do != ReactionHold && p.Do != ReactionContinue && p.Do != ReactionFail {
		return fmt.Errorf("a silent metric can hold, continue or fail, not %q", p.Do)
	}
	if !(p.After > 0 && p.After <= 1e9) {
		return fmt.Errorf("a silence of %v seconds", p.After)
	}
	return nil
}

func (m Metric) check(alpha float64) error {
	switch {
	case m.Name == "" || len(m.Name) > 100:
		return fmt.Errorf("its name has %d bytes; 1 to 100", len(m.Name))
	case !(m.Weight > 1e-6 && m.Weight < 1e6):
		return fmt.Errorf("a weight of %v", m.Weight)
	case m.Action != ActionFail && m.Action != ActionWarn:
		return fmt.Errorf("action %q is not known: fail or warn", m.Action)
	case m.Kind != KindThreshold && len(m.Rules) > 0:
		return errors.New("rules belong to kind threshold")
	case m.Kind != KindErrors && m.Fuse != Fuse{}:
		return errors.New("a fuse belongs to kind errors")
	case m.Kind != KindLatency && m.Kind != KindGauge && m.WarmUp != 0:
		return errors.New("a warm-up belongs to kind latency or gauge: failures of a cold version are failures")
	case !(m.WarmUp > -1e9 && m.WarmUp <= 3600):
		return fmt.Errorf("a warm-up of %v seconds; at most 3600", m.WarmUp)
	}
	for _, p := range []Policy{m.NoData, m.Error} {
		if err := p.check(); err != nil {
			return err
		}
	}
	_, err := m.begin(alpha)
	return err
}

// begin is the metric's evidence before the first reading.
func (m Metric) begin(alpha float64) (evidence, error) {
	var e evidence
	switch m.Kind {
	case KindErrors:
		c, err := NewComparison(m.Limits, m.Choice)
		if err != nil {
			return e, err
		}
		p, err := NewPromoteProcess(m.Limits.Worse, m.Limits.Floor)
		e.Comparison, e.Promote = &c, &p
		if err == nil && m.fused() {
			var f FuseProcess
			f, err = NewFuseProcess(m.Limits, m.Fuse, alpha)
			e.Fuse = &f
		}
		return e, err
	case KindLatency:
		l, err := NewLatencyProcess(m.Limits, m.Choice)
		e.Latency = &l
		return e, err
	case KindGauge:
		if !(m.Gauge.Slack >= 0 && m.Gauge.Slack < maxCount && m.Gauge.Tolerance < 1000) {
			return e, fmt.Errorf("a tolerance of %v and a slack of %v", m.Gauge.Tolerance, m.Gauge.Slack)
		}
		g, err := NewGaugeProcess(m.Gauge.Points, alpha)
		e.Gauge = &g
		return e, err
	case KindThreshold:
		if len(m.Rules) == 0 || len(m.Rules) > 16 {
			return e, fmt.Errorf("%d rules; 1 to 16", len(m.Rules))
		}
		for _, r := range m.Rules {
			if err := r.check(); err != nil {
				return e, err
			}
		}
		e.Rules = make([]Breached, len(m.Rules))
		return e, nil
	default:
		return e, fmt.Errorf("kind %q is not known: errors, latency, gauge or threshold", m.Kind)
	}
}

// excess is by how much more than tolerated the canary's value is worse.
func (g Gauge) excess(canary, baseline float64) float64 {
	worse := canary - baseline
	if g.LowerIsWorse {
		worse = -worse
	}
	return worse - max(max(g.Tolerance, 0)*max(baseline, -baseline), g.Slack)
}
