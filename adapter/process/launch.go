package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// ownPrefix begins the names of the variables that Ripcord sets.
const ownPrefix = "RIPCORD_"

// inherited are the variables that instances get from the executor.
func inherited() []string {
	return []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"}
}

// Files returns what the bundle must hold for this step, relative to the plan
// file's folder: the program and the artifacts.
func (s *Step) Files() []string {
	files := slices.Clone(s.settings.Artifact)
	if path, ok := s.inFolder(s.settings.Command[0]); ok {
		files = append(files, path)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// inFolder returns the path of a program relative to the plan file's folder; ok
// is false when it lies elsewhere and is not the release's.
func (s *Step) inFolder(word string) (path string, ok bool) {
	if !strings.Contains(word, "/") || strings.Contains(word, "${") {
		return "", false
	}
	if !filepath.IsAbs(word) {
		word = filepath.Join(s.directory(), word)
	}
	path, err := filepath.Rel(s.scope.Directory, word)
	return path, err == nil && filepath.IsLocal(path)
}

// directory is where instances run.
func (s *Step) directory() string {
	if filepath.IsAbs(s.settings.Directory) {
		return filepath.Clean(s.settings.Directory)
	}
	return filepath.Join(s.scope.Directory, s.settings.Directory)
}

// kept replaces the words of the command that belong to the release by their
// copies: the next version overwrites the originals while these still run.
func (s *Step) kept() ([]string, error) {
	argv := slices.Clone(s.settings.Command)
	for i, word := range argv {
		path, ok := s.inFolder(word)
		if i > 0 {
			path, ok = s.artifact(word)
		}
		if !ok {
			continue
		}
		argv[i] = filepath.Join(s.scope.Bundle, path)
		if _, err := os.Stat(argv[i]); err != nil {
			return nil, &ripcord.Failure{
				Class: ripcord.FailedTarget, Final: true,
				Summary: fmt.Sprintf("%s is not among the files that were kept when the run began: %v", path, err),
			}
		}
	}
	return argv, nil
}

// artifact reports whether a word names an artifact or a file within one.
func (s *Step) artifact(word string) (path string, ok bool) {
	path = filepath.Clean(word)
	for _, artifact := range s.settings.Artifact {
		rel, err := filepath.Rel(filepath.Clean(artifact), path)
		if err == nil && filepath.IsLocal(rel) {
			return path, true
		}
	}
	return "", false
}

// instance makes the supervisor's order for one instance.
func (s *Step) instance(ctx context.Context, p place, number int) (ripcord.Instance, error) {
	argv, err := s.kept()
	if err != nil {
		return ripcord.Instance{}, err
	}
	address := p.address(number)
	fill := &filler{ctx: ctx, secrets: s.scope.Secrets, replace: strings.NewReplacer(
		"${instance.address}", address,
		"${instance.port}", strconv.Itoa(p.Ports[number-1]),
		"${instance.number}", strconv.Itoa(number),
		"${release.directory}", s.scope.Bundle,
	)}
	for i := range argv {
		argv[i] = fill.in(argv[i])
	}
	env := s.environment(p.Colour, number, address)
	for _, name := range slices.Sorted(maps.Keys(s.settings.Environment)) {
		env = append(env, name+"="+fill.in(s.settings.Environment[name]))
	}
	if fill.err != nil {
		return ripcord.Instance{}, fill.err
	}
	return ripcord.Instance{
		ID: s.id(p.Colour, number), Args: argv, Dir: s.directory(), Env: env, User: s.settings.User,
		Secrets: fill.values, Grace: s.settings.Grace,
		Labels: map[string]string{
			labelApplication: s.scope.Application, labelEnvironment: s.scope.Environment, labelService: s.settings.Service,
			labelColour: p.Colour, labelRun: string(s.scope.Run), labelVersion: s.scope.Version,
			labelCommand: s.digest(), labelAddress: address,
		},
	}, nil
}

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

// environment is what every instance finds.
func (s *Step) environment(colour string, number int, address string) []string {
	var env []string
	for _, variable := range s.environ() {
		name, _, _ := strings.Cut(variable, "=")
		if _, replaced := s.settings.Environment[name]; !replaced && slices.Contains(inherited(), name) {
			env = append(env, variable)
		}
	}
	slices.Sort(env)
	return append(env,
		ownPrefix+"ADDRESS="+address, ownPrefix+"APPLICATION="+s.scope.Application, ownPrefix+"COLOUR="+colour,
		ownPrefix+"ENVIRONMENT="+s.scope.Environment, ownPrefix+"INSTANCE="+strconv.Itoa(number),
		ownPrefix+"RUN="+string(s.scope.Run), ownPrefix+"SERVICE="+s.settings.Service, ownPrefix+"VERSION="+s.scope.Version,
	)
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
