package planfile

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// dependency is one that a step's services need.
type dependency struct {
	name string
	// of is the service that needs it.
	of    string
	probe *dependencyProbe
}

// dependencyProbe asks a dependency a few times, quickly: a step that has failed
// waits for the answer.
type dependencyProbe struct {
	*probeSettings
	// Instances is the prefix of the instances that are asked, whatever their
	// addresses are by then.
	Instances string `json:"instances,omitempty"`
}

// readDependsOn reads names of services and databases.
func (d *decoder) readDependsOn(n *node) []reference {
	var all []reference
	for _, item := range listOf(n) {
		all = append(all, reference{d.filled(item, "depends_on"), item.at})
	}
	return all
}

// checkDependsOn reports names that nothing has; who names them, for people.
func (d *decoder) checkDependsOn(all []reference, who, self string) {
	var known []string
	for name := range d.services {
		known = append(known, name)
	}
	for name := range d.databases {
		known = append(known, name)
	}
	for _, r := range all {
		switch {
		case r.name == "":
		case r.name == self:
			d.add(r.at, len(r.name), "remove it", "%s depends on itself", who)
		case !slices.Contains(known, r.name):
			others := slices.DeleteFunc(sorted(slices.Clone(known)), func(name string) bool { return name == self })
			d.add(r.at, len(r.name), d.didYouMean(r.name, others, "services and databases are:"), "there is no service or database %q", short(r.name))
		}
	}
}

// checkServiceCircles reports services that depend on one another in a circle:
// none of them could be deployed first.
func (d *decoder) checkServiceCircles(names []string) {
	done := map[string]bool{}
	var path []string
	var visit func(name string) bool
	visit = func(name string) bool {
		path = append(path, name)
		for _, r := range d.services[name].dependsOn {
			if r.name == name || d.services[r.name] == nil || done[r.name] {
				continue
			}
			if at := slices.Index(path, r.name); at >= 0 {
				circle := append(slices.Clone(path[at:]), r.name)
				d.add(r.at, len(r.name), "remove one of them: what starts first cannot need what starts after it", "services depend on one another in a circle: %s", strings.Join(circle, " -> "))
				d.circular = true
				return false
			}
			if !visit(r.name) {
				return false
			}
		}
		path = path[:len(path)-1]
		done[name] = true
		return true
	}
	for _, name := range names {
		if !done[name] && !visit(name) {
			return
		}
	}
}

// addDependencies finds what the steps' services need.
func (d *decoder) addDependencies() {
	if d.circular {
		return
	}
	for _, s := range d.steps {
		services := slices.Clone(s.asks)
		seen := map[string]bool{}
		switch {
		case s.kind == "watch":
			deploys, _ := d.deployed()
			for _, deploy := range deploys {
				services = append(services, deploy.service)
				seen[deploy.service] = true // it is watched itself
			}
		case s.service != "":
			services = append(services, s.service)
		}
		for _, r := range s.dependsOn {
			d.dependOn(s, r.name, s.name, seen)
		}
		for _, name := range services {
			d.dependenciesOf(s, name, seen)
		}
	}
}

// dependenciesOf adds what a service needs, what lies deepest first: that is the
// cause where several do not answer.
func (d *decoder) dependenciesOf(s *step, name string, seen map[string]bool) {
	of := d.services[name]
	if of == nil {
		return
	}
	for _, r := range of.dependsOn {
		d.dependOn(s, r.name, name, seen)
	}
}

func (d *decoder) dependOn(s *step, name, of string, seen map[string]bool) {
	if seen[name] {
		return
	}
	seen[name] = true
	d.dependenciesOf(s, name, seen)
	if probe := d.dependencyProbe(s, name); probe != nil {
		s.dependencies = append(s.dependencies, dependency{name, of, probe})
	}
}

// dependencyProbe says how a dependency is asked; nil where nobody could.
func (d *decoder) dependencyProbe(s *step, name string) *dependencyProbe {
	probe := &dependencyProbe{probeSettings: &probeSettings{Successes: 1, Interval: seconds(.5), AttemptTimeout: seconds(2)}}
	if of := d.databases[name]; of != nil {
		if of.url == "" {
			return nil
		}
		for secret := range of.wanted {
			d.wanted[secret] = true
		}
		probe.SQL = &sqlSettings{URL: of.url, Driver: of.kind}
		return probe
	}
	of := d.services[name]
	if of == nil || of.settings.Health == nil {
		return nil
	}
	of.settings.Health.asked(probe.probeSettings)
	for _, deploy := range d.steps {
		if deploy.kind == "deploy" && deploy.service == name && deploy.skip == "" {
			if !slices.Contains(s.implied, deploy.name) && !slices.ContainsFunc(s.needs, func(r reference) bool { return r.name == deploy.name }) && !d.before(deploy, s) {
				return nil
			}
			probe.Targets = deploy.output("addresses")
			return probe
		}
	}
	if of.runtime != "" && of.runtime != "process" {
		return nil
	}
	probe.Instances = d.application + "/" + d.environment + "/" + name + "/"
	return probe
}

// before reports whether a step stands above another.
func (d *decoder) before(first, second *step) bool {
	return slices.Index(d.steps, first) < slices.Index(d.steps, second)
}

// spec is the dependency as the plan holds it.
func (p *dependency) spec() (ripcord.Dependency, error) {
	settings, err := json.Marshal(p.probe)
	return ripcord.Dependency{Name: p.name, Of: p.of, Adapter: "probe", Settings: settings}, err
}
