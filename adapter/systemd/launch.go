package systemd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// labels are those of one of this run's units; number 0 is none in particular.
func (s *Step) labels(p service.Place, number int) labels {
	l := labels{
		Application: s.scope.Application, Environment: s.scope.Environment, Service: s.settings.Service,
		Colour: p.Colour, Number: number, Run: string(s.scope.Run), Version: s.scope.Version, Command: s.settings.digest(),
	}
	if number > 0 {
		l.Address = p.Address(number)
	}
	return l
}

// definition makes one unit.
func (s *Step) definition(ctx context.Context, p service.Place, number int) (*definition, error) {
	l := s.labels(p, number)
	argv, err := s.kept(l.files())
	if err != nil {
		return nil, err
	}
	fill := service.NewFiller(ctx, s.scope.Secrets, p.Address(number), number, l.files())
	d := &definition{
		labels: l, directory: s.directory(l.files()), grace: s.settings.Grace.Std().Seconds(), restart: s.settings.Restart, limits: s.settings.Limits,
		environment: service.Variables(s.scope, s.settings.Service, p.Colour, p.Address(number), number),
	}
	d.user, d.group, _ = strings.Cut(s.settings.User, ":")
	for _, text := range argv {
		known := len(fill.Values)
		filled := fill.In(text)
		d.argv = append(d.argv, word{text: filled, secret: len(fill.Values) > known})
	}
	for _, name := range slices.Sorted(maps.Keys(s.settings.Environment)) {
		d.environment = append(d.environment, service.Variable{Name: name, Value: fill.In(s.settings.Environment[name])})
	}
	d.secrets = fill.Values
	if fill.Err != nil {
		return nil, fill.Err
	}
	return d, d.possible()
}

// possible fails for texts that systemd would silently leave out.
func (d *definition) possible() error {
	refuse := func(format string, args ...any) error {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: fmt.Sprintf(format, args...)}
	}
	for i, w := range d.argv {
		if strings.IndexFunc(w.text, control) >= 0 {
			return refuse("word %d of the command of %s holds a control character, which systemd does not take", i+1, d.labels.Service)
		}
		if i == 0 && (w.secret || w.text == "" || strings.ContainsAny(w.text[:1], "@-:+!|") || strings.Contains(w.text, "$")) {
			return refuse("the program of %s cannot be named to systemd: use a plain path without secrets", d.labels.Service)
		}
	}
	for _, v := range d.environment {
		if strings.IndexFunc(v.Value, control) >= 0 {
			return refuse("the variable %s of %s holds a control character, which systemd does not take", v.Name, d.labels.Service)
		}
	}
	return nil
}

func control(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\uFFFD' }
