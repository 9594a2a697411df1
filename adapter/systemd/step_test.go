package systemd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/systemd"
)

// with returns the settings with some replaced.
func with(t *testing.T, change map[string]any) string {
	t.Helper()
	all := map[string]any{}
	if err := json.Unmarshal([]byte(settings), &all); err != nil {
		t.Fatal(err)
	}
	maps.Copy(all, change)
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// hard are texts that unit files, environment files and shells could misread.
func hard() []string {
	return []string{
		"plain", "", " two  words ", `"quoted" 'twice'`, `back\slash \n`, "$HOME ${HOME} $$", "100% %n %%", "`id`", "a;b #c", "line\nbreak", "tab\there",
		"grüße ☃", "=x", "-@:+!", `\`, `"`, "'",
	}
}

// TestTextsArrive: arguments and environment come as they were written, secrets
// too, and secrets stand in no file that others may read.
func TestTextsArrive(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	secrets := adaptertest.Secrets{"TOKEN": "t0ken-value", "HARD": strings.Join(hard(), "|")}
	scope.Secrets = secrets
	command := append([]string{filepath.Join(scope.Directory, "bin/shop"), "__web", "${instance.address}"}, hard()...)
	command = append(command, "--secret=${secret:HARD}", "${instance.number} ${release.directory}")
	environment := map[string]string{"TOKEN": "${secret:TOKEN}", "HARD": "${secret:HARD}"}
	for i, text := range hard() {
		environment["TEXT_"+string(rune('A'+i))] = text
	}
	_, outputs := release(t, scope, "run-1", "v1", with(t, map[string]any{
		"command": command, "environment": environment, "instances": 1, "user": "nobody", "directory": "/", "limits": map[string]any{"files": 1234, "tasks": 50},
	}))
	var got inner
	if err := json.Unmarshal([]byte(get("http://"+outputs["addresses"].Value+"/world")), &got); err != nil {
		t.Fatal(err)
	}
	folder := "/var/lib/ripcord-units/" + scope.Application + "-test-web-blue"
	want := append(hard(), "--secret="+secrets["HARD"], "1 "+folder)
	if diff := cmp.Diff(want, got.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	environment["TOKEN"], environment["HARD"] = secrets["TOKEN"], secrets["HARD"]
	for name, value := range environment {
		if diff := cmp.Diff(value, got.Env[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got.UID != 65534 || got.GID != 65534 || got.Dir != "/" || got.Files != 1234 {
		t.Errorf("the instance runs as %d:%d in %s with %d files", got.UID, got.GID, got.Dir, got.Files)
	}
	out, err := exec.Command("su", "-s", "/bin/sh", "nobody", "-c", "cat /etc/systemd/system/ripcord-"+scope.Application+"-* /var/lib/ripcord-units/"+scope.Application+"*.env /var/lib/ripcord-units/*.env").CombinedOutput()
	if err == nil {
		t.Error("somebody else can read every file")
	}
	for name, secret := range secrets {
		if bytes.Contains(out, []byte(secret)) {
			t.Errorf("others can read the secret %s", name)
		}
	}
}

// TestReleasesTakeTurns: each release starts beside the old one, which then goes;
// what starts at boot is always the committed one.
func TestReleasesTakeTurns(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	var before map[string]ripcord.Output
	for i, want := range []string{"blue", "green", "blue"} {
		version := "v" + string(rune('1'+i))
		step, outputs := release(t, scope, ripcord.RunID("run-"+version), version, settings)
		if outputs["colour"].Value != want {
			t.Errorf("%s is %s, want %s", version, outputs["colour"].Value, want)
		}
		for _, key := range []string{"addresses", "colour"} {
			if diff := cmp.Diff(before[key], outputs["old_"+key]); diff != "" {
				t.Errorf("%s: old %s (-want +got):\n%s", version, key, diff)
			}
		}
		before = outputs
		for n, address := range strings.Split(outputs["addresses"].Value, ",") {
			if got, want := get("http://"+address+"/version"), version+" "+string(rune('1'+n)); got != want {
				t.Errorf("%s answers %q, want %q", address, got, want)
			}
		}
		seen, err := step.Check(t.Context())
		if err != nil || seen.Presence != ripcord.Present {
			t.Errorf("after its Finish, %s is %s (%v)", version, seen.Presence, err)
		}
		out, err := exec.Command("systemctl", "list-unit-files", "--no-legend", "ripcord-"+scope.Application+"-*").Output()
		if err != nil || len(regexp.MustCompile(`\.service +enabled`).FindAll(out, -1)) != 2 || strings.Count(string(out), "-"+want+"-") != 2 {
			t.Errorf("units after %s (%v):\n%s", version, err, out)
		}
	}
}

// TestBothStartAtBoot: before the commit, a reboot finds both versions as they were,
// because traffic may have been moved already; after going back, the old one.
func TestBothStartAtBoot(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	release(t, scope, "run-0", "v1", settings)
	step := open(t, scope, settings)
	if err := step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)); err != nil {
		t.Fatal(err)
	}
	for _, colour := range []string{"blue", "green"} {
		if got, want := unitState(t, "ripcord-"+scope.Application+"-test-web-"+colour+"-1.service"), "active running enabled"; got != want {
			t.Errorf("%s is %q, want %q", colour, got, want)
		}
	}
}

// TestRefused: what cannot run is refused before the first effect, in words.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change map[string]any
		want   string
	}{
		"user":  {map[string]any{"user": "nosuchuser"}, "there is no user nosuchuser on this machine"},
		"group": {map[string]any{"user": "nobody:nosuchgroup"}, "there is no group nosuchgroup on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			step := open(t, scope, with(t, c.change))
			_, err := step.Stamp(t.Context())
			if ripcord.CodeOf(err) != ripcord.CodeRefused || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Stamp: %v, want %s", err, c.want)
			}
			if _, err := step.Explain(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Explain: %v, want %s", err, c.want)
			}
			err = step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1))
			failure, ok := errors.AsType[*ripcord.Failure](err)
			if !ok || !failure.Final || !strings.Contains(failure.Summary, c.want) {
				t.Errorf("Apply: %v, want %s", err, c.want)
			}
			if got := fingerprint(t, scope.Application); got != "" {
				t.Errorf("it left\n%s", got)
			}
		})
	}
}

// TestNotOurs: a unit of the same name that somebody else wrote is left alone.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	path := "/etc/systemd/system/ripcord-" + scope.Application + "-test-web-blue-1.service"
	if err := os.WriteFile(path, []byte("[Service]\nExecStart=/bin/true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	step := open(t, scope, settings)
	journal := journalOf(t, scope, step)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err == nil || !strings.Contains(err.Error(), "belongs to something else") {
		t.Errorf("Apply: %v", err)
	}
	if err := step.Undo(t.Context(), journal.Attempt(1)); err != nil {
		t.Errorf("Undo: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Contains(text, []byte("/bin/true")) {
		t.Errorf("it holds %s, %v", text, err)
	}
}

// TestFailureSays: the summary names the unit, how it ended and its last words,
// and no secret.
func TestFailureSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change map[string]any
		file   string
		want   string
	}{
		"exits":   {nil, "broken", "-test-web-blue-1.service exited with status 1 before it was healthy: cannot open the database with ***"},
		"starves": {map[string]any{"limits": map[string]any{"memory": "96M"}}, "hungry", "because it needed more memory than its limit of 96M before it was healthy"},
		"program": {map[string]any{"command": []string{"/no/such/program"}, "artifact": []string{}}, "", "its program is not there or cannot be executed"},
		"folder":  {map[string]any{"directory": "/no/such/folder"}, "", "its user cannot enter its directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			if c.file != "" {
				if err := os.WriteFile(filepath.Join(scope.Directory, c.file), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.change == nil {
				c.change = map[string]any{}
			}
			c.change["instances"] = 1
			if name == "folder" {
				c.change["command"] = []string{filepath.Join(scope.Directory, "bin/shop"), "__web", "${instance.address}"}
			}
			step := open(t, scope, with(t, c.change))
			err := step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Apply: %v, want %s", err, c.want)
			}
		})
	}
}

// TestLimitsHold: the kernel holds what is told to systemd.
func TestLimitsHold(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	limits := with(t, map[string]any{"instances": 1, "limits": map[string]any{"memory": "256M", "cpu": "50%", "tasks": 77, "files": 1234}})
	_, outputs := release(t, scope, "run-1", "v1", limits)
	var sees inner
	if err := json.Unmarshal([]byte(get("http://"+outputs["addresses"].Value+"/world")), &sees); err != nil || sees.Files != 1234 {
		t.Errorf("files %d, %v", sees.Files, err)
	}
	unit := "ripcord-" + scope.Application + "-test-web-blue-1.service"
	for _, limit := range []struct{ one, two, want string }{
		{"memory/memory.limit_in_bytes", "memory.max", "268435456"},
		{"pids/pids.max", "pids.max", "77"},
		{"cpu/cpu.cfs_quota_us", "cpu.max", "50000"},
	} {
		tree, file, _ := strings.Cut(limit.one, "/")
		path := "/sys/fs/cgroup/" + tree + "/system.slice/" + unit + "/" + file
		if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
			path = "/sys/fs/cgroup/system.slice/" + unit + "/" + limit.two
		}
		got, err := os.ReadFile(path)
		if first, _, _ := strings.Cut(strings.TrimSpace(string(got)), " "); err != nil || first != limit.want {
			t.Errorf("%s is %q, %v; want %s", path, got, err, limit.want)
		}
	}
}

// TestAnotherPort: who finds its port taken moves to another one.
func TestAnotherPort(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, with(t, map[string]any{"instances": 1, "ports": "18000-18001"}))
	busy := exec.Command(os.Args[0], "__web", "127.0.0.1:18000")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Process.Kill(); _ = busy.Wait() })
	for get("http://127.0.0.1:18000/healthz") == "no answer" {
		continue // the service begins
	}
	journal := journalOf(t, scope, step)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	if err != nil || outputs["addresses"].Value != "127.0.0.1:18001" {
		t.Errorf("%v, %v", outputs, err)
	}
}

// TestPlainErrors: settings that no unit could have are refused by Open.
func TestPlainErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change map[string]any
		want   string
	}{
		"service":  {map[string]any{"service": "we b"}, "no systemd unit can be"},
		"slash":    {map[string]any{"service": "a/b"}, "no systemd unit can be"},
		"at":       {map[string]any{"service": "web@1"}, "no systemd unit can be"},
		"program":  {map[string]any{"command": []string{"-x"}}, "a meaning of its own to systemd"},
		"user":     {map[string]any{"user": "a b"}, "user is"},
		"restart":  {map[string]any{"restart": "sometimes"}, "restart is"},
		"memory":   {map[string]any{"limits": map[string]any{"memory": "much"}}, "limits.memory is"},
		"cpu":      {map[string]any{"limits": map[string]any{"cpu": "2"}}, "limits.cpu is"},
		"ports":    {map[string]any{"ports": "9-1"}, "ports is"},
		"variable": {map[string]any{"environment": map[string]string{"A-B": "x"}}, "environment cannot set"},
	} {
		_, err := systemd.New().Open(t.Context(), specOf(with(t, c.change)), ripcord.Scope{Application: "shop", Environment: "test"})
		e, ok := errors.AsType[*ripcord.Error](err)
		if !ok || e.Code != ripcord.CodePlan || e.Fix == "" || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := systemd.New().Open(t.Context(), specOf(settings), ripcord.Scope{Application: "my shop", Environment: "test"}); err == nil {
		t.Error("an application is named with a space")
	}
}
