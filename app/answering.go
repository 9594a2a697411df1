package app

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// answerPatience is how long all dependencies together may take to answer.
const answerPatience = 10 * time.Second

// answering refuses a release while something does not answer that its services
// need and that it does not deploy itself: it would fail, and its failure would
// look like the new version's. A run that goes back is never asked.
func (a *App) answering(ctx context.Context, plan *ripcord.Plan) error {
	if plan.Purpose != ripcord.PurposeRelease || plan.From != "" {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	needs := needed(plan)
	answers := make([]error, len(needs))
	var all sync.WaitGroup
	for i, n := range needs {
		all.Go(func() { answers[i] = a.answers(limited, plan, n) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var silent []string
	fix := ""
	for i, n := range needs {
		if answers[i] == nil {
			continue
		}
		silent = append(silent, fmt.Sprintf("line %d: %s needs %s, which does not answer: %v", n.step.Line, n.dependency.Of, n.dependency.Name, answers[i]))
		if fix == "" {
			fix = fmt.Sprintf("bring %s back first; or, if %s can do without it, take it out of depends_on", n.dependency.Name, n.dependency.Of)
		}
	}
	if len(silent) == 0 {
		return nil
	}
	return ripcord.Errorf(ripcord.CodeRefused, "%s", strings.Join(silent, "\n")).WithFix("%s", fix)
}

// need is one dependency, and the first step that has it.
type need struct {
	step       *ripcord.StepSpec
	dependency ripcord.Dependency
}

// needed lists the dependencies that can be asked before anything happens: those
// that the release itself deploys are not there yet.
func needed(plan *ripcord.Plan) []need {
	var all []need
	seen := map[string]bool{}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		if step.Skip != "" {
			continue
		}
		for _, d := range step.Dependencies {
			if seen[d.Name] || strings.Contains(string(d.Settings), "${steps.") {
				continue
			}
			seen[d.Name] = true
			all = append(all, need{step, d})
		}
	}
	return all
}

// answers asks one dependency.
func (a *App) answers(ctx context.Context, plan *ripcord.Plan, n need) error {
	step, err := a.open(ctx, plan, ripcord.StepSpec{ID: n.step.ID, Kind: n.step.Kind, Adapter: n.dependency.Adapter, Settings: n.dependency.Settings})
	if err != nil {
		return err
	}
	prober, ok := step.(ripcord.Prober)
	if !ok {
		return nil
	}
	return prober.Probe(ctx)
}
