package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// tries is how often Probe asks before it believes that something is not well.
const tries = 2

// labelAddress is the label that says where an instance listens.
const labelAddress = "address"

// questions are what is asked now: instances are found anew each time.
func (s *Step) questions(ctx context.Context) ([]health.Question, error) {
	set := s.set
	if set.Instances == "" {
		return s.asker.Questions(set)
	}
	supervisor := s.asker.Scope.Supervisor
	if supervisor == nil {
		return nil, errors.New("the instances are not known")
	}
	all, err := supervisor.List(ctx, set.Instances)
	if err != nil {
		return nil, fmt.Errorf("the instances cannot be listed: %w", err)
	}
	var addresses []string
	for _, i := range all {
		if at := i.Labels[labelAddress]; at != "" {
			addresses = append(addresses, at)
		}
	}
	if len(addresses) == 0 {
		return nil, &health.AnswerError{Text: "no instance of it runs"}
	}
	set.Targets, set.Instances = strings.Join(addresses, ","), ""
	return s.asker.Questions(set)
}

// Probe implements ripcord.Prober. Of several targets one that is well is enough:
// the others may be on their way out.
func (s *Step) Probe(ctx context.Context) error {
	questions, err := s.questions(ctx)
	if failure, ok := errors.AsType[*ripcord.Failure](err); ok {
		return &health.AnswerError{Text: failure.Summary}
	}
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		if err = anyWell(ctx, questions); err == nil {
			return nil
		}
		if try == tries || !health.Pause(ctx, s.set.Interval.Std()) {
			return err
		}
	}
}

// anyWell asks all at once. It returns nil when one is well, else what the first of
// them said.
func anyWell(ctx context.Context, questions []health.Question) error {
	answers := make([]error, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		all.Go(func() { answers[i] = q.Ask(ctx) })
	}
	all.Wait()
	for _, answer := range answers {
		if answer == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", questions[0].Name, answers[0])
}
