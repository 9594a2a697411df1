package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// pin replaces names in the plan's settings that may mean something else later,
// for example an image's tag by its digest. What an earlier release's plan names
// was pinned when it was planned.
func (a *App) pin(ctx context.Context, plan *ripcord.Plan) error {
	if plan.Purpose != ripcord.PurposeRelease || plan.From != "" {
		return nil
	}
	var problems []error
	fix := ""
	for i := range plan.Steps {
		spec := &plan.Steps[i]
		if spec.Skip != "" {
			continue
		}
		step, err := a.open(ctx, plan, *spec)
		p, ok := step.(ripcord.Pinner)
		if err != nil || !ok {
			continue // the step says itself why it cannot be opened
		}
		settings, err := p.Pin(ctx)
		if err == nil {
			spec.Settings = settings
			continue
		}
		problems = append(problems, fmt.Errorf("line %d: step %s: %w", spec.Line, spec.ID, err))
		if e, ok := errors.AsType[*ripcord.Error](err); ok && fix == "" {
			fix = e.Fix
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return ripcord.Errorf(ripcord.CodePlan, "%w", errors.Join(problems...)).WithFix("%s", fix)
}
