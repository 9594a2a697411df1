package planfile

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// probeSettings are those of a check step, and of a check within a watch step.
type probeSettings struct {
	HTTP           string            `json:"http,omitempty"`
	TCP            string            `json:"tcp,omitempty"`
	Command        []string          `json:"command,omitempty"`
	GRPC           *grpcSettings     `json:"grpc,omitempty"`
	SQL            *sqlSettings      `json:"sql,omitempty"`
	Targets        string            `json:"targets,omitempty"`
	Path           string            `json:"path,omitempty"`
	Status         int               `json:"status,omitempty"`
	Contains       string            `json:"contains,omitempty"`
	Successes      int               `json:"successes,omitempty"`
	Stable         ripcord.Duration  `json:"stable,omitempty"`
	Failures       int               `json:"failures,omitempty"`
	Flapping       *flapping         `json:"flapping,omitempty"`
	Interval       ripcord.Duration  `json:"interval,omitempty"`
	AttemptTimeout ripcord.Duration  `json:"attempt_timeout,omitempty"`
	Directory      string            `json:"directory,omitempty"`
	Environment    map[string]string `json:"environment,omitempty"`
}

// readCheck reads a check step.
func (d *decoder) readCheck(s *step, n *node) {
	set := &probeSettings{Successes: 3, Interval: seconds(1), AttemptTimeout: seconds(5)}
	s.settings = set
	d.readProbe(s, set, n, true)
}

// readProbe reads one probe: an address, a command, or a map.
func (d *decoder) readProbe(s *step, set *probeSettings, n *node, repeated bool) {
	if n.kind != mapNode {
		d.shortProbe(set, n)
		return
	}
	known := fields{
		"http":            func(n *node) { set.HTTP = d.probeURL(n) },
		"tcp":             func(n *node) { set.TCP = d.probeAddress(n) },
		"command":         func(n *node) { set.Command = d.command(n, "command") },
		"grpc":            func(n *node) { set.GRPC = d.grpc(n, true) },
		"sql":             func(n *node) { set.SQL = d.sql(n) },
		"service":         func(n *node) { d.probeService(s, set, n) },
		"targets":         func(n *node) { set.Targets = d.filled(n, "targets") },
		"path":            func(n *node) { set.Path = d.urlPath(n, "path") },
		"status":          func(n *node) { set.Status = d.integer(n, "status", 100, 599) },
		"contains":        func(n *node) { set.Contains = d.filled(n, "contains") },
		"attempt_timeout": func(n *node) { set.AttemptTimeout = d.positive(n, "attempt_timeout") },
		"directory":       func(n *node) { set.Directory = d.filled(n, "directory") },
		"environment":     func(n *node) { set.Environment = d.environmentOf(n) },
	}
	shape, what := "watch_check", "a check of watch"
	if repeated {
		shape, what = "check", "a check step"
		known["successes"] = func(n *node) { set.Successes = d.integer(n, "successes", 1, 1000) }
		known["stable"] = func(n *node) { set.Stable = d.duration(n, "stable") }
		known["flapping"] = func(n *node) { set.Flapping = d.flapping(n) }
		known["depends_on"] = func(n *node) {
			s.dependsOn = d.readDependsOn(n)
			d.checkDependsOn(s.dependsOn, "the check", "")
		}
		known["interval"] = func(n *node) { set.Interval = d.positive(n, "interval") }
	}
	if d.object(n, shape, what, known) {
		d.checkProbe(n, what)
	}
}

// checkProbe reports settings that do not go together.
func (d *decoder) checkProbe(n *node, what string) {
	var found []string
	for _, key := range []string{"http", "tcp", "grpc", "sql", "command", "service", "targets"} {
		if v := n.field(key); v != nil {
			if len(found) == 1 {
				d.add(v.at, v.width(), "make two checks, or keep one", "%s looks at one thing; this one has %s and %s", what, found[0], key)
			}
			found = append(found, key)
		}
	}
	if len(found) == 0 && len(d.misspelt[n]) > 0 {
		return
	}
	if len(found) == 0 {
		d.add(n.at, 1, "add one of: http, tcp, grpc, sql, command, service, targets", "%s has nothing to look at", what)
		return
	}
	d.checkProbeExtras(n, found[0])
}

// checkProbeExtras reports settings that are for other probes.
func (d *decoder) checkProbeExtras(n *node, subject string) {
	for key, subjects := range map[string][]string{
		"status": {"http", "service", "targets"}, "contains": {"http", "service", "targets"}, "path": {"service", "targets"},
		"directory": {"command"}, "environment": {"command"},
	} {
		if v := n.field(key); v != nil && !slices.Contains(subjects, subject) {
			d.add(v.at, v.width(), "remove it; it goes with "+strings.Join(subjects, ", "), "%s is not for %s", key, subject)
		}
	}
}

// shortProbe reads a URL, host:port or command.
func (d *decoder) shortProbe(set *probeSettings, n *node) {
	switch {
	case n.kind == textNode && (strings.HasPrefix(n.text, "http://") || strings.HasPrefix(n.text, "https://")):
		set.HTTP = d.probeURL(n)
	case n.kind == textNode && regexp.MustCompile(`^[A-Za-z0-9.\[\]:-]+:\d+$`).MatchString(n.text):
		set.TCP = d.probeAddress(n)
	default:
		set.Command = d.command(n, "check")
	}
}

// probeURL reads an http address.
func (d *decoder) probeURL(n *node) string {
	text := d.filled(n, "http")
	if text != "" && !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "${") {
		d.add(n.at, firstLine(n), "write a whole address, for example http://127.0.0.1:8080/healthz", "http %q is no address", short(text))
	}
	return text
}

// probeAddress reads host:port.
func (d *decoder) probeAddress(n *node) string { return d.hostPort(n, "tcp", "127.0.0.1:5432") }

// probeService aims a probe at the instances that this release deploys.
func (d *decoder) probeService(s *step, set *probeSettings, n *node) {
	name, deploy := d.deployOf(s, n, s.kind)
	if deploy == nil {
		return
	}
	set.Targets = deploy.output("addresses")
	s.asks = append(s.asks, name)
	if health := d.services[name].settings.Health; set.Path == "" && health != nil {
		health.asked(set)
	}
	s.needDeploy(d, deploy)
}

// output is the reference to one of a step's outputs.
func (s *step) output(key string) string { return "${steps." + s.name + ".outputs." + key + "}" }

// needDeploy makes s need a deploy step; where that one is left out, so is s.
func (s *step) needDeploy(d *decoder, deploy *step) {
	s.implied = append(s.implied, deploy.name)
	if deploy.skip != "" && s.skip == "" {
		d.add(s.at, 1, "give both steps the same `when`", "the step %s needs %s, which is left out in environment %s", s.name, deploy.name, d.environment)
	}
}

// serviceName reads the name of a service that exists.
func (d *decoder) serviceName(n *node) string {
	name := d.filled(n, "service")
	if name != "" && d.services[name] == nil {
		d.add(n.at, firstLine(n), d.didYouMean(name, sorted(slices.Collect(maps.Keys(d.services))), "services are:"), "there is no service %q", short(name))
		return ""
	}
	return name
}

// deployOf finds the deploy step of a service above step s.
func (d *decoder) deployOf(s *step, n *node, what string) (string, *step) {
	name := d.serviceName(n)
	if name == "" {
		return "", nil
	}
	for _, other := range d.steps {
		if other == s {
			break
		}
		if other.kind == "deploy" && other.service == name {
			return name, other
		}
	}
	d.add(n.at, firstLine(n), "add `- deploy: {service: "+name+"}` above it", "no step above this %s deploys the service %s", what, name)
	return "", nil
}

// cutLast cuts text around the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}
