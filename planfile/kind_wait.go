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
	if n.kind == mapNode {
		d.object(n, "approve", "an approve step", fields{
			"question": func(n *node) { s.ask.Apply = d.question(n, "question") },
		})
	} else if n.kind != nullNode {
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
	if !s.timed {
		s.timeout = *wait + seconds(60)
	}
}

// watchSettings are those of a watch step.
type watchSettings struct {
	For      ripcord.Duration `json:"for"`
	Interval ripcord.Duration `json:"interval"`
	Failures int              `json:"failures"`
	Flapping *flapping        `json:"flapping,omitempty"`
	Checks   []*probeSettings `json:"checks,omitempty"`
	Targets  string           `json:"targets,omitempty"`
	Path     string           `json:"path,omitempty"`
	// Instances are the prefixes, with commas, of the instances that may not crash.
	Instances string      `json:"instances,omitempty"`
	Proxy     *watchProxy `json:"proxy,omitempty"`
}

// watchProxy says which of the proxy's counters are judged, and how.
type watchProxy struct {
	Directory     string  `json:"directory"`
	Side          string  `json:"side"`
	MaxErrorRatio float64 `json:"max_error_ratio"`
	MinRequests   int     `json:"min_requests"`
	// Demanded says that the file names min_requests: fewer fail the watch then.
	Demanded bool `json:"demanded,omitempty"`
}

// readWatch reads a watch step. Without targets it looks at all instances that
// the release deploys.
func (d *decoder) readWatch(s *step, n *node) {
	set := &watchSettings{Interval: seconds(1), Failures: 3}
	proxy := &watchProxy{MaxErrorRatio: .05, MinRequests: 20}
	s.settings = set
	d.readFor(s, &set.For, n, "watch", fields{
		"interval":        func(n *node) { set.Interval = d.positive(n, "interval") },
		"failures":        func(n *node) { set.Failures = d.integer(n, "failures", 1, 1000) },
		"flapping":        func(n *node) { set.Flapping = d.flapping(n) },
		"targets":         func(n *node) { set.Targets = d.filled(n, "targets") },
		"max_error_ratio": func(n *node) { proxy.MaxErrorRatio = d.ratio(n, "max_error_ratio") },
		"min_requests": func(n *node) {
			proxy.MinRequests, proxy.Demanded = d.integer(n, "min_requests", 0, 1_000_000_000), true
		},
		"path": func(n *node) { set.Path = d.urlPath(n, "path") },
		"checks": func(n *node) {
			for _, item := range listOf(n) {
				probe := &probeSettings{AttemptTimeout: seconds(5)}
				set.Checks = append(set.Checks, probe)
				d.readProbe(s, probe, item, false)
			}
		},
	})
	leftOut := d.watchInstances(s, set)
	if set.Targets == "" {
		d.watchDeployed(set)
	}
	d.watchTraffic(set, proxy, n)
	switch {
	case set.Targets != "" || len(set.Checks) > 0 || set.Instances != "":
	case leftOut:
		if s.skip == "" {
			s.skip = "there is nothing to watch in environment " + d.environment
		}
	default:
		d.add(s.at, 1, "add `checks: [http://127.0.0.1:8080/healthz]`, or use wait", "the watch step has nothing to look at")
	}
}

// deployed lists the deploy steps that are executed. It reports whether others
// are left out.
func (d *decoder) deployed() (steps []*step, leftOut bool) {
	for _, s := range d.steps {
		switch {
		case s.kind != "deploy" || d.services[s.service] == nil:
		case s.skip != "":
			leftOut = true
		default:
			steps = append(steps, s)
		}
	}
	return steps, leftOut
}

// watchInstances makes the watch notice crashes of the new instances of each
// service that is deployed and that Ripcord supervises itself; others are asked for
// their health only. It reports whether deploy steps are left out.
func (d *decoder) watchInstances(s *step, set *watchSettings) (leftOut bool) {
	deploys, leftOut := d.deployed()
	prefix := d.application + "/" + d.environment + "/"
	prefixes := make([]string, 0, len(deploys))
	for _, deploy := range deploys {
		if runtime := d.services[deploy.service].runtime; runtime == "" || runtime == "process" {
			prefixes = append(prefixes, prefix+deploy.service+"/"+deploy.output("colour")+"/")
		}
		s.implied = append(s.implied, deploy.name)
	}
	set.Instances = strings.Join(prefixes, ",")
	return leftOut
}

// watchTraffic makes the watch judge the traffic that was shifted first.
func (d *decoder) watchTraffic(set *watchSettings, proxy *watchProxy, n *node) {
	for _, s := range d.steps {
		shift, ok := s.settings.(*shiftSettings)
		if !ok || s.skip != "" || shift.Balancer == "" || s.adapter != "proxy" {
			continue
		}
		if d.options.ProxyDirectory != nil {
			proxy.Directory = d.options.ProxyDirectory(d.application, d.environment, shift.Balancer)
			proxy.Side = shift.Colour
			set.Proxy = proxy
		}
		return
	}
	for _, key := range []string{"max_error_ratio", "min_requests"} {
		if v := n.field(key); v != nil && !slices.ContainsFunc(d.steps, func(s *step) bool { return s.kind == "shift" }) {
			d.add(v.at, v.width(), "remove it, or shift a service in a step above", "%s judges the traffic of a shift step, and there is none", key)
		}
	}
}

// watchDeployed aims the watch at the deployed services. Those that are asked in
// another way than the first become checks of their own.
func (d *decoder) watchDeployed(set *watchSettings) {
	var targets []string
	given := set.Path
	deploys, _ := d.deployed()
	for _, other := range deploys {
		health := d.services[other.service].settings.Health
		probed := slices.ContainsFunc(set.Checks, func(p *probeSettings) bool { return p.Targets == other.output("addresses") })
		if health == nil || probed {
			continue
		}
		probe := &probeSettings{Targets: other.output("addresses"), Path: given, AttemptTimeout: seconds(5)}
		if given == "" {
			health.asked(probe)
		}
		health.lives(probe)
		switch plain := probe.plain(); {
		case plain && len(targets) == 0:
			set.Path = probe.Path
			targets = append(targets, probe.Targets)
		case plain && probe.Path == set.Path:
			targets = append(targets, probe.Targets)
		default:
			set.Checks = append(set.Checks, probe)
		}
	}
	set.Targets = strings.Join(targets, ",")
}

// plain reports whether a path, or none, says all of how targets are asked.
func (p *probeSettings) plain() bool {
	return p.GRPC == nil && p.SQL == nil && p.Command == nil && p.Failures == 0 && p.Flapping == nil
}
