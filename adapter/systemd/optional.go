package systemd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// evidenceLines is how much of each unit's log is evidence.
const evidenceLines = 200

// Traits says that going back is exact: it removes the new units, and the old
// ones never stopped.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Finishes = true
	l := s.labels(place{}, 0)
	traits.Reversal.How = fmt.Sprintf("stop the units ripcord-%s-%s-%s-* that this release started, and remove them from %s: the old ones keep running until the commit",
		l.Application, l.Environment, l.Service, unitFolder)
	return traits
}

// Outputs are the addresses of this run's units, separated by commas, and their
// colour; old_addresses, old_colour and old_version are those of the units that
// were there before, and empty where there were none.
func (s *Step) Outputs(ctx context.Context, a ripcord.Attempt) (map[string]ripcord.Output, error) {
	p, ok, err := recorded(a.Progress)
	if err != nil {
		return nil, err
	}
	_, all, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	found, colour, _ := told(s.own(all))
	if ok { // else found, not started by this attempt
		found, colour = addresses(p), p.Colour
	}
	old, oldColour, oldVersion := told(slices.DeleteFunc(all, func(u unit) bool { return u.Colour == colour }))
	return map[string]ripcord.Output{
		"addresses": {Value: found}, "colour": {Value: colour},
		"old_addresses": {Value: old}, "old_colour": {Value: oldColour}, "old_version": {Value: oldVersion},
	}, nil
}

// told is what later steps are told of a set of units.
func told(units []unit) (addresses, colour, version string) {
	words := make([]string, len(units))
	for i := range units {
		words[i] = units[i].Address
		colour, version = units[i].Colour, units[i].Version
	}
	return strings.Join(words, ","), colour, version
}

func addresses(p place) string {
	words := make([]string, len(p.Ports))
	for i := range p.Ports {
		words[i] = p.address(i + 1)
	}
	return strings.Join(words, ",")
}

// Explain says what would start, and beside what.
func (s *Step) Explain(ctx context.Context) (string, error) {
	text := fmt.Sprintf("starts %s of %s %s", plural(s.settings.Instances, "unit"), s.settings.Service, s.scope.Version)
	h, all, err := s.service(ctx)
	if err == nil {
		err = h.able(ctx, s.settings.User)
	}
	if err != nil {
		return "", err
	}
	colour, err := s.freeColour(ripcord.Observation{}, all)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return text + " in " + colour, nil
	}
	return text + " in " + colour + ", beside " + strings.TrimPrefix(s.described(setsOf(all)), s.settings.Service+": "), nil
}

// Evidence is the newest part of each unit's log, and how each fares.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	h, all, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	overview, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	pieces := []ripcord.Evidence{{Name: s.settings.Service + "-units.json", Data: overview}}
	var gaps []error
	for i := range all {
		lines, err := h.tail(ctx, &all[i], evidenceLines)
		if err != nil {
			gaps = append(gaps, fmt.Errorf("log of %s: %w", all[i].Name, err))
			continue
		}
		name := fmt.Sprintf("%s-%s-%d.log", s.settings.Service, all[i].Colour, all[i].Number)
		pieces = append(pieces, ripcord.Evidence{Name: name, Data: []byte(strings.Join(lines, "\n") + "\n")})
	}
	return pieces, errors.Join(gaps...)
}

// stampFile says who changed the service's units last.
func (s *Step) stampFile() string {
	l := s.labels(place{Colour: "stamp"}, 0)
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
