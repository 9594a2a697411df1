package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/planfile"
)

// Locate returns the run that a verb means which names none: that of the plan
// file's application, and only without a plan file the one that is there. With
// several to choose from the error lists them; a run of somebody else's
// application is never taken because it happens to be the only one, or newest.
func (a *App) Locate(ctx context.Context, s Selector, file string) (ripcord.Summary, error) {
	if s.Run != "" {
		return a.Find(ctx, s)
	}
	named := s.Application
	if named == "" {
		named = planfile.Application(file)
	}
	s.Application = named
	if named == "" && !s.Unfinished {
		return a.lookedAt(ctx, s)
	}
	found, err := a.Find(ctx, s)
	if ripcord.CodeOf(err) != ripcord.CodeNotFound || named == "" || !s.Unfinished {
		return found, err
	}
	others, otherErr := a.store.Runs(ctx, ripcord.Filter{Unfinished: true, Limit: 20})
	if otherErr != nil || len(others) == 0 {
		return found, err
	}
	return found, ripcord.Errorf(ripcord.CodeNotFound, "no run is going on%s", of(s)).
		WithFix("name another one with --run; going on: %s", names(others))
}

// lookedAt is the run that a verb shows where no plan file names an application:
// the only one that is going on, else the newest of the only application.
func (a *App) lookedAt(ctx context.Context, s Selector) (ripcord.Summary, error) {
	going := s
	going.Unfinished = true
	found, err := a.Find(ctx, going)
	if ripcord.CodeOf(err) != ripcord.CodeNotFound {
		return found, err
	}
	places, err := a.store.Places(ctx)
	if err != nil {
		return found, err
	}
	var applications []string
	for _, p := range places {
		if s.Environment == "" || s.Environment == p.Environment {
			applications = append(applications, p.Application)
		}
	}
	slices.Sort(applications)
	if applications = slices.Compact(applications); len(applications) > 1 {
		return found, ripcord.Errorf(ripcord.CodePlan, "runs of several applications may be meant: %s", strings.Join(applications, ", ")).
			WithFix("name one with --run (`ripcord history` lists them), or call it where its plan file is")
	}
	return a.Find(ctx, s)
}

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
