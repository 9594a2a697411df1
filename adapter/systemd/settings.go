package systemd

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// ownPrefix begins the names of the variables that Ripcord sets.
const ownPrefix = "RIPCORD_"

// Settings are those of a deploy step with systemd units. They are those of
// runtime process, and Restart and Limits.
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
	// Environment is what instances find beside what systemd gives every service.
	Environment map[string]string `json:"environment,omitempty"`
	// User runs instances as somebody else, "name" or "uid:gid".
	User   string `json:"user,omitempty"`
	Health Health `json:"health,omitzero"`
	// Grace is the time between SIGTERM and SIGKILL; 0 is 10 seconds.
	Grace ripcord.Duration `json:"grace,omitempty"`
	// Artifact lists further files and folders that the release consists of,
	// relative to the plan file's folder.
	Artifact []string `json:"artifact,omitempty"`
	// Ports is the range that instances get theirs from; empty is 20000-29999,
	// which no kernel hands out for outgoing connections, so that an instance gets
	// its port at boot as well.
	Ports string `json:"ports,omitempty"`
	// Restart is systemd's word: always (also for empty), on-failure or no.
	Restart string `json:"restart,omitempty"`
	Limits  Limits `json:"limits,omitzero"`

	firstPort, lastPort int
}

// Health says when an instance is healthy. Without HTTP and TCP it is when it runs.
type Health struct {
	// HTTP is a path that answers with a status of 2xx.
	HTTP string `json:"http,omitempty"`
	// TCP connects only.
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

// Limits are those of one instance; empty is none beyond systemd's own.
type Limits struct {
	// Memory is a size such as "512M"; the instance is killed above it.
	Memory string `json:"memory,omitempty"`
	// CPU is a share of one processor, "150%".
	CPU string `json:"cpu,omitempty"`
	// Tasks is how many threads and processes there may be.
	Tasks int `json:"tasks,omitempty"`
	// Files is how many files may be open.
	Files int `json:"files,omitempty"`
}

func decode(spec ripcord.StepSpec, scope ripcord.Scope) (Settings, error) {
	var s Settings
	decoder := json.NewDecoder(strings.NewReader(string(spec.Settings)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: %w", spec.ID, err).
			WithFix("compare the step's settings with those of runtime systemd")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: text after the end of the settings", spec.ID)
	}
	s.defaults()
	wrong := func(fix, format string, args ...any) error {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: "+format, append([]any{spec.ID}, args...)...).WithFix("%s", fix)
	}
	for _, check := range []func(problem) error{s.names(scope), s.program, s.numbers, s.paths, s.bounds} {
		if err := check(wrong); err != nil {
			return s, err
		}
	}
	return s, nil
}

// problem makes the error for what is wrong.
type problem func(fix, format string, args ...any) error

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
	if s.Restart == "" {
		s.Restart = "always"
	}
	if s.Ports == "" {
		s.Ports = "20000-29999"
	}
}

// nameLimit is how long the parts of a unit's name may be together: systemd
// takes 255 bytes, of which prefix, colour, number and suffix need some.
const nameLimit = 200

// names checks what becomes part of a unit's name.
func (s *Settings) names(scope ripcord.Scope) func(problem) error {
	return func(wrong problem) error {
		plain := regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
		for _, part := range []struct{ what, name string }{
			{"service", s.Service}, {"application", scope.Application}, {"environment", scope.Environment},
		} {
			if !plain.MatchString(part.name) {
				return wrong("use letters, digits, dots, dashes and underscores: the name becomes part of a systemd unit's",
					"the %s is named %q, which no systemd unit can be", part.what, part.name)
			}
		}
		if len(s.Service)+len(scope.Application)+len(scope.Environment) > nameLimit {
			return wrong("choose shorter names", "the names of application, environment and service have more than %d letters together", nameLimit)
		}
		return nil
	}
}

// program checks the command as far as it is known before the run.
func (s *Settings) program(wrong problem) error {
	if len(s.Command) == 0 || s.Command[0] == "" {
		return wrong(`add "command"`, "there is no command that starts an instance")
	}
	if open(s.Command[0]) {
		return nil
	}
	if strings.ContainsAny(s.Command[0][:1], "@-:+!|") || strings.ContainsAny(s.Command[0], "$\n") {
		return wrong("name the program by a plain path", "the program %q begins with or holds a letter with a meaning of its own to systemd", s.Command[0])
	}
	return nil
}

// instancesLimit is how many instances one step starts at most.
const instancesLimit = 100

func (s *Settings) numbers(wrong problem) error {
	switch {
	case s.Instances < 0 || s.Instances > instancesLimit:
		return wrong("give a number from 1 to 100", "instances is %d", s.Instances)
	case s.Health.HTTP != "" && s.Health.TCP:
		return wrong("keep one of them", "health has both http and tcp")
	case s.Health.HTTP != "" && !strings.HasPrefix(s.Health.HTTP, "/") && !strings.HasPrefix(s.Health.HTTP, "${"):
		return wrong("begin the path with a slash", "health.http is %q", s.Health.HTTP)
	case s.Health.Successes < 0 || s.Health.Interval < 0 || s.Health.Timeout < 0 || s.Health.StartTimeout < 0 || s.Grace < 0:
		return wrong("use positive numbers", "a time or number is negative")
	}
	var ok bool
	if s.firstPort, s.lastPort, ok = parsePorts(s.Ports); !ok {
		return wrong(`write a range like "20000-29999"`, "ports is %q", s.Ports)
	}
	return nil
}

func (s *Settings) paths(wrong problem) error {
	if strings.ContainsAny(s.Directory, "\n\x00") {
		return wrong("choose another folder", "the directory %q holds a line break", s.Directory)
	}
	for name := range s.Environment {
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) || strings.HasPrefix(name, ownPrefix) {
			return wrong("choose another name", "environment cannot set %q", name)
		}
	}
	for _, path := range s.Artifact {
		if !filepath.IsLocal(path) && !open(path) {
			return wrong("name files within the plan file's folder", "artifact %q lies outside", path)
		}
	}
	if !open(s.User) && !regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]*\$?|[0-9]+)?(:([A-Za-z_][A-Za-z0-9_.-]*|[0-9]+))?$`).MatchString(s.User) {
		return wrong(`write a name, or "uid:gid"`, "user is %q", s.User)
	}
	return nil
}

func (s *Settings) bounds(wrong problem) error {
	restarts := []string{"always", "on-failure", "no"}
	switch {
	case !slices.Contains(restarts, s.Restart):
		return wrong("use always, on-failure or no", "restart is %q", s.Restart)
	case s.Limits.Memory != "" && !regexp.MustCompile(`^[1-9][0-9]*[KMGT]?$`).MatchString(s.Limits.Memory):
		return wrong("write a size such as 512M or 2G", "limits.memory is %q", s.Limits.Memory)
	case s.Limits.CPU != "" && !regexp.MustCompile(`^[1-9][0-9]*%$`).MatchString(s.Limits.CPU):
		return wrong("write a share of one processor such as 50% or 200%", "limits.cpu is %q", s.Limits.CPU)
	case s.Limits.Tasks < 0 || s.Limits.Files < 0:
		return wrong("use positive numbers", "a limit is negative")
	}
	return nil
}

// open reports whether text still holds a reference and cannot be judged yet.
func open(text string) bool { return strings.Contains(text, "${") }

// parsePorts reads "FIRST-LAST"; both are 0 for a reference that is not resolved
// yet.
func parsePorts(text string) (first, last int, ok bool) {
	if open(text) {
		return 0, 0, true
	}
	from, to, pair := strings.Cut(text, "-")
	first, errFirst := strconv.Atoi(strings.TrimSpace(from))
	last, errLast := strconv.Atoi(strings.TrimSpace(to))
	return first, last, pair && errFirst == nil && errLast == nil && first > 0 && first <= last && last <= 65535
}
