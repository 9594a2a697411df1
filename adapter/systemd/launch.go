package systemd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// labels are those of one of this run's units; number 0 is none in particular.
func (s *Step) labels(p place, number int) labels {
	l := labels{
		Application: s.scope.Application, Environment: s.scope.Environment, Service: s.settings.Service,
		Colour: p.Colour, Number: number, Run: string(s.scope.Run), Version: s.scope.Version, Command: s.digest(),
	}
	if number > 0 {
		l.Address = p.address(number)
	}
	return l
}

// definition makes one unit.
func (s *Step) definition(ctx context.Context, p place, number int) (*definition, error) {
	l := s.labels(p, number)
	argv, err := s.kept(l.files())
	if err != nil {
		return nil, err
	}
	fill := &filler{ctx: ctx, secrets: s.scope.Secrets, replace: strings.NewReplacer(
		"${instance.address}", l.Address,
		"${instance.port}", strconv.Itoa(p.Ports[number-1]),
		"${instance.number}", strconv.Itoa(number),
		"${release.directory}", l.files(),
	)}
	d := &definition{
		labels: l, directory: s.directory(), grace: s.settings.Grace.Std().Seconds(), restart: s.settings.Restart, limits: s.settings.Limits,
		environment: []variable{
			{ownPrefix + "ADDRESS", l.Address},
			{ownPrefix + "APPLICATION", l.Application},
			{ownPrefix + "COLOUR", l.Colour},
			{ownPrefix + "ENVIRONMENT", l.Environment},
			{ownPrefix + "INSTANCE", strconv.Itoa(number)},
			{ownPrefix + "RUN", l.Run},
			{ownPrefix + "SERVICE", l.Service},
			{ownPrefix + "VERSION", l.Version},
		},
	}
	d.user, d.group, _ = strings.Cut(s.settings.User, ":")
	for _, text := range argv {
		known := len(fill.values)
		filled := fill.in(text)
		d.argv = append(d.argv, word{text: filled, secret: len(fill.values) > known})
	}
	for _, name := range slices.Sorted(maps.Keys(s.settings.Environment)) {
		d.environment = append(d.environment, variable{name, fill.in(s.settings.Environment[name])})
	}
	d.secrets = fill.values
	if fill.err != nil {
		return nil, fill.err
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
		if strings.IndexFunc(v.value, control) >= 0 {
			return refuse("the variable %s of %s holds a control character, which systemd does not take", v.name, d.labels.Service)
		}
	}
	return nil
}

func control(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\uFFFD' }

// filler replaces references in texts and remembers the secrets among them.
type filler struct {
	ctx     context.Context //nolint:containedctx // lives for one call
	secrets ripcord.Secrets
	replace *strings.Replacer
	values  []string
	err     error
}

func (f *filler) in(text string) string {
	if f.err != nil {
		return ""
	}
	// Secrets come last: their values are taken as they are.
	expanded, values, err := f.secrets.Expand(f.ctx, f.replace.Replace(text))
	f.values, f.err = append(f.values, values...), err
	return expanded
}

// digest stands for what was configured, with references in place of secrets.
func (s *Step) digest() string {
	raw, err := json.Marshal(s.settings)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:6])
}
