package planfile

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// analysisSettings are those of the step that judges a canary.
type analysisSettings struct {
	New      ripcord.Side     `json:"new"`
	Old      ripcord.Side     `json:"old"`
	Interval ripcord.Duration `json:"interval"`
	// Shift is the step after which all traffic goes to the new side.
	Shift string `json:"shift"`
	// Shares are the stages' parts of the traffic in percent.
	Shares  []float64         `json:"shares"`
	Alpha   float64           `json:"alpha,omitempty"`
	Beta    float64           `json:"beta,omitempty"`
	Metrics []*metricSettings `json:"metrics"`
}

// metricSettings are those of one metric: what is judged, and where it is read.
type metricSettings struct {
	Name     string           `json:"name"`
	Kind     string           `json:"kind"`
	Weight   float64          `json:"weight,omitempty"`
	Action   string           `json:"action,omitempty"`
	Limits   *metricLimits    `json:"limits,omitempty"`
	Choice   *metricChoice    `json:"choice,omitempty"`
	Fuse     *metricFuse      `json:"fuse,omitempty"`
	Gauge    *metricGauge     `json:"gauge,omitempty"`
	Rules    []*metricRule    `json:"rules,omitempty"`
	NoData   *metricPolicy    `json:"no_data,omitempty"`
	Error    *metricPolicy    `json:"error,omitempty"`
	Source   string           `json:"source"`
	Settings map[string]any   `json:"settings"`
	slack    float64          // of a gauge
	share    *float64         // tolerance as the file has it
	rule     metricRule       // as the file has it
	window   ripcord.Duration // of the method
	method   string
}

type metricLimits struct {
	Tolerance float64 `json:"tolerance,omitempty"`
	Worse     float64 `json:"worse,omitempty"`
	Floor     float64 `json:"floor,omitempty"`
}

type metricChoice struct {
	Method string           `json:"method"`
	Window ripcord.Duration `json:"window,omitempty"`
	Reason string           `json:"reason,omitempty"`
}

type metricFuse struct {
	Off bool `json:"off,omitempty"`
	// Cluster is the longest burst of failures that must not blow it.
	Cluster ripcord.Duration `json:"cluster,omitempty"`
}

type metricGauge struct {
	Tolerance    float64 `json:"tolerance,omitempty"`
	Slack        float64 `json:"slack,omitempty"`
	LowerIsWorse bool    `json:"lower_is_worse,omitempty"`
}

type metricRule struct {
	Max      *float64 `json:"max,omitempty"`
	Min      *float64 `json:"min,omitempty"`
	Against  string   `json:"against,omitempty"`
	Breaches int      `json:"breaches,omitempty"`
	Of       int      `json:"of,omitempty"`
	Action   string   `json:"action,omitempty"`
}

type metricPolicy struct {
	Do    string           `json:"do"`
	After ripcord.Duration `json:"after,omitempty"`
}

// metricSystem is one entry of `metrics`: a system that knows metrics.
type metricSystem struct {
	kind     string
	settings map[string]any
}

// balancerMetrics are those that a balancer counts by itself.
func balancerMetrics() []string { return []string{"errors", "latency"} }

// readAnalyze reads `analyze`: names of metrics, or maps.
func (d *decoder) readAnalyze(n *node) []*metricSettings {
	metrics := []*metricSettings{}
	names := map[string]bool{}
	for _, item := range listOf(n) {
		m := &metricSettings{}
		if item.kind == mapNode {
			d.readMetric(m, item)
		} else if m.Name = d.filled(item, "a metric"); m.Name != "" && !slices.Contains(balancerMetrics(), m.Name) {
			d.add(item.at, firstLine(item), d.didYouMean(m.Name, balancerMetrics(), "the balancer counts:")+"; for others write {metric: NAME, source: NAME, ...}",
				"the balancer knows no metric %q", short(m.Name))
		}
		if names[m.Name] && m.Name != "" {
			d.add(item.at, 1, "give it another name", "the metric %s is judged twice", m.Name)
		}
		names[m.Name] = true
		metrics = append(metrics, m)
	}
	return metrics
}

// readMetric reads one metric.
func (d *decoder) readMetric(m *metricSettings, n *node) {
	m.Settings = map[string]any{}
	d.side = true
	defer func() { d.side = false }()
	query := func(key string) func(*node) { return func(n *node) { m.Settings[key] = d.filled(n, key) } }
	number := func(into **float64, key string) func(*node) {
		return func(n *node) { v := d.number(n, key); *into = &v }
	}
	limits := &metricLimits{}
	gauge := &metricGauge{}
	d.object(n, "metric", "a metric", fields{
		"metric":         func(n *node) { m.Name = d.filled(n, "metric") },
		"source":         func(n *node) { d.metricSource(m, n) },
		"requests":       query("requests"),
		"failures":       query("failures"),
		"buckets":        query("buckets"),
		"value":          query("value"),
		"max":            number(&m.rule.Max, "max"),
		"min":            number(&m.rule.Min, "min"),
		"against":        func(n *node) { m.rule.Against = d.word(n, "against", "ratio", "difference") },
		"breaches":       func(n *node) { m.rule.Breaches = d.integer(n, "breaches", 1, 64) },
		"of":             func(n *node) { m.rule.Of = d.integer(n, "of", 1, 64) },
		"action":         func(n *node) { m.Action = d.word(n, "action", "fail", "warn") },
		"weight":         func(n *node) { m.Weight = d.number(n, "weight") },
		"tolerance":      func(n *node) { v := d.growth(n, "tolerance"); m.share = &v },
		"worse":          func(n *node) { limits.Worse = 1 + d.growth(n, "worse") },
		"floor":          func(n *node) { limits.Floor = d.ratio(n, "floor") },
		"slack":          func(n *node) { m.slack = d.number(n, "slack") },
		"lower_is_worse": func(n *node) { gauge.LowerIsWorse = d.boolean(n, "lower_is_worse") },
		"method":         func(n *node) { m.method = d.word(n, "method", "counts", "fractions") },
		"window":         func(n *node) { m.window = d.positive(n, "window") },
		"fuse":           func(n *node) { m.Fuse = d.readFuse(n) },
		"no_data":        func(n *node) { m.NoData = d.readPolicy(n, "no_data") },
		"error":          func(n *node) { m.Error = d.readPolicy(n, "error") },
	})
	d.missing(n, "metric", "add `metric: errors`", "the metric has no name")
	m.Limits, m.Gauge = limits, gauge
	d.completeMetric(m, n)
}

// completeMetric finds out what kind of metric it is.
func (d *decoder) completeMetric(m *metricSettings, n *node) {
	has := func(key string) bool { return n.field(key) != nil }
	builtIn := !has("source") && slices.Contains(balancerMetrics(), m.Name)
	switch {
	case has("max") || has("min"):
		m.Kind = "threshold"
		m.rule.Action, m.Rules = m.Action, []*metricRule{&m.rule}
		m.Action = ""
	case builtIn && m.Name == "latency", has("buckets"):
		m.Kind = "latency"
	case has("value"):
		m.Kind = "gauge"
	default:
		m.Kind = "errors"
	}
	switch {
	case builtIn:
	case !has("source"):
		d.missing(n, "source", "add `source: NAME` with a name from `metrics:`, or judge by one that the balancer counts: "+join(balancerMetrics()), "the metric %s does not say where it is read", m.Name)
	case m.Kind == "errors" && (!has("requests") || !has("failures")):
		d.add(n.at, 1, "add `requests:` and `failures:`, or `buckets:`, or `value:`", "the metric %s does not say what is read", m.Name)
	case has("value") && (has("requests") || has("failures") || has("buckets")):
		d.add(n.at, 1, "give either counters (requests, failures, buckets) or value", "the metric %s is a value and counters", m.Name)
	case m.Name != "" && m.Source != "" && (m.Kind == "gauge" || m.rule.Against != "") && !m.tellsApart():
		d.add(n.at, 1, `tell the versions apart, for example with {instance=~"${side.instances}"}`, "the metric %s is the same for both versions, so that no difference could ever be seen", m.Name)
	}
	if m.Fuse != nil && m.Kind != "errors" {
		d.add(n.field("fuse").at, 1, "leave fuse out", "the metric %s is none of failures, and has no fuse", m.Name)
	}
	d.placeLimits(m)
}

// tellsApart reports whether anything that is asked differs between the versions.
func (m *metricSettings) tellsApart() bool {
	return strings.Contains(fmt.Sprint(m.Settings), "${side.")
}

// placeLimits puts the limits where the kind has them.
func (d *decoder) placeLimits(m *metricSettings) {
	if m.Kind == "gauge" {
		m.Limits = nil
		if m.Gauge == nil {
			m.Gauge = &metricGauge{}
		}
		m.Gauge.Slack = m.slack
		if m.share != nil {
			m.Gauge.Tolerance = *m.share
			if *m.share == 0 {
				m.Gauge.Tolerance = -1 // none: zero is the default
			}
		}
		return
	}
	m.Gauge = nil
	if m.Kind == "threshold" {
		m.Limits = nil
		return
	}
	if m.share != nil {
		m.Limits.Tolerance = 1 + *m.share
	}
	if m.method == "" && m.window == 0 {
		return
	}
	m.Choice = &metricChoice{Method: "fractions", Window: m.window, Reason: "the plan file says so"}
	if m.method == "counts" {
		m.Choice = &metricChoice{Method: "counts", Reason: "the plan file says so"}
	} else if m.window == 0 {
		m.Choice.Window = seconds(30)
	}
}

// readFuse reads whether there is a fuse beside the windows, as there is by default,
// and how long a burst it must hold.
func (d *decoder) readFuse(n *node) *metricFuse {
	if n.kind == mapNode {
		f := &metricFuse{}
		d.object(n, "fuse", "a fuse", fields{
			"cluster": func(n *node) {
				f.Cluster = d.positive(n, "cluster")
				if f.Cluster > 0 && (f.Cluster < seconds(1) || f.Cluster > seconds(3600)) {
					d.add(n.at, n.width(), "write how long failures follow one another at most, 1s to 1h, for example 5s", "a burst of %s", f.Cluster)
				}
			},
		})
		return f
	}
	if d.boolean(n, "fuse") {
		return nil
	}
	return &metricFuse{Off: true}
}

// readPolicy reads what happens when a metric is silent.
func (d *decoder) readPolicy(n *node, what string) *metricPolicy {
	p := &metricPolicy{}
	if n.kind != mapNode {
		p.Do = d.word(n, what, "hold", "continue", "fail")
		return p
	}
	d.object(n, "policy", what, fields{
		"do":    func(n *node) { p.Do = d.word(n, "do", "hold", "continue", "fail") },
		"after": func(n *node) { p.After = d.positive(n, "after") },
	})
	d.missing(n, "do", "add `do: hold`", "%s does not say what to do", what)
	return p
}

// metricSource reads the name of an entry of `metrics`.
func (d *decoder) metricSource(m *metricSettings, n *node) {
	name := d.filled(n, "source")
	of := d.sources[name]
	if of == nil {
		if name != "" && !d.sourceless[name] {
			d.add(n.at, firstLine(n), d.didYouMean(name, sorted(slices.Collect(maps.Keys(d.sources))), "metrics are:"), "there is no entry %q below metrics", short(name))
		}
		return
	}
	m.Source = of.kind
	maps.Copy(m.Settings, of.settings)
}

// readSources reads `metrics`: systems that know metrics, by name.
func (d *decoder) readSources(n *node) {
	kinds := []string{"prometheus", "http"}
	if d.shapes != nil {
		d.shapes["metric_source"] = sorted(slices.Clone(kinds))
	}
	d.names(n, "metrics", func(name string, value *node) {
		d.sourceless[name] = true
		f := d.only(value, "the metric source "+name, kinds, []string{"azure_monitor", "datadog", "cloudwatch", "influx"})
		if f == nil {
			return
		}
		s := &metricSystem{kind: f.key, settings: map[string]any{}}
		d.side = true
		defer func() { d.side = false }()
		if f.value.kind != mapNode {
			s.settings["url"] = d.url(f.value, f.key)
		} else {
			d.object(f.value, "source", "a metric source", fields{
				"url":     func(n *node) { s.settings["url"] = d.url(n, "url") },
				"headers": func(n *node) { s.settings["headers"] = d.pairs(n, "headers") },
				"timeout": func(n *node) { s.settings["timeout"] = d.positive(n, "timeout") },
			})
			d.missing(f.value, "url", "add `url: http://127.0.0.1:9090`", "the metric source %s has no url", name)
		}
		d.sources[name] = s
	})
}

// url reads an address of HTTP.
func (d *decoder) url(n *node, what string) string {
	text := d.filled(n, what)
	if text != "" && !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "${") {
		d.add(n.at, firstLine(n), "write http://HOST:PORT, for example http://127.0.0.1:9090", "%s %q is no address", what, short(text))
	}
	return text
}

// number reads a number.
func (d *decoder) number(n *node, what string) float64 {
	value, ok := d.float(n)
	if !ok {
		d.wrong(n, what, "a number", "100")
	}
	return value
}

// growth reads by how much more something may be: 25% or 0.25.
func (d *decoder) growth(n *node, what string) float64 {
	value, ok := d.float(n)
	if !ok || value < 0 || value > 100 {
		d.add(n.at, n.width(), "write by how much more, for example 25%", "%s %q is no such share", what, short(n.text))
		return 0
	}
	return value
}

// float reads a number, or a percentage as a share.
func (d *decoder) float(n *node) (float64, bool) {
	if n.kind != textNode && n.kind != numberNode {
		return 0, false
	}
	digits, isPercent := strings.CutSuffix(strings.TrimSpace(d.expand(n, false)), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if isPercent {
		value /= 100
	}
	return value, err == nil && !math.IsNaN(value) && !math.IsInf(value, 0)
}
