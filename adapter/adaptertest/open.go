package adaptertest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// reference is what a setting may hold at plan time.
const reference = "${steps.other.outputs.key}"

func (w *world) settings(t *testing.T) map[string]any {
	t.Helper()
	settings := map[string]any{}
	if len(w.Spec.Settings) > 0 {
		if err := json.Unmarshal(w.Spec.Settings, &settings); err != nil {
			t.Fatalf("the fixture's settings: %v", err)
		}
	}
	return settings
}

// with returns the spec with one setting changed.
func (w *world) with(t *testing.T, key string, to any) ripcord.StepSpec {
	t.Helper()
	settings := w.settings(t)
	settings[key] = to
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	spec := w.Spec
	spec.Settings = raw
	return spec
}

func openUnknown(t *testing.T, w *world) {
	t.Helper()
	_, err := w.Adapter.Open(t.Context(), w.with(t, "no_such_setting", 1), w.Scope)
	codeIs(t, err, ripcord.CodePlan)
	if !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("the error %q does not name the setting", err)
	}
}

func openTypes(t *testing.T, w *world) {
	t.Helper()
	for key, now := range w.settings(t) {
		var wrong any = 7
		switch now.(type) {
		case string:
			wrong = map[string]any{"a": 1}
		case bool, float64:
			wrong = "text"
		}
		_, err := w.Adapter.Open(t.Context(), w.with(t, key, wrong), w.Scope)
		if err == nil {
			t.Errorf("setting %s: %v is taken in place of %v", key, wrong, now)
			continue
		}
		codeIs(t, err, ripcord.CodePlan)
	}
}

func openGarbage(t *testing.T, w *world) {
	t.Helper()
	for _, garbage := range []string{"{", "[]", `"text"`, "{} {}"} {
		spec := w.Spec
		spec.Settings = json.RawMessage(garbage)
		_, err := w.Adapter.Open(t.Context(), spec, w.Scope)
		codeIs(t, err, ripcord.CodePlan)
	}
}

// openTouches opens the step without anything that it could act through.
func openTouches(t *testing.T, w *world) {
	t.Helper()
	scope := w.Scope
	scope.Secrets, scope.Commands, scope.Blobs, scope.Supervisor, scope.Now = nil, nil, nil, nil, nil
	w.openIn(t, scope)
	if now := w.Fingerprint(t); now != w.before {
		t.Errorf("Open changed the world:\nbefore %s\nnow    %s", w.before, now)
	}
}

func openReferences(t *testing.T, w *world) {
	t.Helper()
	for _, key := range w.References {
		var to any = reference
		switch now := w.settings(t)[key].(type) {
		case []any:
			to = append(now[:len(now)-1:len(now)-1], reference)
		case map[string]any:
			for name := range now {
				now[name] = reference
			}
			to = now
		}
		if _, err := w.Adapter.Open(t.Context(), w.with(t, key, to), w.Scope); err != nil {
			t.Errorf("Open refuses an unresolved reference in %s: %v", key, describe(err))
		}
	}
}
