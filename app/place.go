package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/planfile"
)

// Meant completes a selector for a command that changes something: the
// application is the plan file's where none is named, and where several
// applications or environments are left, the error lists them. The newest run
// decides nothing here: it may be of somebody else's application.
func (a *App) Meant(ctx context.Context, s Selector, file string) (Selector, error) {
	if s.Run != "" {
		return s, nil
	}
	if s.Application == "" {
		s.Application = planfile.Application(file)
	}
	places, err := a.store.Places(ctx)
	if err != nil {
		return s, err
	}
	var left []ripcord.Filter
	for _, p := range places {
		if (s.Application == "" || s.Application == p.Application) && (s.Environment == "" || s.Environment == p.Environment) {
			left = append(left, p)
		}
	}
	if len(left) > 1 {
		names := make([]string, 0, len(left))
		for _, p := range left {
			names = append(names, fmt.Sprintf("%s in %s", p.Application, p.Environment))
		}
		return s, ripcord.Errorf(ripcord.CodePlan, "several releases may be meant: %s", strings.Join(names, ", ")).
			WithFix("say which one with --application and --environment, or call it where its plan file is")
	}
	if len(left) == 1 {
		s.Application, s.Environment = left[0].Application, left[0].Environment
	}
	return s, nil
}
