package planfile

import (
	"slices"
	"strings"
)

// maxSpread is how many steps a release may have when each that works on several
// machines counts once for each.
const maxSpread = 2000

// onMachine are settings of a step that can be carried out on another machine.
type onMachine interface {
	// on returns a copy of the settings for one machine.
	on(machine string) any
}

// spread replaces each step on several machines by one for each, named
// STEP-MACHINE, so that each goes forward and back for itself. What needs the step
// needs all of them; its outputs are joined in the order of the machines.
func (d *decoder) spread() {
	parts := d.parts
	var steps []*step
	for i, s := range d.steps {
		if !s.given && i > 0 && (len(s.machines) > 1 || len(d.steps[i-1].machines) > 1) {
			s.given, s.needs = true, []reference{{d.steps[i-1].name, s.at}}
		}
		if len(s.machines) < 2 {
			steps = append(steps, s)
			continue
		}
		for at, machine := range s.machines {
			part := *s
			part.given = true // the one above is another part, which it does not need
			part.name, part.machines = d.newName(s.name+"-"+machine), nil
			part.needs, part.uses, part.implied = slices.Clone(s.needs), slices.Clone(s.uses), slices.Clone(s.implied)
			if settings, ok := s.settings.(onMachine); ok {
				part.settings = settings.on(machine)
			}
			if s.parallel > 0 && at >= s.parallel {
				part.needs = append(part.needs, reference{parts[s.name][at-s.parallel], s.at})
			}
			parts[s.name] = append(parts[s.name], part.name)
			steps = append(steps, &part)
		}
	}
	if len(parts) == 0 {
		return
	}
	if len(steps) > maxSpread {
		d.add(d.steps[0].at, 1, "name fewer machines, or split the file", "on all of their machines the release has %d steps; at most %d are possible", len(steps), maxSpread)
		return
	}
	d.steps = steps
	for _, s := range d.steps {
		d.followParts(s)
	}
}

// followParts lets a step refer to the parts of those that were spread.
func (d *decoder) followParts(s *step) {
	var needs []reference
	for _, r := range s.needs {
		for _, name := range d.endsOf(r.name) {
			needs = append(needs, reference{name, r.at})
		}
	}
	if s.given {
		s.needs = needs
	}
	var uses []use
	for _, u := range s.uses {
		parts := d.partsOf(u.step)
		if len(parts) > 1 && outputsOf(d.kindOfStep(parts[0])) == nil {
			d.add(u.at, u.width, "name one of them, for example ${steps."+parts[0]+".outputs."+u.key+"}", "the step %s runs on %d machines, so it has %d outputs %s", u.step, len(parts), len(parts), u.key)
		}
		for _, name := range parts {
			part := u
			part.step = name
			uses = append(uses, part)
		}
	}
	s.uses = uses
	for _, list := range []*[]string{&s.implied, &s.until} {
		var names []string
		for _, name := range *list {
			names = append(names, d.partsOf(name)...)
		}
		*list = names
	}
}

// kindOfStep is a step's kind.
func (d *decoder) kindOfStep(name string) string {
	if s, _ := d.step(name); s != nil {
		return s.kind
	}
	return ""
}

// endsOf are the steps whose end is that of a name.
func (d *decoder) endsOf(name string) []string {
	if ends := d.ends[name]; ends != nil {
		return ends
	}
	return d.partsOf(name)
}

// partsOf are the steps that stand for a name.
func (d *decoder) partsOf(name string) []string {
	if parts := d.parts[name]; parts != nil {
		return parts
	}
	return []string{name}
}

// joined replaces references to outputs of a step that was spread. Of what is the
// same on every machine, such as the colour, the first machine's is enough.
func (d *decoder) joined(settings string) string {
	for name, parts := range d.parts {
		for _, key := range outputsOf("deploy") {
			all := parts
			if !strings.HasSuffix(key, "addresses") {
				all = parts[:1]
			}
			texts := make([]string, 0, len(all))
			for _, part := range all {
				texts = append(texts, "${steps."+part+".outputs."+key+"}")
			}
			settings = strings.ReplaceAll(settings, "${steps."+name+".outputs."+key+"}", strings.Join(texts, ","))
		}
	}
	return settings
}
