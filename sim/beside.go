package sim

import (
	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
)

// besideSeed keeps these throws apart from the others, which are what they were
// before any step stood beside others.
const besideSeed = 0xbe51de

// addBeside lets some plans have a step that stands beside the last one, also
// where that is the watch.
func (s *scenario) addBeside(d *dice) {
	if !d.in(1, 4) {
		return
	}
	last := s.plan.Steps[len(s.plan.Steps)-1].ID
	set := fake.Settings{
		Target: "metrics", Value: "judged", Idempotent: true, UndoIdempotent: true, Way: ripcord.WayNothing, Records: d.in(1, 2),
	}
	spec := ripcord.StepSpec{
		ID: "beside", Kind: "fake", Adapter: fake.Kind, Settings: encoded(set), Traits: traits(set),
		Retry: ripcord.Retry{Attempts: 1}, Until: []ripcord.StepID{last},
	}
	if first := s.plan.Steps[0].ID; first != last && d.in(1, 2) {
		spec.Needs = []ripcord.StepID{first}
	}
	s.settings[spec.ID] = set
	if d.in(1, 8) {
		s.faults = append(s.faults, fake.Fault{Step: spec.ID, Op: fake.Apply, Count: 1, Mode: pick(d, fake.Fail, fake.FailFinal)})
	}
	s.plan.Steps = append(s.plan.Steps, spec)
}

// beside reports whether the step stands beside others.
func (j *judge) beside(id ripcord.StepID) bool { return len(j.sim.plan.Step(id).Until) > 0 }

// after judges that a step does not end before those that it stands beside.
func (j *judge) after(id ripcord.StepID) {
	for _, other := range j.sim.plan.Step(id).Until {
		if !j.books[other].passed {
			j.violate("beside", "%s has passed before %s", id, other)
		}
	}
}
