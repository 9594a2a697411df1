package planfile

import (
	"fmt"
	"slices"
	"strings"
)

// link fills what steps need of one another.
func (d *decoder) link() {
	for i, s := range d.steps {
		if !s.given && i > 0 {
			s.needs = []reference{{d.steps[i-1].name, s.at}}
		}
		d.checkNeeds(s)
		d.addUses(i, s)
		d.addServices(s)
	}
	d.addWatch()
	for _, s := range d.steps {
		for _, name := range s.implied {
			s.need(name)
		}
	}
	d.checkCircles()
	d.addDependencies()
}

// need adds a step that comes before, once.
func (s *step) need(name string) {
	if name != s.name && !slices.ContainsFunc(s.needs, func(r reference) bool { return r.name == name }) {
		s.needs = append(s.needs, reference{name, s.at})
	}
}

// step returns the step of a name, and its place in the release.
func (d *decoder) step(name string) (*step, int) {
	for i, s := range d.steps {
		if s.name == name {
			return s, i
		}
	}
	return nil, -1
}

// stepNames lists all steps but one.
func (d *decoder) stepNames(but string) []string {
	var names []string
	for _, s := range d.steps {
		if s.name != but {
			names = append(names, s.name)
		}
	}
	return names
}

// checkNeeds reports needs that name no step, and removes them and doubles.
func (d *decoder) checkNeeds(s *step) {
	var kept []reference
	for _, r := range s.needs {
		other, _ := d.step(r.name)
		switch {
		case r.name == "", other == nil && d.unread[r.name]:
		case r.name == s.name:
			d.add(r.at, len(r.name), "remove it", "the step %s needs itself", s.name)
		case other == nil:
			d.add(r.at, len([]rune(r.name)), d.didYouMean(r.name, d.stepNames(s.name), "steps are:"), "there is no step %q to need", short(r.name))
		case !slices.ContainsFunc(kept, func(k reference) bool { return k.name == r.name }):
			kept = append(kept, r)
		}
	}
	s.needs = kept
}

// addUses makes steps need those whose outputs they use.
func (d *decoder) addUses(index int, s *step) {
	for _, u := range s.uses {
		other, at := d.step(u.step)
		switch {
		case other == nil && d.unread[u.step]:
			continue
		case other == nil:
			d.add(u.at, u.width, d.didYouMean(u.step, d.stepNames(s.name), "steps are:"), "there is no step %q whose output could be used", short(u.step))
			continue
		case at >= index:
			d.add(u.at, u.width, "move the step "+u.step+" up", "the step %s comes after the use of its output", u.step)
			continue
		case other.skip != "" && s.skip == "":
			d.add(u.at, u.width, "give both steps the same `when`", "the step %s is left out in environment %s, so it has no outputs", u.step, d.environment)
		}
		if outputs := outputsOf(other.kind); outputs != nil && !slices.Contains(outputs, u.key) {
			d.add(u.at, u.width, d.didYouMean(u.key, outputs, "outputs of "+u.step+" are:"), "the step %s has no output %q", u.step, short(u.key))
		}
		s.implied = append(s.implied, u.step)
	}
}

// outputsOf lists the outputs of a kind; nil where the step chooses them.
func outputsOf(kind string) []string {
	switch kind {
	case "run":
		return nil
	case "backup":
		return []string{"backup", "bytes", "seconds"}
	case "deploy":
		return []string{"addresses", "colour", "old_addresses", "old_colour", "old_version"}
	default:
		return []string{}
	}
}

// addServices makes a deploy step need the deploys of what its service depends on.
func (d *decoder) addServices(s *step) {
	if s.kind != "deploy" || d.services[s.service] == nil {
		return
	}
	for _, r := range d.services[s.service].dependsOn {
		for _, other := range d.steps {
			if other.kind == "deploy" && other.service == r.name {
				s.implied = append(s.implied, other.name)
			}
		}
	}
}

// addWatch makes the watch step need every step that no other needs.
func (d *decoder) addWatch() {
	var watches []*step
	for _, s := range d.steps {
		if s.kind == "watch" {
			watches = append(watches, s)
		}
	}
	if len(watches) == 0 {
		return
	}
	for _, second := range watches[1:] {
		d.add(second.at, 1, "keep one, as the last step", "a release has one watch step; the first is on line %d", watches[0].at.line)
	}
	watch := watches[0]
	last := d.steps[len(d.steps)-1]
	if last.kind != "watch" {
		d.add(watch.at, 1, "move it to the end", "the watch step must be the last; %s comes after it", last.name)
		return
	}
	for _, s := range d.steps[:len(d.steps)-1] {
		needed := slices.ContainsFunc(d.steps, func(other *step) bool {
			return slices.ContainsFunc(other.needs, func(r reference) bool { return r.name == s.name }) || slices.Contains(other.implied, s.name)
		})
		if len(s.until) > 0 {
			s.until = append(s.until, watch.name)
			continue
		}
		if !needed {
			watch.implied = append(watch.implied, s.name)
		}
	}
}

// checkCircles reports steps that need one another in a circle.
func (d *decoder) checkCircles() {
	if d.circular {
		return // that of the services is reported already
	}
	const visiting, done = 1, 2
	mark := map[string]int{}
	var path []string
	var visit func(s *step) bool
	visit = func(s *step) bool {
		mark[s.name] = visiting
		path = append(path, s.name)
		for _, r := range s.needs {
			other, _ := d.step(r.name)
			if other == nil || mark[other.name] == done {
				continue
			}
			if mark[other.name] == visiting {
				d.circle(r.at, append(slices.Clone(path[slices.Index(path, other.name):]), other.name))
				return false
			}
			if !visit(other) {
				return false
			}
		}
		path = path[:len(path)-1]
		mark[s.name] = done
		return true
	}
	for _, s := range d.steps {
		if mark[s.name] == 0 && !visit(s) {
			return
		}
	}
}

// circle reports a circle, at the step that a need of its own stands above of.
func (d *decoder) circle(at position, names []string) {
	fix := "remove one of the needs"
	for i, name := range names[:len(names)-1] {
		s, _ := d.step(name)
		if need := names[i+1]; slices.Contains(s.implied, need) {
			fix, at = fmt.Sprintf("move %s below %s, which it depends on", name, need), s.at
			break
		}
	}
	d.add(at, 1, fix, "steps need one another in a circle: %s", strings.Join(names, " -> "))
}
