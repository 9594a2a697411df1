package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestSeveralReleasesAreUnwound: an older release is looked at only once the
// newer one that lay on top of it is gone.
func TestSeveralReleasesAreUnwound(t *testing.T) {
	t.Parallel()
	a, made := newApp(t), filepath.Join(t.TempDir(), "made")
	if err := os.WriteFile(made, []byte("v0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		plan := load(t, a, made)
		before, version := fmt.Sprintf("v%d", i), fmt.Sprintf("v%d", i+1)
		settings, err := json.Marshal(map[string]any{
			"command": []string{"sh", "-c", "echo " + version + " > " + made}, "undo": []string{"sh", "-c", "echo " + before + " > " + made},
			"check": []string{"sh", "-c", "cat " + made + "; grep -q " + version + " " + made},
		})
		if err != nil {
			t.Fatal(err)
		}
		plan.Version = version
		plan.Steps[0].Kind, plan.Steps[0].Adapter, plan.Steps[0].Settings = "run", "script", settings
		if err := a.freeze(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		if state, err := a.Release(t.Context(), plan, Begin{Who: "ann"}, Listener{}); err != nil || state.State != ripcord.StateSucceeded {
			t.Fatalf("release: %+v, %v", state, err)
		}
	}
	ways, err := a.PlanRollback(t.Context(), "shop", "default", "v1")
	if err != nil || len(ways) != 2 || !ways[0].Unwind || !ways[1].Unwind {
		t.Fatalf("ways back: %+v, %v", ways, err)
	}
	var said []WayBack
	state, err := a.Rollback(t.Context(), ways, Begin{Who: "ann"}, func(w WayBack) { said = append(said, w) }, Listener{})
	if err != nil || state.State != ripcord.StateSucceeded || len(said) != 1 {
		t.Fatalf("rollback: %+v, %v, said %v", state, err, said)
	}
	if data, err := os.ReadFile(made); err != nil || string(data) != "v1\n" {
		t.Errorf("it holds %q, %v", data, err)
	}
	if good, err := a.store.LastGood(t.Context(), "shop", "default"); err != nil || good.Version != "v1" {
		t.Errorf("last good is %+v, %v", good, err)
	}
}
