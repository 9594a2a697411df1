package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
)

// feasible refuses a release of which a step says that it would fail at once,
// before anything is planned. A run that goes back is never asked.
func (a *App) feasible(ctx context.Context, plan *ripcord.Plan) error {
	if plan.Purpose != ripcord.PurposeRelease || plan.From != "" {
		return nil
	}
	var problems []error
	fix := ""
	for _, spec := range plan.Steps {
		if spec.Skip != "" {
			continue
		}
		step, err := a.open(ctx, plan, spec)
		f, ok := step.(ripcord.Feasible)
		if err != nil || !ok {
			continue // the step says itself why it cannot be opened
		}
		if err := f.Feasible(ctx); err != nil {
			problems = append(problems, fmt.Errorf("line %d: step %s: %w", spec.Line, spec.ID, err))
			if e, ok := errors.AsType[*ripcord.Error](err); ok && fix == "" {
				fix = e.Fix
			}
		}
	}
	unusable, fixed := a.unusable(ctx, plan)
	if problems = append(problems, unusable...); fix == "" {
		fix = fixed
	}
	if len(problems) == 0 {
		return nil
	}
	return ripcord.Errorf(ripcord.CodePlan, "%w", errors.Join(problems...)).WithFix("%s", fix)
}

// publicDir is the folder in which the files of this state directory's releases
// are laid out for other users.
func (a *App) publicDir() string {
	if a.store == nil {
		return ""
	}
	return filepath.Join(a.public, a.store.StateID())
}
