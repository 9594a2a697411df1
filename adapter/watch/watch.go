// Package watch is the step that watches a release after its switch: it asks,
// counts and looks again and again, and fails when something is not well any
// more. It changes nothing.
//
// The time that was watched is counted by a timer that no change of the clock
// moves, and recorded, so that a watch goes on where a dead executor left it.
// Nothing that could not be asked counts as well: a check that never answered
// well, or a proxy without enough requests, fails the watch at its end.
package watch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Kind is the adapter's name in a StepSpec.
const Kind = "watch"

// Adapter opens watches.
type Adapter struct{ environ func() []string }

// New returns the adapter. Environ gives the executor's own environment
// (os.Environ), which commands inherit without its RIPCORD_ variables; nil gives
// an empty one.
func New(environ func() []string) *Adapter { return &Adapter{environ: environ} }

// Kind implements ripcord.Adapter.
func (a *Adapter) Kind() string { return Kind }

// Open implements ripcord.Adapter.
func (a *Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	set, err := parse(spec.Settings)
	if err != nil {
		return nil, err
	}
	return &Step{set: set, scope: scope, asker: health.Asker{Scope: scope, Step: spec.ID, Environ: a.environ}}, nil
}

// Step is one watch.
type Step struct {
	set   settings
	scope ripcord.Scope
	asker health.Asker
}

// Traits implements ripcord.Describer: an interrupted watch goes on with what is
// left of it.
func (s *Step) Traits() ripcord.Traits {
	return ripcord.Traits{Idempotent: true, UndoIdempotent: true, Watches: true, Reversal: ripcord.Reversal{Way: ripcord.WayNothing}}
}

// Check implements ripcord.Step.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	return ripcord.Observation{Presence: ripcord.Absent, Detail: "not watched yet"}, ctx.Err()
}

// Undo implements ripcord.Step.
func (s *Step) Undo(ctx context.Context, _ ripcord.Attempt) error { return ctx.Err() }

// Explain implements ripcord.Explainer.
func (s *Step) Explain(context.Context) (string, error) {
	what := make([]string, 0, len(s.set.Checks)+2)
	for _, check := range s.set.Checks {
		what = append(what, check.Describe())
	}
	if p := s.set.Proxy; p != nil {
		what = append(what, fmt.Sprintf("at most %s of the requests to the new version fail (judged from %d requests on)", percent(*p.MaxErrorRatio), *p.MinRequests))
	}
	if s.set.Instances != "" {
		what = append(what, "no "+watched(s.set.prefixes())+" crashes")
	}
	if len(what) == 0 {
		return fmt.Sprintf("waits %s, so that a person can still go back; nothing is watched, because no check is given", s.set.For), nil
	}
	return fmt.Sprintf("watches for %s, every %s, that %s; %s", s.set.For, s.set.Interval, health.List(what), fails(s.set.Failures)), nil
}

func fails(looks int) string {
	if looks == 1 {
		return "one bad look fails the release"
	}
	return fmt.Sprintf("%d bad looks in a row fail the release", looks)
}

// percent writes a share for people.
func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e6)/1e4, 'f', -1, 64) + " %"
}

// watched names the instances below the prefixes.
func watched(prefixes []string) string {
	var services []string
	for _, prefix := range prefixes {
		parts := strings.Split(prefix, "/")
		if len(parts) < 4 || parts[2] == "" {
			return "instance of this application"
		}
		services = append(services, parts[2])
	}
	return "new instance of " + strings.Join(services, " or ")
}

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := recall(a)
	if err != nil {
		return err
	}
	w := &watcher{step: s, memory: m, attempt: a}
	if err := w.assemble(ctx); err != nil {
		return err
	}
	if m.Watched > 0 {
		w.note("going on after %s of %s", m.Watched, s.set.For)
	}
	if err := w.record(ctx); err != nil {
		return err
	}
	err = w.run(ctx)
	if err != nil && ctx.Err() == nil {
		// Watched again, it is watched in full.
		w.memory = &memory{}
		err = errors.Join(err, w.record(ctx))
	}
	return err
}

// tick is how finely watched time is counted.
func (s *Step) tick() time.Duration { return min(time.Second, s.set.For.Std()) }
