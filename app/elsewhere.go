package app

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// elsewherePatience is how long all runtimes and machines together may take to tell
// what runs there.
const elsewherePatience = 4 * time.Second

// home is where instances of a service are that Ripcord does not keep itself.
type home struct {
	runtime ripcord.Runtime
	service string
	machine string
}

// String names it.
func (h home) String() string {
	if h.machine == "" {
		return h.service
	}
	return h.service + " on machine " + h.machine
}

// homes are those of a place: what its last good release and its newest run deploy.
func (a *App) homes(ctx context.Context, place ripcord.Filter) ([]home, error) {
	newest, err := a.store.Runs(ctx, ripcord.Filter{Application: place.Application, Environment: place.Environment, Limit: 1})
	if err != nil {
		return nil, err
	}
	good, err := a.store.LastGood(ctx, place.Application, place.Environment)
	if err == nil {
		newest = append(newest, good)
	} else if ripcord.CodeOf(err) != ripcord.CodeNotFound {
		return nil, err
	}
	var all []home
	seen := map[string]bool{}
	for _, summary := range newest {
		if seen[string(summary.Run)] {
			continue
		}
		seen[string(summary.Run)] = true
		plan, err := a.planOf(ctx, summary.Run)
		if err != nil {
			return nil, err
		}
		for i := range plan.Steps {
			if h, ok := a.home(ctx, plan, &plan.Steps[i]); ok && !seen[h.String()] {
				seen[h.String()] = true
				all = append(all, h)
			}
		}
	}
	return all, nil
}

// planOf reads a run's plan and nothing else of it; it has no steps where the run was
// pruned, and nobody knows what it deployed.
func (a *App) planOf(ctx context.Context, run ripcord.RunID) (*ripcord.Plan, error) {
	for e, err := range a.store.Entries(ctx, run, 0) {
		switch {
		case ripcord.CodeOf(err) == ripcord.CodeNotFound:
			return &ripcord.Plan{}, nil
		case err != nil:
			return nil, err
		case e.Plan != nil:
			return e.Plan, nil
		}
	}
	return &ripcord.Plan{}, nil
}

func (a *App) home(ctx context.Context, plan *ripcord.Plan, spec *ripcord.StepSpec) (home, bool) {
	if spec.Kind != "deploy" || spec.Skip != "" {
		return home{}, false
	}
	step, err := a.open(ctx, plan, *spec)
	runtime, ok := step.(ripcord.Runtime)
	if err != nil || !ok {
		return home{}, false // the supervisor knows its instances
	}
	var on struct {
		Service string `json:"service"`
		Machine string `json:"machine"`
	}
	if err := json.Unmarshal(spec.Settings, &on); err != nil {
		return home{}, false
	}
	return home{runtime: runtime, service: on.Service, machine: on.Machine}, true
}

// ask puts a question to all homes at once, and gives up together with them after
// elsewherePatience. Unseen says which did not answer, and why.
func ask[T any](ctx context.Context, homes []home, question func(ctx context.Context, h home) ([]T, error)) (answers []T, unseen []string) {
	limited, done := context.WithTimeout(ctx, elsewherePatience)
	defer done()
	found, failed := make([][]T, len(homes)), make([]error, len(homes))
	var all sync.WaitGroup
	for i, h := range homes {
		all.Go(func() { found[i], failed[i] = question(limited, h) })
	}
	all.Wait()
	for i, h := range homes {
		if failed[i] != nil {
			unseen = append(unseen, h.String()+": "+strings.Join(strings.Fields(failed[i].Error()), " "))
		}
		answers = append(answers, found[i]...)
	}
	return answers, unseen
}

// elsewhere lists the instances of a place that others keep alive. Unseen says of
// which none could be asked for, and why.
func (a *App) elsewhere(ctx context.Context, place ripcord.Filter) (views []InstanceView, unseen []string, err error) {
	homes, err := a.homes(ctx, place)
	if err != nil || len(homes) == 0 {
		return nil, nil, err
	}
	list, unseen := ask(ctx, homes, func(ctx context.Context, h home) ([]ripcord.InstanceStatus, error) { return h.runtime.Instances(ctx) })
	return instanceViews(list), unseen, nil
}
