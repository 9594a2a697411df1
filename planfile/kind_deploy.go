package planfile

import (
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// readDeploy reads a deploy step: a service's name, or a map with it.
func (d *decoder) readDeploy(s *step, n *node) {
	name := ""
	if n.kind == mapNode {
		d.object(n, "deploy", "a deploy step", fields{
			"service": func(n *node) { name = d.serviceName(n) },
		})
		d.missing(n, "service", "add `service: NAME`", "the deploy step names no service")
	} else {
		name = d.serviceName(n)
	}
	of := d.services[name]
	if of == nil {
		s.settings = deploySettings{}
		return
	}
	for _, other := range d.steps {
		if other != s && other.kind == "deploy" && other.service == name {
			d.add(s.at, 1, "keep one of them", "the service %s is deployed twice; the first is on line %d", name, other.at.line)
		}
	}
	s.service = name
	s.settings = of.settings
	s.uses = append(s.uses, of.uses...)
	if health := of.settings.Health; health != nil && !s.timed {
		s.timeout = max(s.timeout, ripcord.Duration(of.settings.Instances)*health.StartTimeout+seconds(60))
	}
}

// shiftSettings are those of a shift step.
type shiftSettings struct {
	Service      string           `json:"service"`
	Balancer     string           `json:"balancer"`
	Listen       string           `json:"listen"`
	Strategy     string           `json:"strategy"`
	Targets      string           `json:"targets"`
	Colour       string           `json:"colour"`
	Health       proxyHealth      `json:"health"`
	DrainTimeout ripcord.Duration `json:"drain_timeout"`
	ReadyTimeout ripcord.Duration `json:"ready_timeout"`
	Limits       map[string]any   `json:"limits,omitempty"`
	// Weight is the new side's part of the traffic in percent; nil is all.
	Weight *float64 `json:"weight,omitempty"`
	frontSettings
}

// laterStrategies are known and not available yet.
func laterStrategies() []string { return []string{"canary", "rolling", "linear", "shadow", "ab"} }

// readShift reads a shift step: a service's name, or a map with it.
func (d *decoder) readShift(s *step, n *node) {
	set := &shiftSettings{Strategy: "blue-green", DrainTimeout: seconds(30), ReadyTimeout: seconds(30)}
	s.settings = set
	service := n
	if n.kind == mapNode {
		service = n.field("service")
		kept := withoutLater(d, n, "stages", "analyze")
		d.object(kept, "shift", "a shift step", fields{
			"service":       func(*node) {},
			"strategy":      func(n *node) { set.Strategy = d.strategy(n) },
			"weight":        func(n *node) { set.Weight = d.weight(n) },
			"drain":         func(n *node) { set.DrainTimeout = d.duration(n, "drain") },
			"ready_timeout": func(n *node) { set.ReadyTimeout = d.positive(n, "ready_timeout") },
		})
		if service == nil {
			d.missing(kept, "service", "add `service: NAME`", "the shift step names no service")
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
	d.shiftBalancer(set, d.services[name], service)
}

// shiftBalancer fills in the balancer in front of a service.
func (d *decoder) shiftBalancer(set *shiftSettings, of *service, n *node) {
	if of.balancer == "" {
		d.add(n.at, firstLine(n), "add `balancer: NAME` to the service "+of.name, "the service %s has no balancer whose traffic could be shifted", of.name)
		return
	}
	b := d.balancers[of.balancer]
	if b == nil {
		return
	}
	set.Balancer, set.Listen, set.Health, set.Limits, set.frontSettings = b.name, b.listen, b.health, b.limits, b.front
	if health := of.settings.Health; health != nil {
		set.Health.HTTP = health.HTTP
	}
}

// strategy reads how traffic is shifted.
func (d *decoder) strategy(n *node) string {
	if slices.Contains(laterStrategies(), n.text) {
		d.add(n.at, n.width(), "use blue-green", "the strategy %s is not available in this version", n.text)
		return ""
	}
	return d.word(n, "strategy", "blue-green")
}

// withoutLater reports and removes settings of later versions.
func withoutLater(d *decoder, n *node, keys ...string) *node {
	kept := *n
	kept.fields = nil
	for _, f := range n.fields {
		if slices.Contains(keys, f.key) {
			d.add(f.at, len(f.key), "remove it and use strategy: blue-green", "%q is not available in this version", f.key)
			continue
		}
		kept.fields = append(kept.fields, f)
	}
	return &kept
}
