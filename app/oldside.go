package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// oldSidePatience is how long looking at all old sides may take: going back never
// waits longer for it.
const oldSidePatience = 5 * time.Second

// OldSide is what there is, right now, of the version of a service that going back
// leads to.
type OldSide struct {
	Service string `json:"service"`
	// Version is empty where nothing of an earlier version is there.
	Version string `json:"version,omitempty"`
	// Instances are those that are there, Well those that answer well.
	Instances int `json:"instances"`
	Well      int `json:"well"`
	// Why is what the first one said that is not well.
	Why string `json:"why,omitempty"`
}

// Alive reports whether it was seen that the version can serve.
func (o OldSide) Alive() bool { return o.Well > 0 }

// String says it in a sentence.
func (o OldSide) String() string {
	name := strings.TrimSpace(o.Service + " " + o.Version)
	switch {
	case o.Instances == 0:
		return name + ": no instance of the old version is there"
	case o.Well == o.Instances:
		return fmt.Sprintf("%s is alive: %d of %d old instances answer well", name, o.Well, o.Instances)
	case o.Well > 0:
		return fmt.Sprintf("%s is alive: %d of %d old instances answer well; %s", name, o.Well, o.Instances, o.Why)
	}
	return fmt.Sprintf("%s does not answer: none of %d old instances is well; %s", name, o.Instances, o.Why)
}

// oldSides looks at the old side of each service that the steps deploy, as a
// release sees it (state is nil) or as the run that deployed sees it. How a service
// is asked is what the plan of the old version says, nil being unknown.
func (a *App) oldSides(ctx context.Context, plan, old *ripcord.Plan, state *engine.State) []OldSide {
	limited, cancel := context.WithTimeout(ctx, oldSidePatience)
	defer cancel()
	found := make([]*OldSide, len(plan.Steps))
	var all sync.WaitGroup
	for i := range plan.Steps {
		spec := &plan.Steps[i]
		if spec.Kind != "deploy" || spec.Skip != "" || deployedBy(spec).Replace != nil {
			continue // an old side that is replaced where it is cannot be asked beside the new one
		}
		all.Go(func() { found[i] = a.oldSide(limited, plan, old, state, spec) })
	}
	all.Wait()
	var sides []OldSide
	for _, side := range found {
		if side != nil {
			sides = append(sides, *side)
		}
	}
	return sides
}

// oldSide looks at one; nil where it cannot be looked at.
func (a *App) oldSide(ctx context.Context, plan, old *ripcord.Plan, state *engine.State, spec *ripcord.StepSpec) *OldSide {
	var step ripcord.Step
	var err error
	attempt := ripcord.Attempt{}
	if state == nil {
		step, err = a.open(ctx, plan, *spec)
	} else {
		t := state.Steps[spec.ID]
		if !t.Started {
			return nil // nothing was put in the old one's place
		}
		attempt.Progress = t.Progress
		step, err = a.openIn(ctx, state, t, func() (string, error) { return "", nil })
	}
	outputter, ok := step.(ripcord.Outputter)
	if err != nil || !ok {
		return nil
	}
	outputs, err := outputter.Outputs(ctx, attempt)
	if err != nil {
		return nil
	}
	deployed := deployedBy(spec)
	if old != nil {
		if as := old.Step(spec.ID); as != nil && as.Kind == spec.Kind {
			deployed = deployedBy(as)
		}
	}
	side := &OldSide{Service: deployed.Service, Version: outputs["old_version"].Value}
	var addresses []string
	for address := range strings.SplitSeq(outputs["old_addresses"].Value, ",") {
		if address != "" {
			addresses = append(addresses, address)
		}
	}
	side.Instances = len(addresses)
	a.count(ctx, plan, spec, deployed, addresses, side)
	return side
}

// deployed is what is asked of a service's instances.
type deployed struct {
	// Replace says that the instances take the places of the old ones.
	Replace json.RawMessage `json:"replace"`
	Service string          `json:"service"`
	Health  struct {
		HTTP    string          `json:"http"`
		TCP     bool            `json:"tcp"`
		GRPC    json.RawMessage `json:"grpc"`
		SQL     json.RawMessage `json:"sql"`
		Command json.RawMessage `json:"command"`
	} `json:"health"`
}

func deployedBy(spec *ripcord.StepSpec) deployed {
	var d deployed
	_ = json.Unmarshal(spec.Settings, &d) // what an adapter keeps elsewhere is not asked
	return d
}

// count asks each instance; of one that nobody said how to ask it is enough that it
// is there.
func (a *App) count(ctx context.Context, plan *ripcord.Plan, spec *ripcord.StepSpec, d deployed, addresses []string, side *OldSide) {
	h := d.Health
	if h.HTTP == "" && !h.TCP && h.GRPC == nil && h.SQL == nil && h.Command == nil {
		side.Well = len(addresses)
		return
	}
	answers := make([]error, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() {
			settings := map[string]any{"targets": address, "successes": 1, "interval": .2, "attempt_timeout": 2}
			for key, value := range map[string]json.RawMessage{"grpc": h.GRPC, "sql": h.SQL, "command": h.Command} {
				if value != nil {
					settings[key] = value
				}
			}
			if h.HTTP != "" {
				settings["path"] = h.HTTP
			}
			answers[i] = a.probe(ctx, plan, spec, settings)
		})
	}
	all.Wait()
	for _, answer := range answers {
		if answer == nil {
			side.Well++
		} else if side.Why == "" {
			side.Why = answer.Error()
		}
	}
}

// probe asks once.
func (a *App) probe(ctx context.Context, plan *ripcord.Plan, spec *ripcord.StepSpec, settings map[string]any) error {
	raw, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	step, err := a.open(ctx, plan, ripcord.StepSpec{ID: spec.ID, Kind: spec.Kind, Adapter: "probe", Settings: raw})
	if err != nil {
		return err
	}
	prober, ok := step.(ripcord.Prober)
	if !ok {
		return errors.New("it cannot be asked here")
	}
	return prober.Probe(ctx)
}

// OldSides tells of a run that has not ended what there is of the version that going
// back leads to.
func (a *App) OldSides(ctx context.Context, run ripcord.RunID) ([]OldSide, error) {
	state, err := a.State(ctx, run)
	if err != nil || state.State.Ended() {
		return nil, err
	}
	return a.oldSides(ctx, state.Plan, a.lastGoodPlan(ctx, state.Plan), state), nil
}

// oldSidesOf looks at what a committed release would be unwound to. What cannot be
// looked at is left out: it never stands in the way.
func (a *App) oldSidesOf(ctx context.Context, way WayBack) []OldSide {
	state, err := a.State(ctx, way.From.Run)
	if err != nil || way.To.Run == "" {
		return nil
	}
	old, err := a.plan(ctx, way.To.Run)
	if err != nil {
		old = nil
	}
	return a.oldSides(ctx, state.Plan, old, state)
}

// lastGoodPlan is the plan of the newest committed release; nil where there is none.
func (a *App) lastGoodPlan(ctx context.Context, plan *ripcord.Plan) *ripcord.Plan {
	good, err := a.store.LastGood(ctx, plan.Application, plan.Environment)
	if err != nil {
		return nil
	}
	old, err := a.plan(ctx, good.Run)
	if err != nil {
		return nil
	}
	return old
}
