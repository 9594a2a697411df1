package process

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// inherited are the variables that instances get from the executor.
func inherited() []string {
	return []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"}
}

// Files returns what the bundle must hold for this step, relative to the plan
// file's folder: the program and the artifacts.
func (s *Step) Files() []string { return s.settings.Files(s.scope.Directory) }

// inFolder returns the path of a program relative to the plan file's folder; ok
// is false when it lies elsewhere and is not the release's.
func (s *Step) inFolder(word string) (path string, ok bool) {
	return s.settings.InFolder(s.scope.Directory, word)
}

// directory is where instances run.
func (s *Step) directory() string { return s.settings.WorkingFolder(s.scope.Directory) }

// instance makes the supervisor's order for one instance.
func (s *Step) instance(ctx context.Context, p service.Place, number int) (ripcord.Instance, error) {
	argv, err := s.settings.Kept(s.scope.Directory, s.scope.Bundle, s.scope.Bundle, os.Stat)
	if err != nil {
		return ripcord.Instance{}, err
	}
	fill := service.NewFiller(ctx, s.scope.Secrets, p.Address(number), number, s.scope.Bundle)
	for i := range argv {
		argv[i] = fill.In(argv[i])
	}
	env := s.environment(p, number)
	for _, name := range slices.Sorted(maps.Keys(s.settings.Environment)) {
		env = append(env, name+"="+fill.In(s.settings.Environment[name]))
	}
	if fill.Err != nil {
		return ripcord.Instance{}, fill.Err
	}
	return ripcord.Instance{
		ID: s.id(p.Colour, number), Args: argv, Dir: s.directory(), Env: env, User: s.settings.User,
		Secrets: fill.Values, Grace: s.settings.Grace,
		Labels: map[string]string{
			labelApplication: s.scope.Application, labelEnvironment: s.scope.Environment, labelService: s.settings.Service,
			labelColour: p.Colour, labelRun: string(s.scope.Run), labelVersion: s.scope.Version,
			labelCommand: s.settings.digest(), labelAddress: p.Address(number),
		},
	}, nil
}

// environment is what every instance finds.
func (s *Step) environment(p service.Place, number int) []string {
	var env []string
	for _, variable := range s.environ() {
		name, _, _ := strings.Cut(variable, "=")
		if _, replaced := s.settings.Environment[name]; !replaced && slices.Contains(inherited(), name) {
			env = append(env, variable)
		}
	}
	slices.Sort(env)
	for _, variable := range service.Variables(s.scope, s.settings.Service, p.Colour, p.Address(number), number) {
		env = append(env, variable.Name+"="+variable.Value)
	}
	return env
}
