package local

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// blamePatience is how long a failure waits for its dependencies' answers: going
// back begins after it.
const blamePatience = 5 * time.Second

// blame asks, when a step has failed because something is not healthy, whether
// what that needs is healthy: if not, that is the cause, and not the new version.
// What the failure itself says is kept.
func (t *task) blame(ctx context.Context, f *ripcord.Failure) *ripcord.Failure {
	if len(t.spec.Dependencies) == 0 || !blamable(f.Class) {
		return f
	}
	limited, done := t.Runtime.Within(context.WithoutCancel(ctx), blamePatience)
	defer done()
	down := t.unwell(limited)
	if len(down) == 0 {
		return f
	}
	blamed := *f
	blamed.Class = ripcord.FailedDependency
	blamed.Summary = fmt.Sprintf("%s is unhealthy because %s does not answer: %s; what was seen of it: %s", down[0].of, down[0].name, down[0].why, f.Summary)
	blamed.Lines = nil
	for _, d := range down {
		blamed.Lines = append(blamed.Lines, fmt.Sprintf("%s, which %s needs: %s", d.name, d.of, d.why))
	}
	blamed.Lines = append(blamed.Lines, f.Lines...)
	return &blamed
}

// blamable reports whether a failure may come from what the step's subject needs.
func blamable(class ripcord.FailureClass) bool {
	return slices.Contains([]ripcord.FailureClass{ripcord.FailedHealth, ripcord.FailedCommand, ripcord.FailedTimeout, ripcord.FailedAnalysis}, class)
}

// unwellDependency is one that does not answer.
type unwellDependency struct{ name, of, why string }

// unwell asks all dependencies at once. Those that cannot be asked are no cause.
func (t *task) unwell(ctx context.Context) []unwellDependency {
	answers := make([]error, len(t.spec.Dependencies))
	var all sync.WaitGroup
	for i, d := range t.spec.Dependencies {
		prober := t.prober(ctx, d)
		if prober == nil {
			continue
		}
		all.Go(func() { answers[i] = prober.Probe(ctx) })
	}
	all.Wait()
	var down []unwellDependency
	for i, d := range t.spec.Dependencies {
		if answers[i] != nil {
			down = append(down, unwellDependency{d.Name, d.Of, answers[i].Error()})
		}
	}
	return down
}

// prober opens a dependency as the run itself would; nil where it cannot be asked,
// for example because it is not deployed yet.
func (t *task) prober(ctx context.Context, d ripcord.Dependency) ripcord.Prober {
	as := ripcord.StepSpec{ID: t.id, Kind: t.spec.Kind, Adapter: d.Adapter, Settings: d.Settings}
	scope := t.Scope
	scope.Now = t.Runtime.Now
	t.mu.Lock() // outputs of steps beside this one are being folded meanwhile
	opened, scope, err := inRun(scope, t.state, &as, t.bundle)
	t.mu.Unlock()
	if err != nil {
		return nil
	}
	step, err := openWith(ctx, t.Adapters, opened, scope)
	if err != nil {
		return nil
	}
	prober, _ := step.(ripcord.Prober)
	return prober
}
