package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/ripcord-dev/ripcord"
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
func (t *task) resolve(ctx context.Context, settings json.RawMessage) (json.RawMessage, error) {
	if !strings.Contains(string(settings), "${steps.") {
		return settings, nil
	}
	var value any
	if err := json.Unmarshal(settings, &value); err != nil {
		return nil, fmt.Errorf("settings of step %s: %w", t.id, err)
	}
	value, err := t.resolveIn(ctx, value)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("settings of step %s: %w", t.id, err)
	}
	return raw, nil
}

func (t *task) resolveIn(ctx context.Context, value any) (any, error) {
	var err error
	switch v := value.(type) {
	case string:
		return t.resolveText(ctx, v)
	case []any:
		for i := range v {
			if v[i], err = t.resolveIn(ctx, v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = t.resolveIn(ctx, v[key]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

func (t *task) resolveText(ctx context.Context, text string) (string, error) {
	reference := regexp.MustCompile(`\$\{steps\.([^.{}]+)\.outputs\.([^.{}]+)\}`)
	var failed error
	text = reference.ReplaceAllStringFunc(text, func(match string) string {
		parts := reference.FindStringSubmatch(match)
		value, err := t.output(ctx, ripcord.StepID(parts[1]), parts[2])
		if err != nil {
			failed = err
		}
		return value
	})
	return text, failed
}

func (t *task) output(ctx context.Context, step ripcord.StepID, key string) (string, error) {
	t.mu.Lock()
	var output ripcord.Output
	found := false
	if s := t.state.Steps[step]; s != nil {
		output, found = s.Outputs[key]
	}
	t.mu.Unlock()
	if !found {
		return "", fmt.Errorf("step %s needs output %q of step %s, which did not give it", t.id, key, step)
	}
	if !output.Sensitive {
		return output.Value, nil
	}
	var ref ripcord.BlobRef
	if err := json.Unmarshal([]byte(output.Value), &ref); err != nil {
		return "", fmt.Errorf("output %s of step %s: %w", key, step, err)
	}
	r, err := t.Scope.Blobs.Open(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("output %s of step %s: %w", key, step, err)
	}
	data, err := io.ReadAll(r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return string(data), err
}
