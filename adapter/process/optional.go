package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// evidenceLines is how much of each instance's log is evidence.
const evidenceLines = 200

// Traits says that going back is exact: it stops the new instances, and the old
// ones never stopped.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Finishes = true
	traits.Reversal.How = fmt.Sprintf("stop the instances of %s that this release started (%s...): the old ones keep running until the commit", s.settings.Service, s.prefix())
	return traits
}

// Outputs are the addresses of this run's instances, separated by commas, and
// their colour; old_addresses, old_colour and old_version are those of the
// instances that were there before, and empty where there were none.
func (s *Step) Outputs(ctx context.Context, a ripcord.Attempt) (map[string]ripcord.Output, error) {
	p, ok, err := recorded(a.Progress)
	if err != nil {
		return nil, err
	}
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	own := s.own(all)
	found, colour, _ := told(own)
	if ok { // else found, not started by this attempt
		found, colour = addresses(p), p.Colour
	}
	old, oldColour, oldVersion := told(slices.DeleteFunc(all, func(i ripcord.InstanceStatus) bool {
		return i.Labels[labelColour] == colour
	}))
	return map[string]ripcord.Output{
		"addresses": {Value: found}, "colour": {Value: colour},
		"old_addresses": {Value: old}, "old_colour": {Value: oldColour}, "old_version": {Value: oldVersion},
	}, nil
}

// told is what later steps are told of a set of instances.
func told(instances []ripcord.InstanceStatus) (addresses, colour, version string) {
	words := make([]string, len(instances))
	for i := range instances {
		words[i] = instances[i].Labels[labelAddress]
		colour, version = instances[i].Labels[labelColour], instances[i].Labels[labelVersion]
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
	text := fmt.Sprintf("starts %s of %s %s", plural(s.settings.Instances, "instance"), s.settings.Service, s.scope.Version)
	if s.scope.Supervisor == nil {
		return text, nil
	}
	all, err := s.list(ctx)
	if err != nil {
		return text, nil //nolint:nilerr // what runs now is an extra
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

// Evidence is the newest part of each instance's log, and how each fares.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	overview, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	pieces := []ripcord.Evidence{{Name: s.settings.Service + "-instances.json", Data: overview}}
	var gaps []error
	for i := range all {
		lines, err := s.scope.Supervisor.Tail(ctx, all[i].ID, evidenceLines)
		if err != nil {
			gaps = append(gaps, fmt.Errorf("log of %s: %w", all[i].ID, err))
			continue
		}
		name := fmt.Sprintf("%s-%s-%d.log", s.settings.Service, all[i].Labels[labelColour], number(all[i].ID))
		pieces = append(pieces, ripcord.Evidence{Name: name, Data: []byte(strings.Join(lines, "\n") + "\n")})
	}
	return pieces, errors.Join(gaps...)
}
