package script_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/script"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

// machinesOf makes a server the machine app1.
func machinesOf(t *testing.T, s *sshd.Server) ripcord.Machines {
	t.Helper()
	pool := ssh.NewPool(ssh.Options{Now: time.Now})
	t.Cleanup(func() { _ = pool.Close() })
	return pool.Machines(map[string]ripcord.MachineSpec{
		"app1": {SSH: "root@" + s.Address, Identity: []string{s.Key}, KnownHosts: []string{s.KnownHosts}},
	}, nil)
}

// siteOf is what the scripts make on a machine, and whether they do not clean up.
func siteOf(t *testing.T, home string) string {
	t.Helper()
	site := filepath.Join(home, "site")
	if _, err := os.Stat(site); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return tree(t, site)
}

func TestConformanceOnMachine(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, settings string }{
		{"script", `{"machine":"app1","command":["./publish.sh"],"undo":["./unpublish.sh"],"check":["./published.sh"],"sensitive_outputs":["key"],"grace":1,"environment":{"TOKEN":"${secret:TOKEN}"}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
				t.Helper()
				server := sshd.Start(t, sshd.Options{})
				f := fixture("run", test.settings)(t)
				f.Scope.Machines = machinesOf(t, server)
				f.Fingerprint = func(t *testing.T) string { t.Helper(); return siteOf(t, server.Home) }
				broken := filepath.Join(server.Home, "broken")
				f.References = []string{"command", "environment"}
				f.Breaks = []adaptertest.Break{{
					Name:  "half-way",
					Break: func(t *testing.T) { t.Helper(); write(t, broken, "", 0o644) },
					Mend: func(t *testing.T) {
						t.Helper()
						if err := os.Remove(broken); err != nil {
							t.Fatal(err)
						}
					},
				}}
				return f
			}})
		})
	}
}

// On a machine nothing is left, and the bundle's copy of a script is what goes back.
func TestMachineLeavesNothing(t *testing.T) {
	t.Parallel()
	server := sshd.Start(t, sshd.Options{})
	scope := newScope(t)
	scope.Machines = machinesOf(t, server)
	step := open(t, scope, ripcord.StepSpec{Kind: "run"},
		`{"machine":"app1","command":["./publish.sh"],"undo":["./unpublish.sh"],"check":["./published.sh"],"environment":{"TOKEN":"${secret:TOKEN}"}}`)
	if got, want := step.Files(), []string{"publish.sh", "published.sh", "unpublish.sh"}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the bundle holds %q", got)
	}
	for _, name := range step.Files() {
		text, err := os.ReadFile(filepath.Join(scope.Directory, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(scope.Bundle, name), string(text), 0o755)
	}
	var log strings.Builder
	attempt := ripcord.Attempt{Number: 1, Output: &log}
	if err := step.Apply(t.Context(), attempt); err != nil {
		t.Fatal(err)
	}
	outputs, err := step.Outputs(t.Context(), attempt)
	if err != nil || outputs["url"].Value != "http://shop/v2" || !outputs["key"].Sensitive {
		t.Errorf("%v, %v", outputs, err)
	}
	if strings.Contains(log.String(), "t0ken") || !strings.Contains(log.String(), "published with ***") {
		t.Errorf("the log is %q", log.String())
	}
	write(t, filepath.Join(scope.Directory, "unpublish.sh"), "#!/bin/sh\nexit 1\n", 0o755)
	if err := step.Undo(t.Context(), attempt); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "unpublish.sh changed since the run began") {
		t.Errorf("the log is %q", log.String())
	}
	if left, err := os.ReadDir(server.Home); err != nil || len(left) > 0 {
		t.Errorf("on the machine is left %v, %v", left, err)
	}
}

func TestMachineFailures(t *testing.T) {
	t.Parallel()
	server := sshd.Start(t, sshd.Options{})
	scope := newScope(t)
	scope.Machines = machinesOf(t, server)
	for _, test := range []struct{ settings, want string }{
		{`{"machine":"app1","command":["sh","-c","echo out; echo no space >&2; exit 9"]}`, "no space"},
		{`{"machine":"app1","command":["sh","-c","kill -KILL $$"]}`, `ended by signal "killed"`},
		{`{"machine":"app1","command":["no-such-program"]}`, "machine app1: there is no program no-such-program"},
		{`{"machine":"app1","directory":"/none","command":["true"]}`, "machine app1: its folder /none cannot be entered"},
		{`{"machine":"app2","command":["true"]}`, `there is no machine "app2"`},
	} {
		err := open(t, scope, ripcord.StepSpec{ID: ripcord.StepID(test.want), Kind: "run"}, test.settings).Apply(t.Context(), ripcord.Attempt{Number: 1})
		if _, ok := errors.AsType[*ripcord.Failure](err); !ok || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.settings, err)
		}
	}
	for _, settings := range []string{`{"machine":"app1","user":"www-data","command":["true"]}`, `{"machine":"app1","directory":"rel","command":["true"]}`} {
		spec := ripcord.StepSpec{ID: "s", Kind: "run", Settings: json.RawMessage(settings)}
		if _, err := script.New(nil).Open(t.Context(), spec, scope); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
