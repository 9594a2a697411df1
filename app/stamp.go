package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// unowned refuses a release of which a target belongs to another state
// directory, before anything is planned: each step looks again at its turn, but
// by then those before it would have had their effects. A run that goes back is
// never asked.
func (a *App) unowned(ctx context.Context, plan *ripcord.Plan) error {
	if plan.Purpose != ripcord.PurposeRelease {
		return nil
	}
	var problems []error
	for _, text := range a.foreign(ctx, plan) {
		problems = append(problems, errors.New(text))
	}
	if len(problems) == 0 {
		return nil
	}
	return ripcord.Errorf(ripcord.CodeRefused, "%w", errors.Join(problems...)).
		WithFix("release from that one with --state-dir, or take the targets over with `ripcord adopt --take-over --reason ...`; nothing was changed")
}

// foreign says which steps' targets another state directory changed last.
func (a *App) foreign(ctx context.Context, plan *ripcord.Plan) []string {
	var texts []string
	for _, spec := range plan.Steps {
		if spec.Skip != "" {
			continue
		}
		step, err := a.open(ctx, plan, spec)
		stamper, ok := step.(ripcord.Stamper)
		if err != nil || !ok {
			continue // the step says itself why it cannot be opened
		}
		stamp, err := stamper.Stamp(ctx)
		switch {
		case ripcord.CodeOf(err) == ripcord.CodeRefused && err != nil:
			texts = append(texts, fmt.Sprintf("line %d: step %s: %v", spec.Line, spec.ID, err))
		case err != nil || stamp == nil || stamp.State == a.store.StateID():
			// A stamp that cannot be read yet may be readable once the steps before are done.
		default:
			texts = append(texts, fmt.Sprintf("line %d: the target of step %s belongs to another state directory (%s, run %s)", spec.Line, spec.ID, stamp.State, stamp.Run))
		}
	}
	return texts
}
