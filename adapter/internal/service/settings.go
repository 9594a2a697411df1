// Package service holds what is the same for everything that runs a service's
// instances: what is configured of them, their colours and ports, when they are
// healthy, and what later steps are told of them. Two colours take turns: a
// release starts its instances in the one that is free, beside the old ones,
// which keep running until the commit.
package service

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// OwnPrefix begins the names of the variables that Ripcord sets.
const OwnPrefix = "RIPCORD_"

// instancesLimit is how many instances one step starts at most.
const instancesLimit = 100

// Settings are those of a service whose release is files and a command.
//
// In command and environment stand ${instance.address} ("127.0.0.1:PORT"),
// ${instance.port}, ${instance.number} and ${release.directory}, the folder with
// the release's files as they were at the run's start.
type Settings struct {
	Service string `json:"service"`
	// Command starts one instance. A program that lies in the plan file's folder,
	// and each word that names an artifact, is taken from the release's directory.
	Command []string `json:"command"`
	// Instances is how many run side by side; 0 is 1.
	Instances int `json:"instances,omitempty"`
	// Directory is where instances run; relative to the plan file's folder.
	Directory string `json:"directory,omitempty"`
	// Environment is what instances find beside what the runtime gives all.
	Environment map[string]string `json:"environment,omitempty"`
	// User runs instances as somebody else, "name" or "uid:gid".
	User   string `json:"user,omitempty"`
	Health Health `json:"health,omitzero"`
	// Grace is the time between SIGTERM and SIGKILL; 0 is 10 seconds.
	Grace ripcord.Duration `json:"grace,omitempty"`
	// Artifact lists further files and folders that the release consists of,
	// relative to the plan file's folder.
	Artifact []string `json:"artifact,omitempty"`
	// Ports is the range that instances get theirs from, "20000-29999"; empty is
	// the runtime's own choice.
	Ports string `json:"ports,omitempty"`
	// Replace puts the instances in the places of the old ones; nil starts them
	// beside those.
	Replace *Replace `json:"replace,omitempty"`
}

// Problem makes the error for what is wrong with settings.
type Problem func(fix, format string, args ...any) error

// ProblemOf returns that of a step; its errors are of CodePlan.
func ProblemOf(spec ripcord.StepSpec) Problem {
	return func(fix, format string, args ...any) error {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: "+format, append([]any{spec.ID}, args...)...).WithFix("%s", fix)
	}
}

// Decode reads a spec's settings and refuses what they do not know. Its error is
// of CodePlan.
func Decode(spec ripcord.StepSpec, runtime string, settings any) error {
	decoder := json.NewDecoder(strings.NewReader(string(spec.Settings)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(settings); err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: %w", spec.ID, err).
			WithFix("compare the step's settings with those of runtime %s", runtime)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: text after the end of the settings", spec.ID)
	}
	return nil
}

// Complete fills in the defaults.
func (s *Settings) Complete() {
	s.Health.Complete()
	Default(&s.Grace, 10*time.Second)
	if s.Instances == 0 {
		s.Instances = 1
	}
}

// Default sets a time that is 0.
func Default(d *ripcord.Duration, to time.Duration) {
	if *d == 0 {
		*d = ripcord.Duration(to)
	}
}

// Numbers refuses numbers, times and a health that no instance could have.
func (s *Settings) Numbers(wrong Problem) error {
	if err := CountOf(s.Instances, wrong); err != nil {
		return err
	}
	if s.Grace < 0 {
		return wrong("use a positive number", "grace is negative")
	}
	if err := s.Replace.Refuse(s.Instances, wrong); err != nil {
		return err
	}
	return s.Health.Refuse(wrong)
}

// CountOf refuses a number of instances.
func CountOf(instances int, wrong Problem) error {
	if instances < 0 || instances > instancesLimit {
		return wrong("give a number from 1 to 100", "instances is %d", instances)
	}
	return nil
}

// Artifacts refuses files that lie outside of the plan file's folder.
func (s *Settings) Artifacts(wrong Problem) error {
	for _, path := range s.Artifact {
		if !filepath.IsLocal(path) && !Open(path) {
			return wrong("name files within the plan file's folder", "artifact %q lies outside", path)
		}
	}
	return nil
}

// Program refuses an empty command.
func (s *Settings) Program(wrong Problem) error {
	if len(s.Command) == 0 || s.Command[0] == "" {
		return wrong(`add "command"`, "there is no command that starts an instance")
	}
	return nil
}

// PortsOf reads the range of ports.
func PortsOf(text string, wrong Problem) (Range, error) {
	r, ok := ParseRange(text)
	if !ok {
		return r, wrong(`write a range like "20000-29999"`, "ports is %q", text)
	}
	return r, nil
}

// Open reports whether text still holds a reference and cannot be judged yet.
func Open(text string) bool { return strings.Contains(text, "${") }

// Range is a range of ports, both ends included; the zero Range is any port.
type Range struct{ First, Last int }

// ParseRange reads "FIRST-LAST"; any port is read of the empty text and of a
// reference that is not resolved yet.
func ParseRange(text string) (r Range, ok bool) {
	if text == "" || Open(text) {
		return r, true
	}
	from, to, pair := strings.Cut(text, "-")
	first, errFirst := strconv.Atoi(strings.TrimSpace(from))
	last, errLast := strconv.Atoi(strings.TrimSpace(to))
	return Range{first, last}, pair && errFirst == nil && errLast == nil && first > 0 && first <= last && last <= 65535
}
