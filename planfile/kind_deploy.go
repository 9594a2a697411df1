package planfile

import (
	"github.com/ripcord-dev/ripcord"
)

// readDeploy reads a deploy step: a service's name, or a map with it.
func (d *decoder) readDeploy(s *step, n *node) {
	name := ""
	file := deployFile{strategy: sideBySide, drain: seconds(30), readyTimeout: seconds(30)}
	if n.kind == mapNode {
		d.object(n, "deploy", "a deploy step", fields{
			"service":         func(n *node) { name = d.serviceName(n) },
			"strategy":        func(n *node) { file.strategy = d.word(n, "strategy", sideBySide, rolling, recreate) },
			"batch":           func(n *node) { file.batch = d.amount(n, "batch") },
			"max_unavailable": func(n *node) { file.most = d.amount(n, "max_unavailable") },
			"pause":           func(n *node) { file.pause = d.positive(n, "pause") },
			"drain":           func(n *node) { file.drain = d.duration(n, "drain") },
			"ready_timeout":   func(n *node) { file.readyTimeout = d.positive(n, "ready_timeout") },
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
	if of.runtime != "" {
		s.adapter = of.runtime
	}
	d.deployOn(s, of)
	s.uses = append(s.uses, of.uses...)
	if health := of.settings.Health; health != nil && !s.timed {
		s.timeout = max(s.timeout, ripcord.Duration(of.settings.Instances)*health.StartTimeout+seconds(60))
	}
	d.readReplacing(s, n, of, file)
}
