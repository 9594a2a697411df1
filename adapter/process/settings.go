package process

import (
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Settings are those of a deploy step with processes. Instances find PATH, HOME
// and their like beside Environment: they do not inherit the rest, so that a
// restart finds what the start found. Without Ports they get any free one.
type Settings struct {
	service.Settings

	ports service.Range
}

func decode(spec ripcord.StepSpec) (Settings, error) {
	var s Settings
	if err := service.Decode(spec, Kind, &s); err != nil {
		return s, err
	}
	s.Complete()
	return s, s.validate(service.ProblemOf(spec))
}

func (s *Settings) validate(wrong service.Problem) (err error) {
	if s.Service == "" || strings.Contains(s.Service, "/") {
		return wrong("name the service without slashes", "service is %q", s.Service)
	}
	for _, check := range []func(service.Problem) error{s.Program, s.Numbers, s.variables, s.Artifacts} {
		if err := check(wrong); err != nil {
			return err
		}
	}
	s.ports, err = service.PortsOf(s.Ports, wrong)
	return err
}

func (s *Settings) variables(wrong service.Problem) error {
	for name := range s.Environment {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.HasPrefix(name, service.OwnPrefix) {
			return wrong("choose another name", "environment cannot set %q", name)
		}
	}
	return nil
}

// digest stands for what was configured of an instance, however it comes to its
// place.
func (s *Settings) digest() string {
	own := *s
	own.Replace = nil
	return service.Digest(own)
}
