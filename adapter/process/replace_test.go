package process_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/process"
)

// places are the settings of a step that replaces instances where they are.
func places(instances int, replace string) string {
	return with(`"instances":2`, fmt.Sprintf(`"instances":%d,"replace":%s`, instances, replace))
}

// replacing is the fixture of a step in a world with old instances.
func replacing(old int, settings string) func(t *testing.T) adaptertest.Fixture {
	return func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		f := fixture(settings, false, nil)(t)
		if old > 0 {
			release(t, f.Scope, "run-0", "v1", with(`"instances":2`, fmt.Sprintf(`"instances":%d`, old)))
		}
		f.Fingerprint = func(t *testing.T) string { t.Helper(); return addressed(t, f.Scope.Supervisor) }
		return f
	}
}

// addressed is a fingerprint with the addresses.
func addressed(t *testing.T, supervisor ripcord.Supervisor) string {
	t.Helper()
	all, err := supervisor.List(t.Context(), "")
	must(t, err)
	var b strings.Builder
	for _, i := range all {
		fmt.Fprintf(&b, "%s %s\n", i.ID, i.Labels["address"])
	}
	return b.String() + fingerprint(t, supervisor)
}

func TestReplaceConformance(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(t *testing.T) adaptertest.Fixture{
		"first release": replacing(0, places(2, `{}`)),
		"all":           replacing(3, places(2, `{}`)),
		"one of two":    replacing(2, places(2, `{"numbers":[2],"max_unavailable":1}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: f})
		})
	}
}

// pids are those of all wanted instances by ID.
func pids(t *testing.T, scope ripcord.Scope) map[string]int {
	t.Helper()
	all, err := scope.Supervisor.List(t.Context(), "")
	must(t, err)
	found := map[string]int{}
	for _, i := range all {
		found[i.ID] = i.PID
	}
	return found
}

func TestReplaceTouchesItsNumbersOnly(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	release(t, scope, "run-0", "v1", with(`"instances":2`, `"instances":4`))
	before, old := addressed(t, scope.Supervisor), pids(t, scope)
	step := open(t, scope, places(4, `{"numbers":[1,2],"max_unavailable":2}`))
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	now := pids(t, scope)
	for id, pid := range old {
		if kept := strings.HasSuffix(id, "/3") || strings.HasSuffix(id, "/4"); kept != (now[id] == pid) {
			t.Errorf("%s had pid %d and has %d", id, pid, now[id])
		}
	}
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	must(t, err)
	if outputs["addresses"] != outputs["old_addresses"] || strings.Count(outputs["addresses"].Value, ",") != 1 {
		t.Errorf("the new ones listen on %q, the old ones did on %q", outputs["addresses"].Value, outputs["old_addresses"].Value)
	}
	must(t, step.Undo(t.Context(), journal.Attempt(1)))
	if diff := cmp.Diff(before, addressed(t, scope.Supervisor)); diff != "" {
		t.Errorf("after undo (-before +after):\n%s", diff)
	}
	if last := pids(t, scope); last["shop/test/web/blue/3"] != old["shop/test/web/blue/3"] && len(last) != len(old) {
		t.Errorf("instance 3 was touched: %v, %v", old, last)
	}
}

func TestReplaceWaitsForRoom(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	release(t, scope, "run-0", "v1", with(`"instances":2`, `"instances":3`))
	must(t, os.WriteFile(filepath.Join(scope.Directory, "sick"), nil, 0o600))
	old := pids(t, scope)
	step := open(t, scope, strings.Replace(places(3, `{"numbers":[1],"max_unavailable":1}`), `"start_timeout":90`, `"start_timeout":3`, 1))
	got := failure(t, step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)))
	if got.Class != ripcord.FailedHealth || !strings.Contains(got.Summary, "3 would be unavailable, and at most 1 may be") {
		t.Error(got.Summary)
	}
	if diff := cmp.Diff(old, pids(t, scope)); diff != "" {
		t.Errorf("instances were touched (-before +after):\n%s", diff)
	}
}

func TestReplaceLooks(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	release(t, scope, "run-0", "v1", with(`"instances":2`, `"instances":3`))
	step := open(t, scope, places(4, `{"look":true}`))
	journal := journalOf(t, scope, step)
	before := pids(t, scope)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	must(t, err)
	all, err := scope.Supervisor.List(t.Context(), "")
	must(t, err)
	for n, want := range map[int]string{1: all[0].Labels["address"], 3: all[2].Labels["address"], 4: ""} {
		if got := outputs[fmt.Sprintf("address_%d", n)].Value; got != want {
			t.Errorf("instance %d is on %q, want %q", n, got, want)
		}
	}
	if diff := cmp.Diff(before, pids(t, scope)); diff != "" {
		t.Error(diff)
	}
	if step.Traits().Reversal.Way != ripcord.WayNothing {
		t.Error(step.Traits().Reversal)
	}
}

func TestReplaceRefusesNumbers(t *testing.T) {
	t.Parallel()
	for _, replace := range []string{`{"numbers":[3]}`, `{"numbers":[0]}`, `{"numbers":[1,1]}`, `{"max_unavailable":-1}`, `{"unknown":1}`} {
		if _, err := process.New(os.Environ).Open(t.Context(), specOf(places(2, replace)), newScope(t)); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%s: %v", replace, err)
		}
	}
}
