package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestMissingFiles: what has to travel with the run is missed before it begins.
func TestMissingFiles(t *testing.T) {
	t.Parallel()
	a, dir := newApp(t), t.TempDir()
	file := filepath.Join(dir, "ripcord.yaml")
	text := `application: shop
bundle: [notes, gone]
release:
  - files: {source: config.tmpl, destination: /nonexistent/config}
    name: config
  - run: {command: ./on.sh, undo: ./off.sh, check: ./is.sh}
    name: assets
`
	for name, content := range map[string]string{"ripcord.yaml": text, "notes": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := a.Load(t.Context(), Selection{File: file, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for verb, call := range map[string]func() error{
		"plan":    func() error { _, err := a.Explain(t.Context(), plan, true); return err },
		"release": func() error { _, err := a.Release(t.Context(), plan, Begin{Who: "ann"}, Listener{}); return err },
	} {
		err := call()
		if ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Fatalf("%s: %v", verb, err)
		}
		for _, want := range []string{"bundle: gone is not there", "line 4: step config: source config.tmpl is not there"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is missing in %v", verb, want, err)
			}
		}
	}
	if runs, err := a.store.Runs(t.Context(), ripcord.Filter{}); err != nil || len(runs) != 0 {
		t.Errorf("runs were begun: %v, %v", runs, err)
	}
	for _, name := range []string{"gone", "config.tmpl"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	preview, err := a.Explain(t.Context(), plan, true)
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(preview.Warnings, "\n"); !strings.Contains(all, "line 6: the undo of step assets calls ./off.sh") {
		t.Errorf("warnings: %s", all)
	}
}
