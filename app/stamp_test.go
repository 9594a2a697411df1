package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestForeignTargetIsRefusedBeforeAnything: two state directories on one target
// are told apart before the first step has an effect, and plan says so.
func TestForeignTargetIsRefusedBeforeAnything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "ripcord.yaml")
	text := "application: shop\nrelease:\n  - run: {command: mkdir made, undo: rmdir made, check: test -d made}\n" +
		"  - files: {content: \"${version}\", destination: VERSION}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	frozen := func(a *App, version string) *ripcord.Plan {
		plan, err := a.Load(t.Context(), Selection{File: file, Version: version})
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	first, second := newApp(t), newApp(t)
	if state, err := first.Release(t.Context(), frozen(first, "v1"), Begin{Who: "ann"}, Listener{}); err != nil || state.State != ripcord.StateSucceeded {
		t.Fatalf("%+v, %v", state, err)
	}
	if err := os.Remove(filepath.Join(dir, "made")); err != nil {
		t.Fatal(err)
	}
	plan := frozen(second, "v2")
	_, err := second.Release(t.Context(), plan, Begin{Who: "ben"}, Listener{})
	if ripcord.CodeOf(err) != ripcord.CodeRefused || !strings.Contains(err.Error(), "line 4: the target of step files belongs to another state directory ("+first.store.StateID()) {
		t.Errorf("release: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		t.Error("the first step had an effect")
	}
	if runs, err := second.store.Runs(t.Context(), ripcord.Filter{}); err != nil || len(runs) != 0 {
		t.Errorf("%d runs were planned (%v)", len(runs), err)
	}
	preview, err := second.Explain(t.Context(), plan, false)
	if err != nil || !slices.ContainsFunc(preview.Warnings, func(w string) bool { return strings.Contains(w, "a release from here would be refused") }) {
		t.Errorf("plan warns of %q, %v", preview.Warnings, err)
	}
	if _, err := second.Adopt(t.Context(), plan, Begin{Who: "ben", Reason: "moved"}, true); err != nil {
		t.Fatal(err)
	}
	if state, err := second.Release(t.Context(), plan, Begin{Who: "ben"}, Listener{}); err != nil || state.State != ripcord.StateSucceeded {
		t.Errorf("after taking it over: %+v, %v", state, err)
	}
}
