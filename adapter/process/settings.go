package process

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

// Settings are those of a deploy step with processes.
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
	// Environment is what instances find beside PATH, HOME and their like: they
	// do not inherit the rest, so that a restart finds what the start found.
	Environment map[string]string `json:"environment,omitempty"`
	// User runs instances as somebody else, "name" or "uid:gid".
	User   string `json:"user,omitempty"`
	Health Health `json:"health,omitzero"`
	// Grace is the time between SIGTERM and SIGKILL; 0 is 10 seconds.
	Grace ripcord.Duration `json:"grace,omitempty"`
	// Artifact lists further files and folders that the release consists of,
	// relative to the plan file's folder.
	Artifact []string `json:"artifact,omitempty"`
	// Ports is the range that instances get theirs from, "20000-29999"; empty
	// takes any free one.
	Ports string `json:"ports,omitempty"`

	firstPort, lastPort int
}

// Health says when an instance is healthy.
type Health struct {
	// HTTP is a path that answers with a status of 2xx.
	HTTP string `json:"http,omitempty"`
	// TCP only connects. With neither, an instance is healthy when it runs: a
	// worker need not listen.
	TCP bool `json:"tcp,omitempty"`
	// Interval is the time between two probes; 0 is 0.2 s.
	Interval ripcord.Duration `json:"interval,omitempty"`
	// Timeout ends one probe; 0 is 2 s.
	Timeout ripcord.Duration `json:"timeout,omitempty"`
	// StartTimeout is how long an instance may take to become healthy; 0 is 30 s.
	StartTimeout ripcord.Duration `json:"start_timeout,omitempty"`
	// Successes is how many probes in a row make an instance healthy; 0 is 2.
	Successes int `json:"successes,omitempty"`
}

func decode(spec ripcord.StepSpec) (Settings, error) {
	var s Settings
	decoder := json.NewDecoder(strings.NewReader(string(spec.Settings)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: %w", spec.ID, err).
			WithFix("compare the step's settings with those of runtime process")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: text after the end of the settings", spec.ID)
	}
	s.defaults()
	return s, s.validate(spec)
}

func (s *Settings) defaults() {
	set := func(d *ripcord.Duration, to time.Duration) {
		if *d == 0 {
			*d = ripcord.Duration(to)
		}
	}
	set(&s.Grace, 10*time.Second)
	set(&s.Health.Interval, 200*time.Millisecond)
	set(&s.Health.Timeout, 2*time.Second)
	set(&s.Health.StartTimeout, 30*time.Second)
	if s.Health.Successes == 0 {
		s.Health.Successes = 2
	}
	if s.Instances == 0 {
		s.Instances = 1
	}
}

// instancesLimit is how many instances one step starts at most.
const instancesLimit = 100

func (s *Settings) validate(spec ripcord.StepSpec) error {
	wrong := func(fix, format string, args ...any) error {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: "+format, append([]any{spec.ID}, args...)...).WithFix("%s", fix)
	}
	switch {
	case s.Service == "" || strings.Contains(s.Service, "/"):
		return wrong("name the service without slashes", "service is %q", s.Service)
	case len(s.Command) == 0 || s.Command[0] == "":
		return wrong(`add "command"`, "there is no command that starts an instance")
	case s.Instances < 0 || s.Instances > instancesLimit:
		return wrong("give a number from 1 to 100", "instances is %d", s.Instances)
	case s.Health.HTTP != "" && s.Health.TCP:
		return wrong("keep one of them", "health has both http and tcp")
	case s.Health.HTTP != "" && !strings.HasPrefix(s.Health.HTTP, "/") && !strings.HasPrefix(s.Health.HTTP, "${"):
		return wrong("begin the path with a slash", "health.http is %q", s.Health.HTTP)
	case s.Health.Successes < 0 || s.Health.Interval < 0 || s.Health.Timeout < 0 || s.Health.StartTimeout < 0 || s.Grace < 0:
		return wrong("use positive numbers", "a time or number is negative")
	}
	for name := range s.Environment {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.HasPrefix(name, ownPrefix) {
			return wrong("choose another name", "environment cannot set %q", name)
		}
	}
	for _, path := range s.Artifact {
		if !filepath.IsLocal(path) && !strings.Contains(path, "${") {
			return wrong("name files within the plan file's folder", "artifact %q lies outside", path)
		}
	}
	var ok bool
	if s.firstPort, s.lastPort, ok = parsePorts(s.Ports); !ok {
		return wrong(`write a range like "20000-29999"`, "ports is %q", s.Ports)
	}
	return nil
}

// parsePorts reads "FIRST-LAST"; both are 0 for the empty text, which takes any
// port, and for a reference that is not resolved yet.
func parsePorts(text string) (first, last int, ok bool) {
	if text == "" || strings.Contains(text, "${") {
		return 0, 0, true
	}
	from, to, pair := strings.Cut(text, "-")
	first, errFirst := strconv.Atoi(strings.TrimSpace(from))
	last, errLast := strconv.Atoi(strings.TrimSpace(to))
	return first, last, pair && errFirst == nil && errLast == nil && first > 0 && first <= last && last <= 65535
}
