package systemd

import (
	"regexp"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Settings are those of a deploy step with systemd units. Instances find
// Environment beside what systemd gives every service. Without Ports they get
// theirs from 20000-29999, which no kernel hands out for outgoing connections, so
// that an instance gets its port at boot as well.
type Settings struct {
	service.Settings
	// Restart is systemd's word: always (also for empty), on-failure or no.
	Restart string `json:"restart,omitempty"`
	Limits  Limits `json:"limits,omitzero"`
	// Machine is the one that the units run on; empty is this one.
	Machine string `json:"machine,omitempty"`
	// Address is the machine's own that instances listen on; empty is loopback.
	Address string `json:"address,omitempty"`

	ports service.Range
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
	if err := service.Decode(spec, Kind, &s); err != nil {
		return s, err
	}
	s.defaults()
	wrong := service.ProblemOf(spec)
	for _, check := range []func(service.Problem) error{s.names(scope), s.program, s.Numbers, s.paths, s.Artifacts, s.bounds} {
		if err := check(wrong); err != nil {
			return s, err
		}
	}
	var err error
	s.ports, err = service.PortsOf(s.Ports, wrong)
	return s, err
}

func (s *Settings) defaults() {
	s.Complete()
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
func (s *Settings) names(scope ripcord.Scope) func(service.Problem) error {
	return func(wrong service.Problem) error {
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
func (s *Settings) program(wrong service.Problem) error {
	if err := s.Program(wrong); err != nil || service.Open(s.Command[0]) {
		return err
	}
	if strings.ContainsAny(s.Command[0][:1], "@-:+!|") || strings.ContainsAny(s.Command[0], "$\n") {
		return wrong("name the program by a plain path", "the program %q begins with or holds a letter with a meaning of its own to systemd", s.Command[0])
	}
	return nil
}

func (s *Settings) paths(wrong service.Problem) error {
	if strings.ContainsAny(s.Directory, "\n\x00") {
		return wrong("choose another folder", "the directory %q holds a line break", s.Directory)
	}
	for name := range s.Environment {
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) || strings.HasPrefix(name, service.OwnPrefix) {
			return wrong("choose another name", "environment cannot set %q", name)
		}
	}
	if !service.Open(s.User) && !regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]*\$?|[0-9]+)?(:([A-Za-z_][A-Za-z0-9_.-]*|[0-9]+))?$`).MatchString(s.User) {
		return wrong(`write a name, or "uid:gid"`, "user is %q", s.User)
	}
	return nil
}

func (s *Settings) bounds(wrong service.Problem) error {
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

// digest stands for what was configured of a unit, however it comes to its place.
func (s *Settings) digest() string {
	own := *s
	own.Replace = nil
	return service.Digest(own)
}
