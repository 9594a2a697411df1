package planfile

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// shiftSettings are those of a shift step.
type shiftSettings struct {
	Service      string           `json:"service"`
	Balancer     string           `json:"balancer"`
	Targets      string           `json:"targets"`
	Colour       string           `json:"colour"`
	Health       proxyHealth      `json:"health"`
	DrainTimeout ripcord.Duration `json:"drain_timeout"`
	ReadyTimeout ripcord.Duration `json:"ready_timeout"`
	// Weight is the new side's part of the traffic in percent; nil is all.
	Weight *float64 `json:"weight,omitempty"`
	// Those of the proxy.
	Listen   string         `json:"listen,omitempty"`
	Strategy string         `json:"strategy,omitempty"`
	Limits   map[string]any `json:"limits,omitempty"`
	frontSettings
	// Members are instances that a step takes out of the balancer's rotation or
	// puts back, by State: drain or ready. MaxUnavailable is how many others may
	// be unavailable then.
	Members        string `json:"members,omitempty"`
	State          string `json:"state,omitempty"`
	MaxUnavailable int    `json:"max_unavailable,omitempty"`
	// of are those of another balancer.
	of map[string]any

	// stages make the step a canary, and analysis judges it; nil judges nothing.
	stages   []stage
	analysis *analysisSettings
	// old is the colour of the version before.
	old string
}

// MarshalJSON puts the settings of the balancer beside the others.
func (s *shiftSettings) MarshalJSON() ([]byte, error) {
	type plain shiftSettings
	data, err := json.Marshal((*plain)(s))
	if err != nil || len(s.of) == 0 {
		return data, err
	}
	all := map[string]any{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	maps.Copy(all, s.of)
	return json.Marshal(all)
}

// laterStrategies are known and not available yet.
func laterStrategies() []string { return []string{"linear", "shadow", "ab"} }

// shiftFile is what the file says of a shift beyond the plan.
type shiftFile struct {
	strategy string
	bake     ripcord.Duration
	interval ripcord.Duration
	stages   *node
	analyze  *node
}

// readShift reads a shift step: a service's name, or a map with it.
func (d *decoder) readShift(s *step, n *node) {
	set := &shiftSettings{DrainTimeout: seconds(30), ReadyTimeout: seconds(30)}
	file := shiftFile{strategy: "blue-green", bake: defaultBake, interval: seconds(5)}
	s.settings = set
	service := n
	if n.kind == mapNode {
		service = n.field("service")
		d.object(n, "shift", "a shift step", fields{
			"service":       func(*node) {},
			"strategy":      func(n *node) { file.strategy = d.strategy(n) },
			"weight":        func(n *node) { set.Weight = d.weight(n) },
			"stages":        func(n *node) { file.stages = n },
			"for":           func(n *node) { file.bake = d.positive(n, "for") },
			"analyze":       func(n *node) { file.analyze = n },
			"interval":      func(n *node) { file.interval = d.positive(n, "interval") },
			"drain":         func(n *node) { set.DrainTimeout = d.duration(n, "drain") },
			"ready_timeout": func(n *node) { set.ReadyTimeout = d.positive(n, "ready_timeout") },
		})
		if service == nil {
			d.missing(n, "service", "add `service: NAME`", "the shift step names no service")
			return
		}
	}
	if !s.timed {
		s.timeout = max(s.timeout, set.DrainTimeout+set.ReadyTimeout+seconds(60))
	}
	name, deploy := d.deployOf(s, service, "shift")
	if deploy == nil {
		return
	}
	s.service, set.Service = name, name
	s.needDeploy(d, deploy)
	set.Targets, set.Colour = deploy.output("addresses"), deploy.output("colour")
	if b := d.shiftBalancer(set, d.services[name], service); b != nil {
		s.adapter = b.kind
		if b.kind == "proxy" {
			set.Strategy = file.strategy
		}
		d.readCanary(s, set, deploy, b, n, file)
	}
}

// readCanary reads what only a canary has.
func (d *decoder) readCanary(s *step, set *shiftSettings, deploy *step, b *balancer, n *node, file shiftFile) {
	if file.strategy != "canary" {
		for _, key := range []string{"stages", "for", "analyze", "interval"} {
			if f := n.field(key); f != nil {
				d.add(f.at, f.width(), "add `strategy: canary`, or remove it", "%q is a setting of a canary, and this shift is %s", key, file.strategy)
			}
		}
		return
	}
	if set.Weight != nil {
		d.add(n.field("weight").at, 1, "remove it: the stages say how much", "a canary has stages, not a weight")
	}
	set.stages, set.old = defaultStages(s.at), deploy.output("old_colour")
	if file.stages != nil {
		set.stages = d.readStages(file.stages, file.bake)
	}
	metrics := []*metricSettings{{Name: "errors"}, {Name: "latency"}}
	if file.analyze != nil {
		metrics = d.readAnalyze(file.analyze)
	}
	if len(metrics) == 0 {
		return
	}
	for _, m := range metrics {
		d.balancerMetric(m, b)
	}
	set.analysis = &analysisSettings{
		New:      ripcord.Side{Colour: deploy.output("colour"), Addresses: deploy.output("addresses"), Version: d.version},
		Old:      ripcord.Side{Colour: deploy.output("old_colour"), Addresses: deploy.output("old_addresses"), Version: deploy.output("old_version")},
		Interval: file.interval, Shift: s.name, Metrics: metrics,
	}
	for _, stage := range set.stages {
		set.analysis.Shares = append(set.analysis.Shares, stage.share)
	}
}

// leastLatency is the shortest duration in seconds that a canary's latency is
// judged from: nobody notices less, and a version without customers is always a
// little slower, because its caches and connections are cold.
const leastLatency = .01

// balancerMetric completes a metric that the balancer counts.
func (d *decoder) balancerMetric(m *metricSettings, b *balancer) {
	if m.Source != "" {
		return
	}
	if m.Kind == "" {
		m.Kind = m.Name
	}
	m.Source, m.Settings = b.kind, map[string]any{}
	switch b.kind {
	case "proxy":
		if d.options.ProxyDirectory != nil {
			m.Settings["directory"] = d.options.ProxyDirectory(d.application, d.environment, b.name)
		}
		if m.Kind == "latency" {
			m.Settings["from"] = seconds(leastLatency)
		}
	case "haproxy":
		m.Settings["socket"], m.Settings["backend"] = b.of["socket"], b.of["backend"]
		if m.Kind == "latency" { // it keeps no histogram
			m.Kind, m.Settings["value"] = "gauge", "rtime"
			d.placeLimits(m)
			m.Choice = nil
		}
	case "nginx":
		m.Settings["log"] = b.of["log"]
		if m.Kind == "latency" {
			m.Settings["from"] = seconds(leastLatency)
		}
	}
}

// shiftBalancer fills in the balancer in front of a service.
func (d *decoder) shiftBalancer(set *shiftSettings, of *service, n *node) *balancer {
	if of.balancer == "" {
		d.add(n.at, firstLine(n), "add `balancer: NAME` to the service "+of.name, "the service %s has no balancer whose traffic could be shifted", of.name)
		return nil
	}
	b := d.balancers[of.balancer]
	if b == nil {
		return nil
	}
	set.Balancer, set.Listen, set.Health, set.Limits, set.frontSettings = b.name, b.listen, b.health, b.limits, b.front
	set.of = b.of
	if health := of.settings.Health; health != nil {
		set.Health.HTTP = health.HTTP
	}
	return b
}

// strategy reads how traffic is shifted.
func (d *decoder) strategy(n *node) string {
	if slices.Contains(laterStrategies(), n.text) {
		d.add(n.at, n.width(), "use blue-green or canary", "the strategy %s is not available in this version", n.text)
		return ""
	}
	return d.word(n, "strategy", "blue-green", "canary")
}
