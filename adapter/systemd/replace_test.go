package systemd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/systemd"
)

// places are the settings of a step that replaces units where they are.
func places(instances int, replace string) string {
	return strings.Replace(settings, `"instances":2`, fmt.Sprintf(`"instances":%d,"replace":%s`, instances, replace), 1)
}

func TestReplaceConformance(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{Turns: inTurn(adaptertest.UndoFirst), New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope := newScope(t)
		release(t, scope, "run-0", "v1", settings)
		return adaptertest.Fixture{
			Adapter: systemd.New(), Spec: specOf(places(2, `{"numbers":[2],"max_unavailable":1}`)), Scope: scope,
			Fingerprint: func(t *testing.T) string { t.Helper(); return fingerprint(t, scope.Application) },
			References:  []string{"command", "environment", "ports", "directory"},
			Secrets:     []string{"t0ken-value"},
			Breaks:      []adaptertest.Break{breakWith("exits", "broken", scope)},
		}
	}})
}

func TestReplaceTouchesItsNumbersOnly(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	release(t, scope, "run-0", "v1", strings.Replace(settings, `"instances":2`, `"instances":3`, 1))
	before := fingerprint(t, scope.Application)
	step := open(t, scope, places(3, `{"numbers":[1,2],"max_unavailable":2}`))
	journal := journalOf(t, scope, step)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	if err != nil || outputs["addresses"] != outputs["old_addresses"] {
		t.Errorf("outputs %v, %v", outputs, err)
	}
	if err := step.Undo(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, fingerprint(t, scope.Application)); diff != "" {
		t.Errorf("after undo (-before +after):\n%s", diff)
	}
	if err := step.Apply(t.Context(), journal.Attempt(2)); err != nil {
		t.Fatal(err)
	}
	if err := step.Finish(t.Context(), journal.Attempt(2)); err != nil {
		t.Fatal(err)
	}
	if now := fingerprint(t, scope.Application); strings.Count(now, "run-0: v1") != 1 || strings.Count(now, string(scope.Run)+": ") != 2 {
		t.Errorf("after Finish:\n%s", now)
	}
}
