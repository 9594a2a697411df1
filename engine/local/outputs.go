package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// outputs asks the step for its values; sensitive ones go to a blob and only
// the blob's name goes to the journal.
func (t *task) outputs(ctx context.Context, step ripcord.Step) (map[string]ripcord.Output, error) {
	outputter, ok := step.(ripcord.Outputter)
	if !ok {
		return nil, nil
	}
	a, err := t.attempt(ctx, max(t.command.Attempt, t.was.Attempts, 1), false)
	if err != nil {
		return nil, err
	}
	values, err := outputter.Outputs(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("outputs of step %s: %w", t.id, err)
	}
	for key, value := range values {
		if !value.Sensitive {
			continue
		}
		ref, err := t.Scope.Blobs.Put(ctx, t.run, fmt.Sprintf("%s/output-%s", t.id, key), strings.NewReader(value.Value))
		if err != nil {
			return nil, fmt.Errorf("output %s of step %s: %w", key, t.id, err)
		}
		raw, err := json.Marshal(ref)
		if err != nil {
			return nil, fmt.Errorf("output %s of step %s: %w", key, t.id, err)
		}
		values[key] = ripcord.Output{Sensitive: true, Value: string(raw)}
	}
	return values, nil
}

// reference finds ${steps.NAME.outputs.KEY}.
const reference = `\$\{steps\.([^.{}]+)\.outputs\.([^.{}]+)\}`

// resolve replaces ${steps.NAME.outputs.KEY} in all strings of the settings. A
// sensitive value stays a reference, to a secret that secrets knows: adapters
// treat it as they treat every secret.
func resolve(s *engine.State, spec *ripcord.StepSpec) (settings json.RawMessage, secrets map[string]ripcord.Output, err error) {
	if !strings.Contains(string(spec.Settings), "${steps.") {
		return spec.Settings, nil, nil
	}
	var value any
	if err := json.Unmarshal(spec.Settings, &value); err != nil {
		return nil, nil, fmt.Errorf("settings of step %s: %w", spec.ID, err)
	}
	r := &resolver{state: s, step: spec.ID, reference: regexp.MustCompile(reference), secrets: map[string]ripcord.Output{}}
	value = r.in(value)
	if r.err != nil {
		return nil, nil, r.err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, nil, fmt.Errorf("settings of step %s: %w", spec.ID, err)
	}
	return raw, r.secrets, nil
}

// resolver puts outputs into settings; err is the first problem.
type resolver struct {
	state     *engine.State
	step      ripcord.StepID
	reference *regexp.Regexp
	secrets   map[string]ripcord.Output
	err       error
}

func (r *resolver) in(value any) any {
	switch v := value.(type) {
	case string:
		return r.reference.ReplaceAllStringFunc(v, func(match string) string {
			parts := r.reference.FindStringSubmatch(match)
			text, err := r.output(ripcord.StepID(parts[1]), parts[2])
			if err != nil && r.err == nil {
				r.err = err
			}
			return text
		})
	case []any:
		for i := range v {
			v[i] = r.in(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = r.in(v[key])
		}
	}
	return value
}

func (r *resolver) output(step ripcord.StepID, key string) (string, error) {
	s := r.state.Steps[step]
	if s == nil {
		return "", fmt.Errorf("step %s needs an output of step %s, which does not exist", r.step, step)
	}
	output, found := s.Outputs[key]
	if !found {
		return "", fmt.Errorf("step %s needs output %q of step %s, which did not give it", r.step, key, step)
	}
	// A value with "${" must not be taken for a reference itself.
	if !output.Sensitive && !strings.Contains(output.Value, "${") {
		return output.Value, nil
	}
	name := fmt.Sprintf("steps.%s.outputs.%s", step, key)
	r.secrets[name] = output
	return "${secret:" + name + "}", nil
}

// secrets knows sensitive outputs beside the secrets of the plan.
type secrets struct {
	ripcord.Secrets
	outputs map[string]ripcord.Output
	blobs   ripcord.Blobs
}

// Expand implements ripcord.Secrets. What an output holds is never expanded
// itself.
func (s *secrets) Expand(ctx context.Context, text string) (expanded string, values []string, err error) {
	var b strings.Builder
	end := 0
	for _, at := range regexp.MustCompile(`\$\{secret:([^}]*)\}`).FindAllStringSubmatchIndex(text, -1) {
		output, ours := s.outputs[text[at[2]:at[3]]]
		if !ours {
			continue
		}
		if values, err = s.others(ctx, &b, text[end:at[0]], values); err != nil {
			return "", nil, err
		}
		end = at[1]
		value := output.Value
		if output.Sensitive {
			if value, err = s.read(ctx, text[at[2]:at[3]], output); err != nil {
				return "", nil, err
			}
			values = append(values, value)
		}
		b.WriteString(value)
	}
	values, err = s.others(ctx, &b, text[end:], values)
	return b.String(), values, err
}

// others expands the secrets of the plan in a piece of text.
func (s *secrets) others(ctx context.Context, b *strings.Builder, text string, values []string) ([]string, error) {
	if s.Secrets != nil {
		expanded, more, err := s.Secrets.Expand(ctx, text)
		if err != nil {
			return nil, err
		}
		text, values = expanded, append(values, more...)
	}
	b.WriteString(text)
	return values, nil
}

func (s *secrets) read(ctx context.Context, name string, output ripcord.Output) (string, error) {
	var ref ripcord.BlobRef
	if err := json.Unmarshal([]byte(output.Value), &ref); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	value, err := readBlob(ctx, s.blobs, ref)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return value, nil
}

func readBlob(ctx context.Context, blobs ripcord.Blobs, ref ripcord.BlobRef) (string, error) {
	r, err := blobs.Open(ctx, ref)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return string(data), err
}
