package planfile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// bakeSettings are those of a bake step: a stage lasts at least so long, and as
// long as the analysis beside it has nothing to judge from, in seconds.
type bakeSettings struct {
	For ripcord.Duration `json:"for"`
	// Analysis is the step that judges; empty judges nothing.
	Analysis string `json:"analysis,omitempty"`
	// Old is the older version's colour; empty in a first release.
	Old string `json:"old"`
}

// bakePatience is how much longer than its time a stage may wait for something to
// judge from, in seconds.
const bakePatience = 10 * 60

// canaries replaces each canary by its stages. The last one keeps the step's name,
// so that what needs the step needs all of the traffic.
func (d *decoder) canaries() {
	var steps []*step
	for _, s := range d.steps {
		if shift, ok := s.settings.(*shiftSettings); ok && len(shift.stages) > 0 {
			steps = append(steps, d.canary(s, shift)...)
		} else {
			steps = append(steps, s)
		}
	}
	d.steps = steps
}

// canary lists the steps of one canary: shift, bake and maybe ask for each stage,
// and the analysis that stands beside all of them from the first one on.
func (d *decoder) canary(last *step, set *shiftSettings) []*step {
	var steps []*step
	var judge *step
	if set.analysis != nil {
		judge = d.beside(last, set.analysis)
	}
	for i, stage := range set.stages {
		settings, shift := *set, *last
		settings.Weight, shift.settings = &stage.share, &settings
		if i > 0 {
			shift.given, shift.ask, shift.uses = true, nil, nil
			shift.needs = []reference{{steps[len(steps)-1].name, last.at}}
		}
		if i == len(set.stages)-1 {
			*last = shift
			steps = append(steps, last)
			break
		}
		shift.name = d.newName(last.name + "-" + strings.TrimSuffix(strings.ReplaceAll(percent(stage.share), ".", "_"), "%"))
		steps = append(steps, &shift)
		if i == 0 && judge != nil {
			judge.needs = []reference{{shift.name, last.at}}
			steps = append(steps, judge)
		}
		steps = append(steps, d.bake(&shift, judge, stage, set.old))
		if stage.gate != "" {
			steps = append(steps, d.gate(&shift, steps[len(steps)-1], stage))
		}
	}
	if judge != nil {
		judge.until = []string{last.name}
		if len(judge.needs) == 0 { // all traffic at once: it judges what follows
			judge.needs = []reference{{last.name, last.at}}
		}
	}
	return steps
}

// beside is the analysis of a canary.
func (d *decoder) beside(of *step, settings *analysisSettings) *step {
	return &step{
		name: d.newName(of.name + "-analysis"), at: of.at, kind: "analyze", adapter: "analysis", settings: settings,
		service: of.service, given: true, retry: ripcord.Retry{Attempts: 1}, skip: of.skip,
		implied: slices.Clone(of.implied),
	}
}

// bake is the time of a stage.
func (d *decoder) bake(shift, judge *step, stage stage, old string) *step {
	settings := &bakeSettings{For: stage.bake, Old: old}
	patience := seconds(60)
	if judge != nil {
		settings.Analysis, patience = judge.name, seconds(bakePatience)
	}
	return &step{
		name: d.newName(shift.name + "-bake"), at: stage.at, kind: "bake", adapter: "bake", settings: settings, service: shift.service,
		given: true, needs: []reference{{shift.name, stage.at}}, timeout: stage.bake + patience,
		retry: ripcord.Retry{Attempts: 1}, skip: shift.skip,
	}
}

// gate asks a person after a stage.
func (d *decoder) gate(shift, after *step, stage stage) *step {
	s := &step{
		name: d.newName(shift.name + "-approve"), at: stage.at, kind: "approve", adapter: "nothing", settings: struct{}{}, service: shift.service,
		given: true, needs: []reference{{after.name, stage.at}}, retry: ripcord.Retry{Attempts: 1}, skip: shift.skip,
		ask: &ripcord.Ask{Apply: stage.gate},
	}
	if d.skipApprovals && s.skip == "" {
		s.skip = skippedApproval
	}
	return s
}

// skippedApproval is why approvals are left out.
const skippedApproval = "approvals: skip"

// newName is the name, with a number where a step has it already.
func (d *decoder) newName(name string) string {
	wanted := name
	for number := 2; d.taken[name]; number++ {
		name = wanted + "-" + strconv.Itoa(number)
	}
	d.taken[name] = true
	return name
}
