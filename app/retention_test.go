package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestRetention: once a run has ended, what it pushed out is gone, and only that.
func TestRetention(t *testing.T) {
	t.Parallel()
	first, made := newApp(t), filepath.Join(t.TempDir(), "made")
	var runs []ripcord.RunID
	for i := range 4 {
		a := reopen(t, first, false)
		plan := load(t, a, made+strconv.Itoa(i))
		plan.Version, plan.Retention = fmt.Sprintf("v%d", i), 1
		state, err := a.Release(t.Context(), plan, Begin{Who: "ann"}, Listener{})
		if err != nil || state.State != ripcord.StateSucceeded {
			t.Fatalf("%+v, %v", state, err)
		}
		runs = append(runs, state.Run)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, run := range runs {
		gone := i < 2 // the newest stays, and the one that it would return to
		_, err := first.State(t.Context(), run)
		if gone != (ripcord.CodeOf(err) == ripcord.CodeNotFound) {
			t.Errorf("run %d: %v", i, err)
		}
		if _, err := os.Stat(filepath.Join(first.dir, "blobs", string(run))); gone != (err != nil) {
			t.Errorf("blobs of run %d: %v", i, err)
		}
	}
	report, err := first.VerifyJournal(t.Context(), "")
	if err != nil || len(report.Findings) > 0 || report.Pruned != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}
