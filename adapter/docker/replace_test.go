package docker_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/docker"
)

// places are the settings of a step that replaces containers where they are.
func places(folder string, instances int, replace map[string]any) string {
	return settingsIn(folder, map[string]any{"instances": instances, "replace": replace})
}

// addressed is a fingerprint with addresses, ids and restart policies: exactly
// these containers.
func addressed(t *testing.T, application string) string {
	t.Helper()
	var b strings.Builder
	for _, c := range containers(t, application) {
		fmt.Fprintln(&b, c.ID[:12], c.Labels[prefix+"address"], inspect(t, c.ID).HostConfig.RestartPolicy.Name)
	}
	return b.String() + fingerprint(t, application)
}

func TestReplaceConformance(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{Turns: inTurn(adaptertest.UndoFirst), New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope, folder := newScope(t), t.TempDir()
		release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 1}))
		return adaptertest.Fixture{
			Adapter: docker.New(os.Environ), Spec: specOf(places(folder, 1, map[string]any{})), Scope: scope,
			Fingerprint: func(t *testing.T) string { t.Helper(); return fingerprint(t, scope.Application) },
			References:  []string{"image", "command", "environment", "ports", "directory", "socket"},
			Secrets:     []string{"t0ken-value"},
			Breaks:      []adaptertest.Break{breakWith("exits", "broken", folder)},
		}
	}})
}

// TestReplaceTouchesItsNumbersOnly: the new containers have the old ones' ports; the
// old ones stay, stopped, and are the very same after Undo, and gone after Finish.
func TestReplaceTouchesItsNumbersOnly(t *testing.T) {
	t.Parallel()
	scope, folder := newScope(t), t.TempDir()
	release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 4, "restart": "unless-stopped"}))
	before := addressed(t, scope.Application)
	step := open(t, scope, places(folder, 3, map[string]any{"numbers": []int{2, 3}, "rest": true, "max_unavailable": 2}))
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	must(t, err)
	if !strings.HasPrefix(outputs["old_addresses"].Value, outputs["addresses"].Value+",") || strings.Count(outputs["addresses"].Value, ",") != 1 {
		t.Errorf("the new ones are at %q, the old ones were at %q", outputs["addresses"].Value, outputs["old_addresses"].Value)
	}
	now := addressed(t, scope.Application)
	if strings.Count(now, "exited run-0 v1") != 3 || strings.Count(now, "running run-0 v1") != 1 || strings.Count(now, " no\n") != 3 {
		t.Errorf("after Apply:\n%s", now)
	}
	must(t, step.Undo(t.Context(), journal.Attempt(1)))
	if diff := cmp.Diff(before, addressed(t, scope.Application)); diff != "" {
		t.Errorf("after Undo (-before +after):\n%s", diff)
	}
	must(t, step.Apply(t.Context(), journal.Attempt(2)))
	must(t, step.Finish(t.Context(), journal.Attempt(2)))
	if now := fingerprint(t, scope.Application); strings.Count(now, "running run-0 ") != 1 || strings.Count(now, "running "+string(scope.Run)) != 2 || strings.Count(now, "\n") != 3 {
		t.Errorf("after Finish:\n%s", now)
	}
}

// TestReplaceBatches: the batches of a release are of one colour, and none of them
// takes those for ill that an earlier one has stopped.
func TestReplaceBatches(t *testing.T) {
	t.Parallel()
	scope, folder := newScope(t), t.TempDir()
	release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 3}))
	before := addressed(t, scope.Application)
	steps, journals := []*docker.Step{}, []*adaptertest.Journal{}
	for number := 1; number <= 3; number++ {
		step := open(t, scope, places(folder, 3, map[string]any{"numbers": []int{number}, "rest": number == 3, "max_unavailable": 1}))
		journal := journalOf(t, scope, step)
		must(t, step.Apply(t.Context(), journal.Attempt(1)))
		steps, journals = append(steps, step), append(journals, journal)
	}
	if now := fingerprint(t, scope.Application); strings.Count(now, "web-green-") != 3 || strings.Count(now, "exited run-0") != 3 {
		t.Errorf("after all batches:\n%s", now)
	}
	for number := 2; number >= 0; number-- {
		must(t, steps[number].Undo(t.Context(), journals[number].Attempt(1)))
	}
	if diff := cmp.Diff(before, addressed(t, scope.Application)); diff != "" {
		t.Errorf("after Undo (-before +after):\n%s", diff)
	}
}

func TestReplaceWaitsForRoom(t *testing.T) {
	t.Parallel()
	scope, folder := newScope(t), t.TempDir()
	release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 3}))
	before := containers(t, scope.Application)
	must(t, os.WriteFile(filepath.Join(folder, "sick"), nil, 0o600))
	step := open(t, scope, strings.Replace(places(folder, 3, map[string]any{"numbers": []int{1}, "max_unavailable": 1}), `"start_timeout":120`, `"start_timeout":3`, 1))
	err := step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "3 would be unavailable, and at most 1 may be") {
		t.Error(err)
	}
	if diff := cmp.Diff(before, containers(t, scope.Application)); diff != "" {
		t.Errorf("containers were touched (-before +after):\n%s", diff)
	}
}

func TestReplaceLooks(t *testing.T) {
	t.Parallel()
	scope, folder := newScope(t), t.TempDir()
	release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 3}))
	all := containers(t, scope.Application)
	before := addressed(t, scope.Application)
	step := open(t, scope, places(folder, 4, map[string]any{"look": true}))
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	must(t, err)
	for n, want := range map[int]string{1: all[0].Labels[prefix+"address"], 3: all[2].Labels[prefix+"address"], 4: ""} {
		if got := outputs[fmt.Sprintf("address_%d", n)].Value; got != want {
			t.Errorf("instance %d is on %q, want %q", n, got, want)
		}
	}
	must(t, step.Undo(t.Context(), journal.Attempt(1)))
	must(t, step.Finish(t.Context(), journal.Attempt(1)))
	if diff := cmp.Diff(before, addressed(t, scope.Application)); diff != "" {
		t.Error(diff)
	}
	if step.Traits().Reversal.Way != ripcord.WayNothing {
		t.Error(step.Traits().Reversal)
	}
}

func TestReplaceRefusesNumbers(t *testing.T) {
	t.Parallel()
	for _, replace := range []map[string]any{{"numbers": []int{3}}, {"numbers": []int{1, 1}}, {"max_unavailable": -1}, {"unknown": 1}} {
		_, err := docker.New(nil).Open(t.Context(), specOf(places("/x", 2, replace)), ripcord.Scope{Application: "shop", Environment: "test"})
		if ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%v: %v", replace, err)
		}
	}
}

// TestReplaceKilledAnywhere: as TestKilledAnywhere, where the old container has to
// come back.
func TestReplaceKilledAnywhere(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	killedAnywhere(t, 4, places(folder, 1, map[string]any{}), func(scope ripcord.Scope) { // update, stop, create, start
		release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 1}))
	})
}

// TestReplaceSaysWhatIsGone: an old container that somebody removed cannot come back,
// and the others do.
func TestReplaceSaysWhatIsGone(t *testing.T) {
	t.Parallel()
	scope, folder := newScope(t), t.TempDir()
	release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 2}))
	all := containers(t, scope.Application)
	step := open(t, scope, places(folder, 2, map[string]any{}))
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	_, err := engineOf(t).Ask(http.MethodDelete, "/containers/"+all[0].ID, nil)
	must(t, err)
	err = step.Undo(t.Context(), journal.Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "container 1 of web v1 was removed by somebody else") {
		t.Error(err)
	}
	if now := fingerprint(t, scope.Application); !strings.Contains(now, "web-blue-2] running run-0 ") {
		t.Errorf("the other one is not there:\n%s", now)
	}
}
