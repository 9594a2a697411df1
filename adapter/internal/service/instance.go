package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// evidenceLines is how much of each instance's log is evidence.
const evidenceLines = 200

// Instance is one that is there, with what is known of it whatever runs it.
type Instance struct {
	Colour, Run, Version, Address string
	Number                        int
}

// Of returns the instances of one run.
func Of(run ripcord.RunID, all []Instance) []Instance {
	var own []Instance
	for i := range all {
		if all[i].Run == string(run) {
			own = append(own, all[i])
		}
	}
	return own
}

// Outputs are what later steps are told: the addresses of this run's instances,
// separated by commas, and their colour; old_addresses, old_colour and
// old_version are those of the instances that were there before, and empty where
// there were none.
func Outputs(progress []json.RawMessage, run ripcord.RunID, all []Instance) (map[string]ripcord.Output, error) {
	p, ok, err := Recorded(progress)
	if err != nil {
		return nil, err
	}
	found, colour, _ := told(Of(run, all))
	if ok { // else found, not started by this attempt
		found, colour = p.Addresses(), p.Colour
	}
	var before []Instance
	for i := range all {
		if all[i].Colour != colour {
			before = append(before, all[i])
		}
	}
	old, oldColour, oldVersion := told(before)
	return map[string]ripcord.Output{
		"addresses": {Value: found}, "colour": {Value: colour},
		"old_addresses": {Value: old}, "old_colour": {Value: oldColour}, "old_version": {Value: oldVersion},
	}, nil
}

// told is what later steps are told of a set of instances.
func told(instances []Instance) (addresses, colour, version string) {
	words := make([]string, len(instances))
	for i := range instances {
		words[i] = instances[i].Address
		colour, version = instances[i].Colour, instances[i].Version
	}
	return strings.Join(words, ","), colour, version
}

// Evidence is an overview, and the newest part of each instance's log, which tail
// reads by the instance's place in all.
func Evidence(service string, overview ripcord.Evidence, all []Instance, tail func(i, lines int) ([]string, error)) ([]ripcord.Evidence, error) {
	pieces := []ripcord.Evidence{overview}
	var gaps []error
	for i := range all {
		lines, err := tail(i, evidenceLines)
		if err != nil {
			gaps = append(gaps, fmt.Errorf("log of %s %s %d: %w", service, all[i].Colour, all[i].Number, err))
			continue
		}
		name := fmt.Sprintf("%s-%s-%d.log", service, all[i].Colour, all[i].Number)
		pieces = append(pieces, ripcord.Evidence{Name: name, Data: []byte(strings.Join(lines, "\n") + "\n")})
	}
	return pieces, errors.Join(gaps...)
}

// Overview is a piece of evidence in JSON.
func Overview(name string, of any) (ripcord.Evidence, error) {
	data, err := json.MarshalIndent(of, "", "  ")
	return ripcord.Evidence{Name: name, Data: data}, err
}

// Note writes one line to a step's log.
func Note(output io.Writer, format string, args ...any) {
	if output != nil {
		_, _ = fmt.Fprintf(output, format+"\n", args...) // the log must not stop the effect
	}
}

// Plural says how many.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
