package app

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// reopen opens the app's state directory once more.
func reopen(t *testing.T, a *App, readOnly bool) *App {
	t.Helper()
	o := a.options
	o.ReadOnly = readOnly
	again, err := Open(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	return again
}

// commandPlan is a plan with one step that makes a file, and one that fails.
func commandPlan(t *testing.T, a *App, made, check string) *ripcord.Plan {
	t.Helper()
	plan := load(t, a, made)
	plan.OnFailure = ripcord.FailurePolicy{Action: ripcord.FailHold}
	plan.Steps = append(plan.Steps, plan.Steps[0])
	plan.Steps[1].ID, plan.Steps[1].Needs = "fails", []ripcord.StepID{plan.Steps[0].ID}
	for i, settings := range []map[string]any{
		{"command": []string{"touch", made}, "undo": []string{"rm", made}, "check": []string{"sh", "-c", check}},
		{"command": []string{"false"}, "changes": "nothing"},
	} {
		raw, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		plan.Steps[i].Kind, plan.Steps[i].Adapter, plan.Steps[i].Settings = "run", "script", raw
		plan.Steps[i].Retry = ripcord.Retry{Attempts: 1, Backoff: ripcord.Duration(time.Millisecond), MaxBackoff: ripcord.Duration(time.Millisecond)}
	}
	if err := a.freeze(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestWithoutTheKey: looking needs no key, going back is done as far as it needs
// none, and everything else is refused before it changes anything.
func TestWithoutTheKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		check string
		want  ripcord.RunState
	}{
		"no blob is needed":        {"test -e MADE", ripcord.StateRolledBack},
		"a before-image is needed": {"ls MADE 2>/dev/null || { echo none; exit 1; }", ripcord.StateHeld},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, made := newApp(t), filepath.Join(t.TempDir(), "made")
			plan := commandPlan(t, first, made, strings.ReplaceAll(test.check, "MADE", made))
			held, err := first.Release(t.Context(), plan, Begin{Who: "ann"}, Listener{})
			if err != nil || held.State != ripcord.StateHeld {
				t.Fatalf("%+v, %v", held, err)
			}
			key, away := first.options.KeyFile, first.options.KeyFile+".away"
			if err := os.Rename(key, away); err != nil {
				t.Fatal(err)
			}
			a := reopen(t, first, false)
			if a.KeyProblem() == nil {
				t.Fatal("nobody notices that the key is missing")
			}
			if list, err := a.Status(t.Context(), ripcord.Filter{}); err != nil || len(list) != 1 {
				t.Errorf("status: %v, %v", list, err)
			}
			if _, err := a.Release(t.Context(), plan, Begin{Who: "ann"}, Listener{}); ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), "key file") {
				t.Errorf("release: %v", err)
			}
			if _, _, err := a.Control(t.Context(), ripcord.Request{Run: held.Run, Verb: ripcord.VerbRetry, Who: "ann"}, true, Listener{}); ripcord.CodeOf(err) != ripcord.CodePlan {
				t.Errorf("retry: %v", err)
			}
			if asked, err := a.store.Requests(t.Context(), held.Run, 0); err != nil || len(asked) > 0 {
				t.Errorf("what was refused has left %v, %v", asked, err)
			}
			state, _, err := a.Control(t.Context(), ripcord.Request{Run: held.Run, Verb: ripcord.VerbAbort, Who: "ann"}, true, Listener{})
			if err != nil || state.State != test.want {
				t.Fatalf("abort: %+v, %v", state, err)
			}
			if err := os.Rename(away, key); err != nil {
				t.Fatal(err)
			}
			if test.want == ripcord.StateHeld {
				state, _, err = reopen(t, first, false).Control(t.Context(), ripcord.Request{Run: held.Run, Verb: ripcord.VerbRetry, Who: "ann"}, true, Listener{})
			}
			if _, statErr := os.Stat(made); err != nil || state.State != ripcord.StateRolledBack || statErr == nil {
				t.Errorf("with the key: %+v, %v", state, err)
			}
		})
	}
}
