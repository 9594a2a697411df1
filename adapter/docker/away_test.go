package docker_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestTheEngineGoesAway stops and kills the engine in the middle of an Apply, with
// live-restore and without: the step waits for it and goes on, and what ran before
// the release runs again, or still.
//
//nolint:paralleltest // it takes the engine away from all others
func TestTheEngineGoesAway(t *testing.T) {
	w := engineOf(t)
	t.Cleanup(func() { must(t, w.Stop()); must(t, w.Again()) })
	for name, c := range map[string]struct {
		end  func() error
		live bool
	}{
		"killed":                     {w.Kill, false},
		"stopped":                    {w.Stop, false},
		"killed, with live-restore":  {w.Kill, true},
		"stopped, with live-restore": {w.Stop, true},
	} {
		t.Run(name, func(t *testing.T) { goesAway(t, w, c.end, c.live) })
	}
}

func goesAway(t *testing.T, w *world, end func() error, live bool) {
	t.Helper()
	option := "--live-restore=" + map[bool]string{true: "true", false: "false"}[live]
	must(t, w.Stop())
	must(t, w.Again(option))
	scope, folder := newScope(t), t.TempDir()
	first := map[string]any{"instances": 1}
	if live { // the proxy of published ports is part of the engine
		first["networks"] = []string{"host"}
	}
	_, old := release(t, scope, "run-0", "v1", settingsIn(folder, first))
	must(t, os.WriteFile(filepath.Join(folder, "sick"), nil, 0o600))
	step := open(t, scope, settingsIn(folder, map[string]any{"health": map[string]any{"http": "/healthz", "interval": .05, "start_timeout": 60}}))
	journal := journalOf(t, scope, step)
	applied := make(chan error, 1)
	go func() { applied <- step.Apply(t.Context(), journal.Attempt(1)) }()
	for !strings.Contains(journal.Output(), "containers of web started") {
		select {
		case err := <-applied:
			t.Fatalf("Apply: %v", err)
		default:
		}
	}
	must(t, end())
	must(t, os.Remove(filepath.Join(folder, "sick")))
	if answer := get("http://" + old["addresses"].Value + "/version"); live && answer != "v1 1" {
		t.Errorf("without its engine the old version says %s", answer)
	}
	must(t, w.Again(option))
	if err := <-applied; err != nil {
		t.Fatalf("Apply: %v\n%s", err, journal.Output())
	}
	seen, err := step.Check(t.Context())
	if err != nil || seen.Presence != ripcord.Present {
		t.Errorf("it is %s: %s, %v", seen.Presence, seen.Detail, err)
	}
	if answer := get("http://" + old["addresses"].Value + "/version"); answer != "v1 1" {
		t.Errorf("the old version says %s", answer)
	}
	must(t, step.Undo(t.Context(), journal.Attempt(1)))
	seen, err = step.Check(t.Context())
	if err != nil || string(seen.Image) != string(journal.Before.Image) {
		t.Errorf("the image is %s, %v; it was %s", seen.Image, err, journal.Before.Image)
	}
}

// TestUndoWaits: an engine that is away when the way back begins is waited for.
//
//nolint:paralleltest // it takes the engine away from all others
func TestUndoWaits(t *testing.T) {
	w := engineOf(t)
	scope := newScope(t)
	step := open(t, scope, settingsIn(t.TempDir(), nil))
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	must(t, w.Kill())
	undone := make(chan error, 1)
	go func() { undone <- step.Undo(t.Context(), journal.Attempt(1)) }()
	for !strings.Contains(journal.Output(), "is not running") && !strings.Contains(journal.Output(), "is missing") {
		select {
		case err := <-undone:
			t.Fatalf("Undo: %v", err)
		default:
		}
	}
	must(t, w.Again())
	if err := <-undone; err != nil {
		t.Fatalf("Undo: %v\n%s", err, journal.Output())
	}
	if left := containers(t, scope.Application); len(left) > 0 {
		t.Errorf("Undo left %+v", left)
	}
	if _, err := w.Ask(http.MethodGet, "/_ping", nil); err != nil {
		t.Error(err)
	}
}

// TestReplacedStayDown: an engine that is started again starts the new containers,
// and not those that they have replaced; these are as they were after Undo.
//
//nolint:paralleltest // it takes the engine away from all others
func TestReplacedStayDown(t *testing.T) {
	w := engineOf(t)
	scope, folder := newScope(t), t.TempDir()
	release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 2}))
	before := addressed(t, scope.Application)
	step := open(t, scope, places(folder, 2, map[string]any{}))
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	must(t, w.Kill())
	must(t, w.Again())
	for {
		seen, err := step.Check(t.Context())
		must(t, err)
		if seen.Presence == ripcord.Present {
			break
		}
	}
	if now := fingerprint(t, scope.Application); strings.Count(now, "exited run-0") != 2 || strings.Count(now, "running "+string(scope.Run)) != 2 {
		t.Errorf("with its new engine:\n%s", now)
	}
	must(t, step.Undo(t.Context(), journal.Attempt(1)))
	if now := addressed(t, scope.Application); now != before {
		t.Errorf("before\n%s\nafter\n%s", before, now)
	}
}
