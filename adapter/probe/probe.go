// Package probe is the step that passes when something is well: it asks until
// every target has answered well several times in a row, and changes nothing.
package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Kind is the adapter's name in a StepSpec.
const Kind = "probe"

// patience is how long a step without a time-out of its own keeps asking.
const patience = time.Minute

// Adapter opens probes.
type Adapter struct{ environ func() []string }

// New returns the adapter. Environ gives the executor's own environment
// (os.Environ), which commands inherit without its RIPCORD_ variables; nil gives
// an empty one.
func New(environ func() []string) *Adapter { return &Adapter{environ: environ} }

// Kind implements ripcord.Adapter.
func (a *Adapter) Kind() string { return Kind }

// Open implements ripcord.Adapter.
func (a *Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	var set health.Settings
	if err := health.Decode("check", spec.Settings, &set); err != nil {
		return nil, err
	}
	if err := set.Complete("check"); err != nil {
		return nil, err
	}
	return &Step{set: set, asker: health.Asker{Scope: scope, Step: spec.ID, Environ: a.environ}}, nil
}

// Step is one probe.
type Step struct {
	set   health.Settings
	asker health.Asker
}

// Traits implements ripcord.Describer: there is nothing to find or to take back,
// so an interrupted probe is asked anew.
func (s *Step) Traits() ripcord.Traits {
	return ripcord.Traits{Idempotent: true, UndoIdempotent: true, Reversal: ripcord.Reversal{Way: ripcord.WayNothing}}
}

// Check implements ripcord.Step.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	return ripcord.Observation{Presence: ripcord.Absent, Detail: "not asked yet"}, ctx.Err()
}

// Undo implements ripcord.Step.
func (s *Step) Undo(ctx context.Context, _ ripcord.Attempt) error { return ctx.Err() }

// Explain implements ripcord.Explainer.
func (s *Step) Explain(context.Context) (string, error) {
	return fmt.Sprintf("goes on when %s, %s; asks every %s and changes nothing", s.set.Describe(), health.Times(s.set.Row()), s.set.Interval), nil
}

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	questions, err := s.questions(ctx)
	if err != nil {
		return err
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if _, has := ctx.Deadline(); !has {
		limited, cancel = context.WithTimeout(ctx, patience)
	}
	defer cancel()
	results := make(chan result, len(questions))
	for i, q := range questions {
		go func() { results <- s.insist(limited, i, q) }()
	}
	all := make([]result, len(questions))
	for range questions {
		r := <-results
		all[r.index] = r
	}
	return s.verdict(ctx, a, questions, all)
}

// result is how one target answered in the end.
type result struct {
	index, asked int
	last         *health.AnswerError
	answers      health.Steadiness
}

// insist asks until the target is steadily well.
func (s *Step) insist(ctx context.Context, index int, q health.Question) result {
	r := result{index: index, answers: health.Steadiness{Row: s.set.Row(), Flapping: s.set.Flapping}}
	for {
		err := q.Ask(ctx)
		if err != nil && ctx.Err() != nil {
			return r // cut short by the end, which says nothing of the target
		}
		r.asked++
		if err != nil {
			r.last = answer(err)
		}
		if r.answers.Take(err == nil); r.answers.Well() {
			return r
		}
		if !health.Pause(ctx, s.set.Interval.Std()) {
			return r
		}
	}
}

func answer(err error) *health.AnswerError {
	if a, ok := errors.AsType[*health.AnswerError](err); ok {
		return a
	}
	return &health.AnswerError{Text: err.Error()}
}

func (s *Step) verdict(ctx context.Context, a ripcord.Attempt, questions []health.Question, all []result) error {
	f := &ripcord.Failure{Class: ripcord.FailedHealth}
	bad := 0
	for i, r := range all {
		name := questions[i].Name
		if r.answers.Well() {
			if a.Output != nil {
				if _, err := fmt.Fprintf(a.Output, "%s is well, %s\n", name, health.Times(s.set.Row())); err != nil {
					return fmt.Errorf("check: log: %w", err)
				}
			}
			continue
		}
		bad++
		line := name + ": " + s.trouble(r)
		if f.Summary == "" {
			f.Summary = line
		}
		f.Lines = append(f.Lines, line)
		if r.last != nil {
			for _, quoted := range r.last.Lines {
				f.Lines = append(f.Lines, "  "+quoted)
			}
		}
	}
	if bad == 0 {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("check: stopped: %w", ctx.Err())
	}
	if len(all) > 1 {
		f.Summary = fmt.Sprintf("%d of %d targets are not well; %s", bad, len(all), f.Summary)
	}
	return f
}

// trouble says why a target did not pass.
func (s *Step) trouble(r result) string {
	good, needed := r.answers.Good(), s.set.Row()
	switch {
	case r.asked == 0:
		return "no answer before the time was over"
	case r.answers.Flaps():
		return fmt.Sprintf("%s; its last bad answer: %s", r.answers.Describe(), r.last.Text)
	case r.last == nil:
		return fmt.Sprintf("well %s, but %d times in a row are needed; there was not time for more", health.Times(good), needed)
	case good > 0:
		return fmt.Sprintf("not steady: well %s, %d times in a row are needed; before that %s", health.Times(good), needed, r.last.Text)
	default:
		return fmt.Sprintf("%s (asked %s)", r.last.Text, times(r.asked))
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
