package planfile

import (
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// readApprove reads an approve step: a question, or a map with one.
func (d *decoder) readApprove(s *step, n *node) {
	s.settings = struct{}{}
	s.ask = &ripcord.Ask{Apply: "Approve " + strings.TrimSpace(d.application+" "+d.version) + " in " + d.environment + "?"}
	switch n.kind {
	case nullNode:
	case mapNode:
		d.object(n, "approve", "an approve step", fields{
			"question": func(n *node) { s.ask.Apply = d.question(n, "question") },
		})
	default:
		s.ask.Apply = d.question(n, "approve")
	}
}

// waitSettings are those of a wait step.
type waitSettings struct {
	For ripcord.Duration `json:"for"`
}

// readWait reads a wait step: a duration, or a map with one.
func (d *decoder) readWait(s *step, n *node) {
	set := &waitSettings{}
	s.settings = set
	d.readFor(s, &set.For, n, "wait", fields{})
}

// readFor reads the duration of wait and watch, and sets their time-out.
func (d *decoder) readFor(s *step, wait *ripcord.Duration, n *node, what string, known fields) {
	known["for"] = func(n *node) { *wait = d.positive(n, "for") }
	if n.kind == mapNode {
		d.object(n, what, "a "+what+" step", known)
		d.missing(n, "for", "add `for: 10m`", "the %s step does not say how long", what)
	} else {
		*wait = d.positive(n, what)
	}
	if s.timeout == 0 {
		s.timeout = *wait + seconds(60)
	}
}

// watchSettings are those of a watch step.
type watchSettings struct {
	For      ripcord.Duration `json:"for"`
	Interval ripcord.Duration `json:"interval"`
	Failures int              `json:"failures"`
	Checks   []*probeSettings `json:"checks,omitempty"`
	Targets  string           `json:"targets,omitempty"`
	Path     string           `json:"path,omitempty"`
}

// readWatch reads a watch step. Without targets it looks at all instances that
// the release deploys.
func (d *decoder) readWatch(s *step, n *node) {
	set := &watchSettings{Interval: seconds(1), Failures: 3}
	s.settings = set
	d.readFor(s, &set.For, n, "watch", fields{
		"interval": func(n *node) { set.Interval = d.positive(n, "interval") },
		"failures": func(n *node) { set.Failures = d.integer(n, "failures", 1, 1000) },
		"targets":  func(n *node) { set.Targets = d.filled(n, "targets") },
		"path":     func(n *node) { set.Path = d.urlPath(n, "path") },
		"checks": func(n *node) {
			for _, item := range listOf(n) {
				probe := &probeSettings{AttemptTimeout: seconds(5)}
				set.Checks = append(set.Checks, probe)
				d.readProbe(s, probe, item, false)
			}
		},
	})
	leftOut := false
	if set.Targets == "" {
		leftOut = d.watchDeployed(s, set)
	}
	switch {
	case set.Targets != "" || len(set.Checks) > 0:
	case leftOut:
		if s.skip == "" {
			s.skip = "there is nothing to watch in environment " + d.environment
		}
	default:
		d.add(s.at, 1, "add `checks: [http://127.0.0.1:8080/healthz]`, or use wait", "the watch step has nothing to look at")
	}
}

// watchDeployed aims the watch at the deployed services. Those with another path
// than the first become checks of their own. It reports whether deploy steps are
// left out.
func (d *decoder) watchDeployed(s *step, set *watchSettings) (leftOut bool) {
	var targets []string
	given := set.Path
	for _, other := range d.steps {
		if other.kind != "deploy" || d.services[other.service] == nil || slices.Contains(s.implied, other.name) {
			continue
		}
		health := d.services[other.service].settings.Health
		if other.skip != "" {
			leftOut = true
			continue
		}
		if health == nil {
			continue
		}
		s.implied = append(s.implied, other.name)
		path := health.HTTP
		if given != "" {
			path = given
		}
		switch {
		case len(targets) == 0:
			set.Path = path
			targets = append(targets, other.output("addresses"))
		case path == set.Path:
			targets = append(targets, other.output("addresses"))
		default:
			set.Checks = append(set.Checks, &probeSettings{Targets: other.output("addresses"), Path: path, AttemptTimeout: seconds(5)})
		}
	}
	set.Targets = strings.Join(targets, ",")
	return leftOut
}
