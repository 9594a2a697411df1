package docker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Traits says that going back is exact: it removes the new containers, and the
// old ones never stopped.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Finishes = true
	if s.settings.Replace != nil {
		return s.replaceTraits(traits)
	}
	l := s.labels("", 0)
	traits.Reversal.How = fmt.Sprintf("remove the containers %s* that this release started (docker rm -f): the old ones keep running until the commit", l.family())
	return traits
}

// Outputs are the addresses and the colour of this run's containers, and of those
// that were there before.
func (s *Step) Outputs(ctx context.Context, a ripcord.Attempt) (map[string]ripcord.Output, error) {
	_, all, err := s.service(ctx)
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

// Explain says what would start, of which image, and beside what.
func (s *Step) Explain(ctx context.Context) (string, error) {
	e, all, err := s.service(ctx)
	if err != nil {
		return "", err
	}
	colour, err := s.chooser(e).Colour(known(all))
	if err != nil {
		return "", err
	}
	if s.settings.Replace != nil {
		return s.explainReplace(ctx, e, all), nil
	}
	text := fmt.Sprintf("starts %s of %s %s from %s%s", service.Plural(s.settings.Instances, "container"), s.settings.Service, s.scope.Version, s.called(), s.whence(ctx, e))
	return text + service.Beside(colour, s.settings.Service, s.described(setsOf(all)), len(all) == 0), nil
}

// whence tells of the image what its name does not.
func (s *Step) whence(ctx context.Context, e *engine) string {
	r, err := parseReference(s.settings.Image)
	if err != nil || r.digest == "" {
		return ""
	}
	const short = len("sha256:") + 12
	text := ""
	if s.settings.Tag != "" {
		text = r.digest[:short] + ", "
	}
	found, err := e.image(ctx, r.String())
	switch {
	case err != nil:
		return ""
	case found == nil:
		return " (" + text + "to be pulled)"
	case r.repository == "":
		return " (" + text + "built here)"
	}
	return " (" + text + "already here)"
}

// Evidence is the newest part of each container's log, and how each fares.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	e, all, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	overview, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	for i := range all {
		overview = []byte(all[i].mask(string(overview))) // a health check may have said one
	}
	pieces := ripcord.Evidence{Name: s.settings.Service + "-containers.json", Data: overview}
	return service.Evidence(s.settings.Service, pieces, known(all), func(i, lines int) ([]string, error) {
		return e.tail(ctx, &all[i], lines)
	})
}
