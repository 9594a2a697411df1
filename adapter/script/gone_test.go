package script_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
)

// TestDirectoryIsGone: the way back does not need the plan file's folder, which
// often is a build server's and goes with the job.
func TestDirectoryIsGone(t *testing.T) {
	t.Parallel()
	for _, bundled := range []bool{true, false} {
		t.Run(map[bool]string{true: "bundled", false: "nothing bundled"}[bundled], func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			site := filepath.Join(t.TempDir(), "site")
			step := open(t, scope, ripcord.StepSpec{Kind: "run"}, `{"command":["mkdir","`+site+`"],"undo":["sh","-c","rmdir `+site+`; ls -A"],"check":["test","-d","`+site+`"]}`)
			if bundled {
				write(t, filepath.Join(scope.Bundle, "notes"), "kept", 0o600)
			} else {
				scope.Bundle = ""
				step = open(t, scope, ripcord.StepSpec{Kind: "run"}, `{"command":["mkdir","`+site+`"],"undo":["sh","-c","rmdir `+site+`; ls -A"],"check":["test","-d","`+site+`"]}`)
			}
			journal := adaptertest.NewJournal("run-1/assets", ripcord.Observation{Presence: ripcord.Absent})
			if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(scope.Directory); err != nil {
				t.Fatal(err)
			}
			if seen, err := step.Check(t.Context()); err != nil || seen.Presence != ripcord.Present || len(seen.Image) > 0 {
				t.Errorf("before undo: %+v, %v", seen, err)
			}
			if err := step.Undo(t.Context(), journal.Attempt(1)); err != nil {
				t.Fatal(err)
			}
			if seen, err := step.Check(t.Context()); err != nil || seen.Presence != ripcord.Absent {
				t.Errorf("after undo: %+v, %v", seen, err)
			}
			said := journal.Output()
			if !strings.Contains(said, scope.Directory+" is gone") || strings.Contains(said, "notes") != bundled {
				t.Errorf("the log says:\n%s", said)
			}
			if got := failure(t, step.Apply(t.Context(), journal.Attempt(1))); got.Class != ripcord.FailedTarget {
				t.Errorf("a release without its folder: %+v", got)
			}
		})
	}
}
