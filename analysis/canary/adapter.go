package canary

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// Kind is the adapter's name in a StepSpec.
const Kind = "analysis"

// Adapter opens the steps that judge canaries.
type Adapter struct {
	sources map[string]ripcord.MetricSource
	latest  *latest
}

// New returns the adapter of analyze steps and, because they hear of it, that of
// bake steps.
func New(sources ...ripcord.MetricSource) (*Adapter, *Baker) {
	a := &Adapter{sources: map[string]ripcord.MetricSource{}, latest: &latest{said: map[place]analysis.Decision{}}}
	for _, source := range sources {
		a.sources[source.Kind()] = source
	}
	return a, &Baker{latest: a.latest}
}

// Kind implements ripcord.Adapter.
func (*Adapter) Kind() string { return Kind }

// Open implements ripcord.Adapter.
func (a *Adapter) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	set, err := decodeAnalysis(spec)
	if err != nil {
		return nil, err
	}
	s := &Step{id: spec.ID, set: set, scope: scope, latest: a.latest}
	if _, err := analysis.New(set.spec()); err != nil {
		return nil, err
	}
	for i := range set.Metrics {
		m := &set.Metrics[i]
		source := a.sources[m.Source]
		if source == nil {
			return nil, ripcord.Errorf(ripcord.CodePlan, "step %q: metric %s: this binary knows no source %q", spec.ID, m.Name, m.Source).
				WithFix("use one of: %s", strings.Join(a.kinds(), ", "))
		}
		metric, err := source.Open(ctx, ripcord.MetricSpec{Name: m.Name, Source: m.Source, Settings: m.Settings}, s.sides(), scope)
		if err != nil {
			return nil, err
		}
		s.metrics = append(s.metrics, metric)
	}
	return s, nil
}

func (a *Adapter) kinds() []string {
	kinds := make([]string, 0, len(a.sources))
	for kind := range a.sources {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// place is one analysis of one run.
type place struct {
	run  ripcord.RunID
	step ripcord.StepID
}

// latest is what the analyses of this process said last.
type latest struct {
	mu   sync.Mutex
	said map[place]analysis.Decision
}

func (l *latest) tell(p place, d analysis.Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said[p] = d
}

func (l *latest) forget(p place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.said, p)
}

func (l *latest) ask(p place) (analysis.Decision, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.said[p]
	return d, ok
}
