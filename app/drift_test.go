package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestDriftDoesNotRefuseTheWayBack: what somebody changed meanwhile is told, and
// the release is taken back all the same where its predecessor has no plan that
// could be executed instead.
func TestDriftDoesNotRefuseTheWayBack(t *testing.T) {
	t.Parallel()
	for _, adopted := range []bool{true, false} {
		t.Run(map[bool]string{true: "after an adoption", false: "the first release"}[adopted], func(t *testing.T) {
			t.Parallel()
			a, made := newApp(t), filepath.Join(t.TempDir(), "made")
			if err := os.WriteFile(made, []byte("old\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			plan := load(t, a, made)
			settings, err := json.Marshal(map[string]any{
				"command": []string{"sh", "-c", "echo new > " + made}, "undo": []string{"sh", "-c", "echo old > " + made},
				"check": []string{"sh", "-c", "cat " + made + "; grep -q new " + made},
			})
			if err != nil {
				t.Fatal(err)
			}
			plan.Steps[0].Kind, plan.Steps[0].Adapter, plan.Steps[0].Settings = "run", "script", settings
			if err := a.freeze(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			if adopted {
				if _, err := a.Adopt(t.Context(), plan, Begin{Who: "ann"}, false); err != nil {
					t.Fatal(err)
				}
			}
			if state, err := a.Release(t.Context(), plan, Begin{Who: "ann"}, Listener{}); err != nil || state.State != ripcord.StateSucceeded {
				t.Fatalf("release: %+v, %v", state, err)
			}
			if err := os.WriteFile(made, []byte("changed by hand"), 0o600); err != nil {
				t.Fatal(err)
			}
			ways, err := a.PlanRollback(t.Context(), "shop", "default", "")
			if err != nil || len(ways) != 1 || !ways[0].Unwind || ways[0].Why == "" {
				t.Fatalf("ways back: %+v, %v", ways, err)
			}
			if _, err := a.Rollback(t.Context(), ways, Begin{Who: "ann"}, nil, Listener{}); err != nil {
				t.Fatal(err)
			}
			if data, err := os.ReadFile(made); err != nil || string(data) != "old\n" {
				t.Errorf("it holds %q, %v", data, err)
			}
		})
	}
}
