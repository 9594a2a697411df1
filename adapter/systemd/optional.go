package systemd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Traits says that going back is exact: it removes the new units, and the old
// ones never stopped.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Finishes = true
	if s.settings.Replace != nil {
		return s.replaceTraits(traits)
	}
	l := s.labels(service.Place{}, 0)
	on := ""
	if s.settings.Machine != "" {
		on = "on machine " + s.settings.Machine + ", "
	}
	traits.Reversal.How = fmt.Sprintf("%sstop the units ripcord-%s-%s-%s-* that this release started, and remove them from %s: the old ones keep running until the commit",
		on, l.Application, l.Environment, l.Service, unitFolder)
	return traits
}

// Outputs are the addresses and the colour of this run's units, and of those
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

// Explain says what would start, and beside what.
func (s *Step) Explain(ctx context.Context) (string, error) {
	text := fmt.Sprintf("starts %s of %s %s", service.Plural(s.settings.Instances, "unit"), s.settings.Service, s.scope.Version)
	if s.settings.Machine != "" {
		text += " on machine " + s.settings.Machine
	}
	h, all, err := s.service(ctx)
	if err == nil {
		err = h.able(ctx, s.settings.User)
	}
	if err != nil {
		return "", err
	}
	colour, err := s.chooser(h).Colour(known(all))
	if err != nil {
		return "", err
	}
	if s.settings.Replace != nil {
		old := ""
		if sets := setsOf(s.covered(all)); len(sets) > 0 {
			old = strings.TrimPrefix(s.described(sets), s.settings.Service+": ")
		}
		text = s.settings.ReplaceText(s.scope.Version, old)
		if s.settings.Machine != "" {
			text += ", on machine " + s.settings.Machine
		}
		return text, nil
	}
	return text + service.Beside(colour, s.settings.Service, s.described(setsOf(all)), len(all) == 0), nil
}

// Evidence is the newest part of each unit's log, and how each fares.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	h, all, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	overview, err := service.Overview(s.settings.Service+"-units.json", all)
	if err != nil {
		return nil, err
	}
	return service.Evidence(s.settings.Service, overview, known(all), func(i, lines int) ([]string, error) {
		return h.tail(ctx, &all[i], lines)
	})
}

// stampFile says who changed the service's units last.
func (s *Step) stampFile() string {
	l := s.labels(service.Place{Colour: "stamp"}, 0)
	return l.files() + ".json"
}

// Stamp reads who changed the service's units last. Its error is of CodeRefused
// where no unit could run, so that a release is refused before its first step.
func (s *Step) Stamp(ctx context.Context) (*ripcord.Stamp, error) {
	h, err := s.host(ctx)
	if err != nil {
		return nil, err
	}
	if err := h.able(ctx, s.settings.User); err != nil {
		return nil, err
	}
	data, _, err := h.machine.ReadFile(ctx, s.stampFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // the contract: nil when it has none
	}
	if err != nil {
		return nil, fmt.Errorf("read the stamp of %s: %w", s.settings.Service, err)
	}
	var stamp ripcord.Stamp
	if err := json.Unmarshal(data, &stamp); err != nil {
		return nil, fmt.Errorf("read the stamp %s: %w", s.stampFile(), err)
	}
	return &stamp, nil
}

// SetStamp writes it.
func (s *Step) SetStamp(ctx context.Context, stamp ripcord.Stamp) error {
	h, err := s.host(ctx)
	if err != nil {
		return err
	}
	data, err := json.Marshal(stamp)
	if err != nil {
		return err
	}
	if _, err := h.run(ctx, "mkdir", "-p", "-m", "0711", ownFolder); err != nil {
		return err
	}
	if err := h.machine.WriteFile(ctx, s.stampFile(), data, 0o644); err != nil {
		return fmt.Errorf("write the stamp of %s: %w", s.settings.Service, err)
	}
	return nil
}
