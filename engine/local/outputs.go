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

// resolve replaces ${steps.NAME.outputs.KEY} in all strings of the settings.
func resolve(ctx context.Context, blobs ripcord.Blobs, s *engine.State, spec *ripcord.StepSpec) (json.RawMessage, error) {
	if !strings.Contains(string(spec.Settings), "${steps.") {
		return spec.Settings, nil
	}
	var value any
	if err := json.Unmarshal(spec.Settings, &value); err != nil {
		return nil, fmt.Errorf("settings of step %s: %w", spec.ID, err)
	}
	r := &resolver{blobs: blobs, state: s, step: spec.ID, reference: regexp.MustCompile(`\$\{steps\.([^.{}]+)\.outputs\.([^.{}]+)\}`)}
	value = r.in(ctx, value)
	if r.err != nil {
		return nil, r.err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("settings of step %s: %w", spec.ID, err)
	}
	return raw, nil
}

// resolver puts outputs into settings; err is the first problem.
type resolver struct {
	blobs     ripcord.Blobs
	state     *engine.State
	step      ripcord.StepID
	reference *regexp.Regexp
	err       error
}

func (r *resolver) in(ctx context.Context, value any) any {
	switch v := value.(type) {
	case string:
		return r.reference.ReplaceAllStringFunc(v, func(match string) string {
			parts := r.reference.FindStringSubmatch(match)
			text, err := r.output(ctx, ripcord.StepID(parts[1]), parts[2])
			if err != nil && r.err == nil {
				r.err = err
			}
			return text
		})
	case []any:
		for i := range v {
			v[i] = r.in(ctx, v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = r.in(ctx, v[key])
		}
	}
	return value
}

func (r *resolver) output(ctx context.Context, step ripcord.StepID, key string) (string, error) {
	s := r.state.Steps[step]
	if s == nil {
		return "", fmt.Errorf("step %s needs an output of step %s, which does not exist", r.step, step)
	}
	output, found := s.Outputs[key]
	if !found {
		return "", fmt.Errorf("step %s needs output %q of step %s, which did not give it", r.step, key, step)
	}
	if !output.Sensitive {
		return output.Value, nil
	}
	var ref ripcord.BlobRef
	if err := json.Unmarshal([]byte(output.Value), &ref); err != nil {
		return "", fmt.Errorf("output %s of step %s: %w", key, step, err)
	}
	return readBlob(ctx, r.blobs, ref)
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
