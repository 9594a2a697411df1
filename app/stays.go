package app

import (
	"context"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// stays says what releases have made of databases: the plan of an earlier one, executed
// again, knows nothing of it, so it stays.
func (a *App) stays(ctx context.Context, releases []ripcord.Summary) ([]string, error) {
	var lines []string
	for _, r := range releases {
		state, err := a.State(ctx, r.Run)
		if ripcord.CodeOf(err) == ripcord.CodeNotFound && err != nil {
			continue // its journal was pruned
		}
		if err != nil {
			return nil, err
		}
		for i := range state.Plan.Steps {
			if t := state.Steps[state.Plan.Steps[i].ID]; t.Spec.Kind == "migrate" && migrated(t) {
				lines = append(lines, fmt.Sprintf("the schema stays as step %s of %s left it: its migrations are taken back only together with all of that release", t.Spec.ID, r.Version))
			}
		}
	}
	return lines, nil
}

// migrated reports whether a step brought something about that was not there.
func migrated(t *engine.Step) bool { return t.Started && t.State != ripcord.StepIsFound }
