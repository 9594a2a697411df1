package planfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// How a deploy step brings a service's instances about.
const (
	sideBySide = "blue-green"
	recreate   = "recreate"
	rolling    = "rolling"
)

// inPlace names the side of balancers whose instances are replaced where they
// are: there is one only, whatever colour its instances have.
const inPlace = "all"

// replaceSettings are those of a deploy step that puts instances in the places of
// the old ones.
type replaceSettings struct {
	Numbers        []int `json:"numbers,omitempty"`
	Rest           bool  `json:"rest,omitempty"`
	MaxUnavailable int   `json:"max_unavailable,omitempty"`
	Look           bool  `json:"look,omitempty"`
}

// replacing is what the file says of a deploy step with such a strategy.
type replacing struct {
	strategy string
	at       position
	// batch is how many instances are replaced at a time, most how many of them
	// may be unavailable.
	batch, most                int
	pause, drain, readyTimeout ripcord.Duration
}

// amount is a number of instances, or a part of them.
type amount struct {
	of      *node
	number  int
	percent bool
}

// in is the number out of all, rounded down.
func (a *amount) in(all int) int {
	if !a.percent {
		return a.number
	}
	return a.number * all / 100
}

// amount reads 2 or 25%.
func (d *decoder) amount(n *node, what string) *amount {
	text, isShare := strings.CutSuffix(strings.TrimSpace(n.text), "%")
	value, err := strconv.Atoi(text)
	switch {
	case n.kind != numberNode && n.kind != textNode || err != nil:
		d.wrong(n, what, "a number of instances or a part of them", "1 or 25%")
	case isShare && (value < 1 || value > 100):
		d.add(n.at, n.width(), "write a percentage from 1% to 100%, for example 25%", "%s is %s", what, n.text)
	case !isShare && (value < 1 || value > 100):
		d.add(n.at, n.width(), "write a number from 1 to 100", "%s is %s", what, n.text)
	default:
		return &amount{n, value, isShare}
	}
	return nil
}

// deployFile is what the file says of a deploy step beside its service.
type deployFile struct {
	strategy            string
	batch, most         *amount
	pause               ripcord.Duration
	drain, readyTimeout ripcord.Duration
}

// readReplacing completes a deploy step whose instances take the places of the old
// ones.
func (d *decoder) readReplacing(s *step, n *node, of *service, file deployFile) {
	only := []string{"batch", "max_unavailable", "pause"}
	if file.strategy == sideBySide {
		only = append(only, "drain", "ready_timeout")
	}
	for _, key := range only {
		if f := n.field(key); f != nil && file.strategy != rolling && file.strategy != "" {
			d.add(f.at, f.width(), "add `strategy: rolling`, or remove it", "%q is a setting of a rolling deploy, and this one is %s", key, file.strategy)
		}
	}
	if file.strategy != recreate && file.strategy != rolling {
		return
	}
	d.checkDrainer(n, of, file.strategy)
	if of.runtime != "" && !slices.Contains(replacers(), of.runtime) {
		d.add(n.field("strategy").at, 1, "use strategy blue-green", "the runtime %s cannot put instances in the places of others in this version, as strategy %s needs", of.runtime, file.strategy)
	}
	s.replacing = &replacing{strategy: file.strategy, at: n.at, pause: file.pause, drain: file.drain, readyTimeout: file.readyTimeout}
	all, noun := of.settings.Instances, "instances"
	if len(of.machines) > 1 {
		all, noun = len(of.machines), "machines"
	}
	s.replacing.batch = all
	if file.strategy == rolling {
		d.sizeBatches(s, n, of, file, all, noun)
	}
}

// checkDrainer refuses a balancer that cannot do what the strategy needs of it, and
// settings about one where there is none.
func (d *decoder) checkDrainer(n *node, of *service, strategy string) {
	b := d.balancers[of.balancer]
	for _, key := range []string{"drain", "ready_timeout"} {
		if f := n.field(key); f != nil && b == nil {
			d.add(f.at, f.width(), "remove it, or add `balancer: NAME` to the service", "%q is about the balancer, and the service %s has none", key, of.name)
		}
	}
	if b != nil && !slices.Contains(drainers(), b.kind) {
		d.add(n.field("strategy").at, 1, "use strategy blue-green, or put the proxy or HAProxy before "+of.name,
			"the balancer %s is %s, which cannot take single instances out of rotation in this version, as strategy %s needs", b.name, b.kind, strategy)
	}
}

// drainers are the balancers that take single instances out of rotation, and
// replacers the runtimes that replace instances where they are.
func drainers() []string  { return []string{"proxy", "haproxy"} }
func replacers() []string { return []string{"process", "systemd"} }

// sizeBatches finds how many instances are replaced at a time, and refuses what
// leaves none, or changes none.
func (d *decoder) sizeBatches(s *step, n *node, of *service, file deployFile, all int, noun string) {
	r := s.replacing
	r.batch = 1
	if file.batch != nil {
		r.batch = max(1, file.batch.in(all))
	}
	if file.most == nil {
		if r.most = r.batch; r.batch < all {
			return
		}
		at, fix := n.field("strategy").at, fmt.Sprintf("give the service %s more %s, or use strategy recreate", of.name, noun)
		if file.batch != nil {
			at, fix = file.batch.of.at, fmt.Sprintf("write a batch below %d, or use strategy recreate", all)
		}
		if all == 1 {
			fix = fmt.Sprintf("give the service %s more %s, or use strategy recreate", of.name, noun)
		}
		d.add(at, 1, fix+"; `max_unavailable: 100%` says that nobody need answer meanwhile", "a batch of %d holds all %s of %s, so that none would be left to answer", r.batch, noun, of.name)
		return
	}
	if r.most = file.most.in(all); r.most < 1 {
		d.add(file.most.of.at, file.most.of.width(), fmt.Sprintf("write 1, or %d%% at least", (100+all-1)/all),
			"max_unavailable %s of the %d %s of %s is less than one, so that none could be replaced", file.most.of.text, all, noun, of.name)
		return
	}
	if file.batch == nil {
		r.batch = r.most
	}
	if r.batch > r.most && !file.batch.percent {
		d.add(file.batch.of.at, file.batch.of.width(), fmt.Sprintf("write batch: %d at most, or raise max_unavailable", r.most),
			"a batch of %d cannot be replaced while at most %d of the %d %s of %s may be unavailable", r.batch, r.most, all, noun, of.name)
	}
	r.batch, r.most = min(r.batch, r.most, all), min(r.most, all)
}

// replacements replaces each deploy step that puts instances in the places of old
// ones by its parts: one for each batch, and before and behind each one that takes
// it out of the balancer's rotation and puts it back. Each part needs the one
// before, so that a bad batch ends the release, and only what was touched goes
// back, newest first, with as few instances unavailable as on the way there.
func (d *decoder) replacements() {
	var steps []*step
	for _, s := range d.steps {
		if s.replacing == nil {
			steps = append(steps, s)
			continue
		}
		d.checkInPlace(s)
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
