package app

import (
	"context"
	"io"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/migrate"
)

// Rehearsal is how migrations went up, down and up again on a copy.
type Rehearsal = migrate.Rehearsal

// Rehearse rehearses a migrate step of the plan on a copy of its database; an empty
// step is the only one. The error is of CodePlan where there is none, or several.
func (a *App) Rehearse(ctx context.Context, plan *ripcord.Plan, step ripcord.StepID, on string, out io.Writer) (Rehearsal, error) {
	spec, err := migration(plan, step)
	if err != nil {
		return Rehearsal{}, err
	}
	opened, err := a.open(ctx, plan, *spec)
	if err != nil {
		return Rehearsal{}, err
	}
	m, ok := opened.(*migrate.Step)
	if !ok {
		return Rehearsal{}, ripcord.Errorf(ripcord.CodeInternal, "step %q is no migration", spec.ID)
	}
	return m.Rehearse(ctx, on, out)
}

// migration finds the migrate step that is meant.
func migration(plan *ripcord.Plan, step ripcord.StepID) (*ripcord.StepSpec, error) {
	var found []*ripcord.StepSpec
	for i := range plan.Steps {
		if spec := &plan.Steps[i]; spec.Kind == "migrate" && (step == "" || spec.ID == step) {
			found = append(found, spec)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case step != "":
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s has no migrate step %q", plan.Name(), step).WithFix("`ripcord plan --offline` lists its steps")
	case len(found) == 0:
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s has no migrate step", plan.Name()).WithFix("add one: `- migrate: DATABASE`")
	}
	return nil, ripcord.Errorf(ripcord.CodePlan, "%s has %d migrate steps", plan.Name(), len(found)).WithFix("name one, for example %s", found[0].ID)
}
