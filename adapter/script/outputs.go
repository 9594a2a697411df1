package script

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ripcord-dev/ripcord"
)

// outputsLimit caps the outputs of one step, in bytes.
const outputsLimit = 1 << 20

// outputs reads what the command wrote. A value that holds a known secret is
// sensitive, also when the settings forgot to say so.
func (s *Step) outputs(secrets []string) (map[string]ripcord.Output, error) {
	path, err := s.outputFile()
	if err != nil {
		return nil, err
	}
	data, err := readOutputs(path)
	if err != nil {
		return nil, err
	}
	values, err := parseOutputs(data)
	if err != nil {
		return nil, &ripcord.Failure{
			Class:   ripcord.FailedCommand,
			Summary: fmt.Sprintf("what %s wrote to $RIPCORD_OUTPUT cannot be read: %v", shown(s.settings.Command), err),
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	outputs := make(map[string]ripcord.Output, len(values))
	for name, value := range values {
		holds := func(secret string) bool { return secret != "" && strings.Contains(value, secret) }
		outputs[name] = ripcord.Output{
			Value:     value,
			Sensitive: slices.Contains(s.settings.SensitiveOutputs, name) || slices.ContainsFunc(secrets, holds),
		}
	}
	return outputs, nil
}

// parseOutputs reads lines NAME=VALUE and blocks
//
//	NAME<<END
//	any lines
//	END
//
// Empty lines between them are allowed, anything else is an error that names the
// line but not its text, which may be secret.
func parseOutputs(data []byte) (map[string]string, error) {
	if len(data) > outputsLimit {
		return nil, fmt.Errorf("it is longer than %d bytes", outputsLimit)
	}
	if !utf8.Valid(data) || slices.Contains(data, 0) {
		return nil, errors.New("it is no UTF-8 text")
	}
	values := map[string]string{}
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		at := i + 1
		name, value, end, err := parseOutput(lines[i:])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("line %d: %s is written twice", at, name)
		}
		values[name] = value
		i += end
	}
	return values, nil
}

// parseOutput reads one value from the beginning of lines; more is how many lines
// it takes beside the first.
func parseOutput(lines []string) (name, value string, more int, err error) {
	parts := regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_-]*)(=|<<)(.*)$`).FindStringSubmatch(lines[0])
	if parts == nil {
		return "", "", 0, errors.New("neither NAME=VALUE nor NAME<<END")
	}
	name = parts[1]
	if parts[2] == "=" {
		return name, parts[3], 0, nil
	}
	end := parts[3]
	if end == "" || strings.TrimSpace(end) != end {
		return "", "", 0, fmt.Errorf("%s<< needs a word that ends the value", name)
	}
	more = slices.Index(lines[1:], end)
	if more < 0 {
		return "", "", 0, fmt.Errorf("the value of %s has no end", name)
	}
	return name, strings.Join(lines[1:1+more], "\n"), more + 1, nil
}
