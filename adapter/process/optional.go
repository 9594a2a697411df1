package process

import (
	"context"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Traits says that going back is exact: it stops the new instances, and the old
// ones never stopped.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Finishes = true
	if s.settings.Replace != nil {
		return s.replaceTraits(traits)
	}
	traits.Reversal.How = fmt.Sprintf("stop the instances of %s that this release started (%s...): the old ones keep running until the commit", s.settings.Service, s.prefix())
	return traits
}

// Outputs are the addresses and the colour of this run's instances, and of those
// that were there before.
func (s *Step) Outputs(ctx context.Context, a ripcord.Attempt) (map[string]ripcord.Output, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	if r := s.settings.Replace; r != nil && r.Look {
		return service.LookOutputs(s.settings.Instances, known(all)), nil
	} else if r != nil {
		return service.ReplacedOutputs(a.Progress, service.Of(s.scope.Run, known(s.covered(all))))
	}
	return service.Outputs(a.Progress, s.scope.Run, known(all))
}

// Explain says what would start, and beside what.
func (s *Step) Explain(ctx context.Context) (string, error) {
	if s.settings.Replace != nil {
		return s.explainReplace(ctx)
	}
	text := fmt.Sprintf("starts %s of %s %s", service.Plural(s.settings.Instances, "instance"), s.settings.Service, s.scope.Version)
	if s.scope.Supervisor == nil {
		return text, nil
	}
	all, err := s.list(ctx)
	if err != nil {
		return text, nil //nolint:nilerr // what runs now is an extra
	}
	colour, err := s.chooser().Colour(known(all))
	if err != nil {
		return "", err
	}
	return text + service.Beside(colour, s.settings.Service, s.described(setsOf(all)), len(all) == 0), nil
}

// Evidence is the newest part of each instance's log, and how each fares.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	overview, err := service.Overview(s.settings.Service+"-instances.json", all)
	if err != nil {
		return nil, err
	}
	return service.Evidence(s.settings.Service, overview, known(all), func(i, lines int) ([]string, error) {
		return s.scope.Supervisor.Tail(ctx, all[i].ID, lines)
	})
}
