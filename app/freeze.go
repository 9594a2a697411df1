package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/planfile"
)

// Selection says which plan is meant.
type Selection struct {
	// File is the plan file's path.
	File        string
	Environment string
	Version     string
	Set         map[string]string
}

// Load reads the plan file and freezes its plan: every step opened once, so
// that its settings are known to be right and its traits are in the plan.
func (a *App) Load(ctx context.Context, s Selection) (*ripcord.Plan, error) {
	file, err := planfile.Load(s.File, planfile.Options{
		Environment: s.Environment, Version: s.Version, Set: s.Set,
		DefaultVersion: a.options.Now().UTC().Format("20060102-150405"),
		ProxyDirectory: func(application, environment, balancer string) string {
			return proxy.Directory(a.dir, application, environment, balancer)
		},
	})
	if err != nil {
		return nil, err
	}
	plan, err := file.Plan(ripcord.PurposeRelease)
	if err != nil {
		return nil, err
	}
	a.options.settle(plan.Machines)
	if err := a.freeze(ctx, &plan); err != nil {
		return nil, err
	}
	return &plan, plan.Validate()
}

// freeze asks each step for its traits.
func (a *App) freeze(ctx context.Context, plan *ripcord.Plan) error {
	var problems []error
	fix := ""
	for i := range plan.Steps {
		spec := &plan.Steps[i]
		step, err := a.open(ctx, plan, *spec)
		if err != nil {
			problems = append(problems, ripcord.Errorf(ripcord.CodePlan, "line %d: step %s: %w", spec.Line, spec.ID, err))
			if e, ok := errors.AsType[*ripcord.Error](err); ok && fix == "" {
				fix = e.Fix
			}
			continue
		}
		spec.Traits = ripcord.DefaultTraits()
		if d, ok := step.(ripcord.Describer); ok {
			spec.Traits = d.Traits()
		}
		_, prepares := step.(ripcord.Preparer)
		_, finishes := step.(ripcord.Finisher)
		spec.Traits.Prepares = spec.Traits.Prepares && prepares
		spec.Traits.Finishes = spec.Traits.Finishes && finishes
	}
	if len(problems) > 0 {
		return ripcord.Errorf(ripcord.CodePlan, "%w", errors.Join(problems...)).WithFix("%s", fix)
	}
	return nil
}

// open opens a step outside of any run, for looking.
func (a *App) open(ctx context.Context, plan *ripcord.Plan, spec ripcord.StepSpec) (ripcord.Step, error) {
	adapter := a.adapters[spec.Adapter]
	if adapter == nil {
		return nil, fmt.Errorf("this binary has no adapter %q", spec.Adapter)
	}
	scope := a.scope(plan, ripcord.Lease{Run: a.looking})
	scope.Application, scope.Environment = plan.Application, plan.Environment
	scope.Version, scope.Directory = plan.Version, plan.Directory
	return adapter.Open(ctx, spec, scope)
}
