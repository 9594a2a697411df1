package planfile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// replacements replaces each deploy step that puts instances in the places of old
// ones by its parts: one for each batch, and before and behind each one that takes
// it out of the balancer's rotation and puts it back. Each part needs the one
// before, so that a bad batch ends the release, and only what was touched goes
// back, newest first, with as few instances unavailable as on the way there.
func (d *decoder) replacements() {
	var steps []*step
	for i, s := range d.steps {
		if s.replacing == nil {
			steps = append(steps, s)
			continue
		}
		d.checkInPlace(s)
		if !s.given { // those of its parts that stand side by side need the same
			if s.given = true; i > 0 {
				s.needs = []reference{{d.steps[i-1].name, s.at}}
			}
		}
		parts, ends := d.batches(s)
		if len(parts) > 1 {
			d.ends[s.name] = ends
		}
		steps = append(steps, parts...)
	}
	d.steps = steps
}

// checkInPlace refuses shifts that would move traffic between versions which are
// not there side by side.
func (d *decoder) checkInPlace(s *step) {
	b := d.balancers[d.services[s.service].balancer]
	shifted := false
	for _, other := range d.steps {
		set, ok := other.settings.(*shiftSettings)
		if !ok || other.service != s.service {
			continue
		}
		shifted = true
		d.watchRoute(set.Colour)
		set.Colour = inPlace
		if len(set.stages) > 0 || set.Weight != nil {
			d.add(other.at, 1, "remove strategy, stages and weight of the shift, or deploy with strategy blue-green",
				"%s is deployed with strategy %s, so that both versions are never there to share the traffic", s.service, s.replacing.strategy)
		}
	}
	if b != nil && !shifted {
		d.add(s.at, 1, "add `- shift: {service: "+s.service+"}` below it", "nothing tells the balancer %s of the instances of %s when they are there for the first time", b.name, s.service)
	}
}

// watchRoute makes a watch judge whichever side has the route, where it judged the
// one of a colour.
func (d *decoder) watchRoute(colour string) {
	for _, s := range d.steps {
		if set, ok := s.settings.(*watchSettings); ok && set.Proxy != nil && set.Proxy.Side == colour {
			set.Proxy.Side = ""
		}
	}
}

// group is what one batch replaces on one machine, "" being this one.
type group struct {
	machine string
	set     *replaceSettings
}

// groups are the batches: instances where the service runs on one machine, else
// whole machines.
func (r *replacing) groups(of *service) [][]group {
	var all [][]group
	if len(of.machines) > 1 {
		for machines := range slices.Chunk(of.machines, r.batch) {
			var batch []group
			for _, machine := range machines {
				batch = append(batch, group{machine, &replaceSettings{}})
			}
			all = append(all, batch)
		}
		return all
	}
	machine := ""
	if len(of.machines) == 1 {
		machine = of.machines[0]
	}
	if r.strategy == recreate {
		return [][]group{{{machine, &replaceSettings{}}}}
	}
	for first := 1; first <= of.settings.Instances; first += r.batch {
		last := min(first+r.batch-1, of.settings.Instances)
		set := &replaceSettings{MaxUnavailable: r.most, Rest: last == of.settings.Instances}
		for n := first; n <= last; n++ {
			set.Numbers = append(set.Numbers, n)
		}
		all = append(all, []group{{machine, set}})
	}
	return all
}

// batches are the parts of one deploy step, and the last of them.
func (d *decoder) batches(s *step) (parts []*step, ends []string) {
	r, of := s.replacing, d.services[s.service]
	b := d.balancers[of.balancer]
	c := &chain{d: d, of: s}
	groups := r.groups(of)
	var places map[string]string
	if b != nil {
		places = c.look(slices.Concat(groups...))
	}
	for i, batch := range groups {
		name := s.name + "-" + strconv.Itoa(i+1)
		if i > 0 && r.pause > 0 {
			wait := c.add(name+"-pause", "wait", "wait")
			wait.settings, wait.timeout = &waitSettings{For: r.pause}, r.pause+seconds(60)
			wait.retry = ripcord.Retry{Attempts: 1}
		}
		if b != nil {
			c.rotate(name, "drain", b, batch, places)
		}
		c.beside(func(next func()) {
			for _, g := range batch {
				next()
				part := c.add(r.partName(s, name, g.machine, b), s.kind, s.adapter)
				part.settings = replaced(of, g)
				d.parts[s.name] = append(d.parts[s.name], part.name)
			}
		})
		if b != nil {
			c.rotate(name, "ready", b, batch, places)
		}
	}
	return c.steps, c.last
}

// partName names the part that replaces instances: the step's own name, where it is
// the only part.
func (r *replacing) partName(s *step, name, machine string, b *balancer) string {
	switch of := s.machines; {
	case len(of) > 1:
		return s.name + "-" + machine
	case r.strategy == recreate && b == nil:
		return s.name
	}
	return name
}

// replaced are the settings of a part.
func replaced(of *service, g group) any {
	settings := of.settings
	settings.Replace = g.set
	if g.machine != "" {
		return settings.on(g.machine)
	}
	return settings
}

// chain is a row of steps of which each needs the one before.
type chain struct {
	d     *decoder
	of    *step
	steps []*step
	// last are those that the next one needs.
	last []string
}

// beside adds steps that stand side by side: what calls next before each of them
// lets all need the same steps, and what follows need all of them.
func (c *chain) beside(add func(next func())) {
	before := c.last
	var all []string
	add(func() {
		if len(c.steps) > 0 && len(c.last) > 0 && !slices.Equal(c.last, before) {
			all = append(all, c.last...)
		}
		c.last = before
	})
	c.last = append(all, c.last...)
}

// add adds a step like the one that the chain stands for.
func (c *chain) add(name, kind, adapter string) *step {
	part := *c.of
	part.name, part.kind, part.adapter = name, kind, adapter
	if name != c.of.name {
		part.name = c.d.newName(name)
	}
	if len(c.last) > 0 {
		part.given, part.ask, part.needs = true, nil, nil
		for _, name := range c.last {
			part.needs = append(part.needs, reference{name, c.of.at})
		}
	} else if len(c.steps) > 0 { // beside the first one
		part.given, part.ask, part.needs = c.steps[0].given, nil, slices.Clone(c.steps[0].needs)
	}
	c.last = []string{part.name}
	part.machines, part.parallel = nil, 0
	part.replacing, part.uses, part.implied = nil, slices.Clone(c.of.uses), slices.Clone(c.of.implied)
	c.steps = append(c.steps, &part)
	return &part
}

// look adds steps that look where the instances are, one for each machine, and
// returns their names.
func (c *chain) look(groups []group) map[string]string {
	places := map[string]string{}
	c.beside(func(next func()) {
		for _, g := range groups {
			if places[g.machine] != "" {
				continue
			}
			next()
			look := c.add(strings.TrimSuffix(c.of.name+"-places-"+g.machine, "-"), "places", c.of.adapter)
			look.settings = replaced(c.d.services[c.of.service], group{g.machine, &replaceSettings{Look: true}})
			look.retry, look.timeout = ripcord.Retry{Attempts: 1}, seconds(60)
			places[g.machine] = look.name
		}
	})
	return places
}

// rotate adds a step that takes instances out of the balancer's rotation, or puts
// them back, as state says.
func (c *chain) rotate(name, state string, b *balancer, batch []group, places map[string]string) {
	part := c.add(name+"-"+state, state, b.kind)
	r, of := c.of.replacing, c.d.services[c.of.service]
	set := &shiftSettings{DrainTimeout: r.drain, ReadyTimeout: r.readyTimeout}
	c.d.shiftBalancer(set, of, c.of.body)
	set.Service, set.State = c.of.service, state
	var members []string
	for _, g := range batch {
		output := func(what string) string { return "${steps." + places[g.machine] + ".outputs.address_" + what + "}" }
		for n := 1; n <= of.settings.Instances; n++ {
			if len(g.set.Numbers) == 0 || slices.Contains(g.set.Numbers, n) {
				members = append(members, output(strconv.Itoa(n)))
			}
		}
		if state == "drain" && (g.set.Rest || len(g.set.Numbers) == 0) {
			members = append(members, output("rest"))
		}
	}
	set.Members = strings.Join(members, ",")
	if state == "drain" && r.strategy == rolling {
		if set.MaxUnavailable = r.most; len(of.machines) > 1 {
			set.MaxUnavailable = r.most * of.settings.Instances
		}
	}
	if b.kind == "proxy" {
		set.Strategy = sideBySide
	}
	part.settings, part.timeout = set, set.DrainTimeout+set.ReadyTimeout+seconds(60)
}
