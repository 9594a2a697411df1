package planfile

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// service is one entry of `services`.
type service struct {
	name      string
	at        position
	settings  deploySettings
	balancer  string
	runtime   string
	dependsOn []reference
	// machines are the other ones that it runs on, and machinesAt says where the file
	// names them.
	machines   []string
	machinesAt *node
	// uses are the outputs of steps that its command and environment name.
	uses []use
}

// reference is a name in the file that must exist.
type reference struct {
	name string
	at   position
}

// deploySettings are those of a deploy step.
type deploySettings struct {
	Service     string            `json:"service"`
	Command     []string          `json:"command"`
	Instances   int               `json:"instances"`
	Directory   string            `json:"directory,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	User        string            `json:"user,omitempty"`
	Health      *serviceHealth    `json:"health,omitempty"`
	Grace       ripcord.Duration  `json:"grace"`
	Artifact    []string          `json:"artifact,omitempty"`
	Ports       string            `json:"ports,omitempty"`
	Restart     string            `json:"restart,omitempty"`
	Limits      *serviceLimits    `json:"limits,omitempty"`
	machineSettings
	Replace *replaceSettings `json:"replace,omitempty"`
	containerSettings
}

// readServices reads `services`.
func (d *decoder) readServices(n *node) {
	d.names(n, "services", func(name string, value *node) {
		s := &service{name: name, at: value.at, settings: deploySettings{Service: name, Instances: 1, Grace: seconds(10)}}
		d.services[name] = s
		d.uses = &s.uses
		d.readService(s, value)
		d.uses = nil
	})
	names := sorted(slices.Collect(maps.Keys(d.services)))
	for _, name := range names {
		d.checkDependsOn(d.services[name].dependsOn, "the service "+name, name)
	}
	d.checkServiceCircles(names)
}

func (d *decoder) readService(s *service, n *node) {
	var command *node
	all := d.containerFields(&s.settings.containerSettings)
	maps.Copy(all, fields{
		"runtime": func(n *node) { s.runtime = d.runtime(n) },
		"command": func(n *node) {
			command = n
			d.instance = true
			s.settings.Command = d.command(n, "command")
			d.instance = false
		},
		"instances": func(n *node) { s.settings.Instances = d.integer(n, "instances", 1, 100) },
		"directory": func(n *node) { s.settings.Directory = d.filled(n, "directory") },
		"environment": func(n *node) {
			d.instance = true
			s.settings.Environment = d.environmentOf(n)
			d.instance = false
		},
		"user":       func(n *node) { s.settings.User = d.filled(n, "user") },
		"health":     func(n *node) { s.settings.Health = d.health(n) },
		"balancer":   func(n *node) { s.balancer = d.balancerName(n) },
		"depends_on": func(n *node) { s.dependsOn = d.readDependsOn(n) },
		"artifact": func(n *node) {
			for _, item := range listOf(n) {
				s.settings.Artifact = append(s.settings.Artifact, d.inside(item, "artifact"))
			}
		},
		"grace": func(n *node) { s.settings.Grace = d.duration(n, "grace") },
		"ports": func(n *node) { s.settings.Ports = d.ports(n) },
		"restart": func(n *node) {
			s.settings.Restart = d.word(n, "restart", "always", "on-failure", "no", "unless-stopped")
		},
		"limits":   func(n *node) { s.settings.Limits = d.limits(n) },
		"machines": func(n *node) { d.readServiceMachines(s, n) },
	})
	ok := d.object(n, "service", "a service", all)
	d.checkRuntime(s, n)
	d.checkServiceMachines(s)
	if ok && command == nil && s.runtime != "docker" {
		d.missing(n, "command", "add `command: [./bin/"+s.name+", --listen, \"${instance.address}\"]`", "the service %s has no command", s.name)
	}
	if command != nil && command.kind == textNode {
		d.checkKept(s, command)
	}
	if s.settings.Health == nil && (s.balancer != "" || s.reachable()) {
		s.settings.Health = defaultHealth()
		s.settings.Health.TCP = true
	}
}

// checkKept refuses shell text that runs an artifact where it lies: the next
// version overwrites it there, and going back would start that one again. In a
// list the kept copy is found by itself.
func (d *decoder) checkKept(s *service, command *node) {
	if strings.Contains(command.text, "${release.directory}") {
		return
	}
	for _, artifact := range s.settings.Artifact {
		if name := strings.TrimPrefix(artifact, "./"); name != "" && name != "." && strings.Contains(command.text, name) {
			d.add(command.at, firstLine(command), "write ${release.directory}/"+name+", or write the command as a list",
				"the shell would run %s where the next release overwrites it, not what is kept for this one", name)
			return
		}
	}
}

// reachable reports whether the service is told an address of its own.
func (s *service) reachable() bool {
	has := func(text string) bool {
		return strings.Contains(text, "${instance.address}") || strings.Contains(text, "${instance.port}")
	}
	if slices.ContainsFunc(s.settings.Command, has) {
		return true
	}
	for _, value := range s.settings.Environment {
		if has(value) {
			return true
		}
	}
	return false
}

// balancerName reads the name of a balancer.
func (d *decoder) balancerName(n *node) string {
	name := d.filled(n, "balancer")
	if name != "" && d.balancers[name] == nil {
		d.add(n.at, firstLine(n), d.didYouMean(name, sorted(slices.Collect(maps.Keys(d.balancers))), "balancers are:"),
			"there is no balancer %q", short(name))
	}
	return name
}

// urlPath reads the path of an address, "/healthz".
func (d *decoder) urlPath(n *node, what string) string {
	path := d.filled(n, what)
	if path != "" && !strings.HasPrefix(path, "/") {
		d.add(n.at, firstLine(n), "write a path that starts with \"/\", for example /healthz", "%s %q is no path", what, short(path))
	}
	return path
}

// ports reads a range of ports.
func (d *decoder) ports(n *node) string {
	text := d.filled(n, "ports")
	m := regexp.MustCompile(`^(\d{1,5})-(\d{1,5})$`).FindStringSubmatch(text)
	if text != "" && (m == nil || !portRange(m[1], m[2])) {
		d.add(n.at, firstLine(n), "write FIRST-LAST within 1-65535, for example 20000-29999", "ports %q is no range of ports", short(text))
	}
	return text
}

// listOf returns a list's items, or the single value as a list.
func listOf(n *node) []*node {
	if n.kind == listNode {
		return n.items
	}
	return []*node{n}
}
