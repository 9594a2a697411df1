package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// secrets resolves ${secret:NAME} from what the plan declares: an environment
// variable, a file or a command. A name that is not declared is looked up in
// the environment.
type secrets struct {
	sources   map[string]ripcord.SecretSource
	directory string
	lookupEnv func(name string) (string, bool)
}

// secretTimeout is how long a secret's command may take.
const secretTimeout = 30 * time.Second

// Expand implements ripcord.Secrets.
func (s *secrets) Expand(ctx context.Context, text string) (string, []string, error) {
	if !strings.Contains(text, "${secret:") {
		return text, nil, nil
	}
	reference := regexp.MustCompile(`\$\{secret:([^}]*)\}`)
	var values []string
	var failed error
	expanded := reference.ReplaceAllStringFunc(text, func(match string) string {
		name := reference.FindStringSubmatch(match)[1]
		value, err := s.value(ctx, name)
		if err != nil && failed == nil {
			failed = err
		}
		if value != "" {
			values = append(values, value)
		}
		return value
	})
	if failed != nil {
		return "", nil, failed
	}
	return expanded, values, nil
}

func (s *secrets) value(ctx context.Context, name string) (string, error) {
	source, declared := s.sources[name]
	switch {
	case !declared:
		return s.fromEnv(name, name)
	case source.Env != "":
		return s.fromEnv(name, source.Env)
	case source.File != "":
		return s.fromFile(name, source.File)
	default:
		return s.fromCommand(ctx, name, source.Command)
	}
}

func (s *secrets) fromEnv(name, variable string) (string, error) {
	value, ok := s.lookupEnv(variable)
	if !ok || value == "" {
		return "", fmt.Errorf("secret %s: the environment variable %s is not set", name, variable)
	}
	return value, nil
}

func (s *secrets) fromFile(name, path string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		path = s.directory + "/" + path
	}
	data, err := os.ReadFile(path) //nolint:gosec // the plan names the file
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

func (s *secrets) fromCommand(ctx context.Context, name string, args []string) (string, error) {
	limited, done := context.WithTimeout(ctx, secretTimeout)
	defer done()
	var out bytes.Buffer
	c := exec.CommandContext(limited, args[0], args[1:]...) //nolint:gosec // the plan names the command
	c.Dir, c.Stdout = s.directory, &out
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("secret %s: its command %s: %w", name, args[0], err)
	}
	return strings.TrimRight(out.String(), "\r\n"), nil
}
