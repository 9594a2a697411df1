package process_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/process"
)

const settings = `{"service":"web","command":["./bin/shop","__web","${instance.address}"],"instances":2,
	"environment":{"TOKEN":"${secret:TOKEN}"},"artifact":["bin/shop"],"grace":5,
	"health":{"http":"/healthz","interval":0.01,"timeout":20,"start_timeout":90,"successes":2}}`

// newScope returns a scope in whose bundle the test binary lies as bin/shop.
func newScope(t *testing.T) ripcord.Scope {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Secrets = adaptertest.Secrets{"TOKEN": "t0ken-value"}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(scope.Bundle, "bin")
	if err := errors.Join(os.MkdirAll(bin, 0o755), os.Symlink(self, filepath.Join(bin, "shop"))); err != nil {
		t.Fatal(err)
	}
	return scope
}

func specOf(settings string) ripcord.StepSpec {
	return ripcord.StepSpec{ID: "web", Kind: "deploy", Adapter: process.Kind, Settings: json.RawMessage(settings)}
}

func open(t *testing.T, scope ripcord.Scope, settings string) *process.Step {
	t.Helper()
	step, err := process.New(os.Environ).Open(t.Context(), specOf(settings), scope)
	if err != nil {
		t.Fatal(err)
	}
	return step.(*process.Step)
}

// journalOf returns a journal with the step's before-image.
func journalOf(t *testing.T, scope ripcord.Scope, step *process.Step) *adaptertest.Journal {
	t.Helper()
	before, err := step.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return adaptertest.NewJournal(ripcord.Key(scope.Run, "web"), before)
}

// release applies the step as another run.
func release(t *testing.T, scope ripcord.Scope, run ripcord.RunID, version, settings string) {
	t.Helper()
	scope.Run, scope.Version = run, version
	step := open(t, scope, settings)
	if err := step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)); err != nil {
		t.Fatal(err)
	}
}

// fingerprint asks every wanted instance who it is; ports and pids do not count.
func fingerprint(t *testing.T, supervisor ripcord.Supervisor) string {
	t.Helper()
	all, err := supervisor.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, i := range all {
		fmt.Fprintf(&b, "%s %s %s %t: %s\n", i.ID, i.Labels["run"], i.Labels["version"], i.Running, get(t, "http://"+i.Labels["address"]+"/version"))
	}
	return b.String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		return "no answer"
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// breakWith makes instances misbehave by a file in their directory.
func breakWith(name, file string, scope ripcord.Scope) adaptertest.Break {
	path := filepath.Join(scope.Directory, file)
	return adaptertest.Break{
		Name: name,
		Break: func(t *testing.T) {
			t.Helper()
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		Mend: func(t *testing.T) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func fixture(settings string, old bool, supervisor func(t *testing.T) ripcord.Supervisor) func(t *testing.T) adaptertest.Fixture {
	return func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope := newScope(t)
		if supervisor != nil {
			scope.Supervisor = supervisor(t)
		}
		if old {
			release(t, scope, "run-0", "v1", strings.Replace(settings, `"instances":2`, `"instances":1`, 1))
		}
		short := specOf(strings.Replace(settings, `"start_timeout":90`, `"start_timeout":1`, 1))
		sick := breakWith("sick", "sick", scope)
		sick.Spec = &short
		return adaptertest.Fixture{
			Adapter:     process.New(os.Environ),
			Spec:        specOf(settings),
			Scope:       scope,
			Fingerprint: func(t *testing.T) string { t.Helper(); return fingerprint(t, scope.Supervisor) },
			References:  []string{"command", "environment", "ports", "directory"},
			Secrets:     []string{"t0ken-value"},
			Breaks:      []adaptertest.Break{breakWith("exits", "broken", scope), sick},
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"first release": false, "beside the old one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: fixture(settings, old, nil)})
		})
	}
}
