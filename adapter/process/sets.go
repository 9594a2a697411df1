package process

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// The labels that instances carry.
const (
	labelApplication = "application"
	labelEnvironment = "environment"
	labelService     = "service"
	labelColour      = "colour"
	labelRun         = "run"
	labelVersion     = "version"
	labelCommand     = "command" // a digest of what was configured
	labelAddress     = "address"
)

// set is the instances of one service that one run started. The image of a
// service is the list of its sets: what is wanted, not how it fares.
type set struct {
	Colour    string `json:"colour"`
	Run       string `json:"run"`
	Version   string `json:"version"`
	Command   string `json:"command"`
	Instances int    `json:"instances"`
}

// prefix begins the IDs of all instances of the service.
func (s *Step) prefix() string {
	return s.scope.Application + "/" + s.scope.Environment + "/" + s.settings.Service + "/"
}

func (s *Step) id(colour string, number int) string {
	return s.prefix() + colour + "/" + strconv.Itoa(number)
}

// number is the last part of an instance's ID.
func number(id string) int {
	n, err := strconv.Atoi(id[strings.LastIndexByte(id, '/')+1:])
	if err != nil {
		return 0
	}
	return n
}

// list returns the service's wanted instances, by colour and number.
func (s *Step) list(ctx context.Context) ([]ripcord.InstanceStatus, error) {
	all, err := s.scope.Supervisor.List(ctx, s.prefix())
	if err != nil {
		return nil, fmt.Errorf("list the instances of %s: %w", s.settings.Service, err)
	}
	slices.SortFunc(all, func(a, b ripcord.InstanceStatus) int {
		return cmp.Or(cmp.Compare(a.Labels[labelColour], b.Labels[labelColour]), cmp.Compare(number(a.ID), number(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// mine reports whether this step's run started the instance.
func (s *Step) mine(i *ripcord.InstanceStatus) bool {
	return i.Labels[labelRun] == string(s.scope.Run)
}

// setsOf groups instances.
func setsOf(instances []ripcord.InstanceStatus) []set {
	sets := []set{}
	for i := range instances {
		labels := instances[i].Labels
		next := set{Colour: labels[labelColour], Run: labels[labelRun], Version: labels[labelVersion], Command: labels[labelCommand]}
		at := slices.IndexFunc(sets, func(have set) bool {
			have.Instances = 0
			return have == next
		})
		if at < 0 {
			sets, at = append(sets, next), len(sets)
		}
		sets[at].Instances++
	}
	slices.SortFunc(sets, func(a, b set) int {
		return cmp.Or(cmp.Compare(a.Colour, b.Colour), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Command, b.Command))
	})
	return sets
}

// imageOf is the canonical form of sets.
func imageOf(sets []set) ([]byte, error) { return json.Marshal(sets) }

// parseImage is the inverse of imageOf.
func parseImage(image []byte) (sets []set, err error) {
	err = service.ParseImage(image, &sets)
	return sets, err
}
