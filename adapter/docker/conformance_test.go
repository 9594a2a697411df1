package docker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dockerd"
	"github.com/ripcord-dev/ripcord/adapter/docker"
)

// applications gives each test its own containers.
var applications atomic.Int64

// newScope returns a scope of its own application.
func newScope(t *testing.T) ripcord.Scope {
	t.Helper()
	engineOf(t)
	scope := adaptertest.NewScope(t)
	scope.Machines = nil
	scope.Application = fmt.Sprintf("shop%04d", applications.Add(1))
	scope.Secrets = adaptertest.Secrets{"TOKEN": "t0ken-value"}
	t.Cleanup(func() { forget(t, scope.Application) })
	return scope
}

// entry is what the engine tells of a container.
type entry struct {
	ID     string `json:"Id"`
	Names  []string
	State  string
	Labels map[string]string
}

const prefix = "com.github.ripcord."

// containers lists those of an application, and whoever has such a name.
func containers(t *testing.T, application string) []entry {
	t.Helper()
	raw, err := engineOf(t).Ask(http.MethodGet, "/containers/json?all=1&filters="+url.QueryEscape(`{"name":["ripcord-`+application+`-"]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.Names[0], b.Names[0]) })
	return all
}

// forget removes all containers of an application.
func forget(t *testing.T, application string) {
	t.Helper()
	for _, c := range containers(t, application) {
		if t.Failed() {
			log, _ := engineOf(t).Ask(http.MethodGet, "/containers/"+c.ID+"/logs?stdout=1&stderr=1&tail=20", nil)
			t.Logf("%s is %s:\n%q", c.Names[0], c.State, log)
		}
		if _, err := engineOf(t).Ask(http.MethodDelete, "/containers/"+c.ID+"?force=1&v=1", nil); err != nil {
			t.Errorf("forget %s: %v", c.Names, err)
		}
	}
}

// settingsIn are the usual settings; files in the folder make instances misbehave.
func settingsIn(folder string, change map[string]any) string {
	all := map[string]any{
		"service": "web", "image": "shop:v2", "command": []string{"${instance.address}"}, "instances": 2,
		"environment": map[string]string{"TOKEN": "${secret:TOKEN}"}, "grace": 2,
		"volumes": []string{folder + ":/work"}, "directory": "/work",
		"health": map[string]any{"http": "/healthz", "interval": .02, "timeout": 30, "start_timeout": 120, "successes": 2},
		"socket": filepath.Join(dockerd.Folder(), "docker.sock"),
	}
	maps.Copy(all, change)
	raw, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func specOf(settings string) ripcord.StepSpec {
	return ripcord.StepSpec{ID: "web", Kind: "deploy", Adapter: docker.Kind, Settings: json.RawMessage(settings)}
}

func open(t *testing.T, scope ripcord.Scope, settings string) *docker.Step {
	t.Helper()
	step, err := docker.New(os.Environ).Open(t.Context(), specOf(settings), scope)
	if err != nil {
		t.Fatal(err)
	}
	return step.(*docker.Step)
}

// journalOf returns a journal with the step's before-image.
func journalOf(t *testing.T, scope ripcord.Scope, step *docker.Step) *adaptertest.Journal {
	t.Helper()
	before, err := step.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return adaptertest.NewJournal(ripcord.Key(scope.Run, "web"), before)
}

// release applies and finishes the step as another run.
func release(t *testing.T, scope ripcord.Scope, run ripcord.RunID, version, settings string) (step *docker.Step, outputs map[string]ripcord.Output) {
	t.Helper()
	scope.Run, scope.Version = run, version
	step = open(t, scope, settings)
	journal := journalOf(t, scope, step)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := step.Finish(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	return step, outputs
}

// fingerprint lists the containers of an application, how they fare and who
// answers; ports and ids do not count.
func fingerprint(t *testing.T, application string) string {
	t.Helper()
	var b strings.Builder
	for _, c := range containers(t, application) {
		fmt.Fprintln(&b, c.Names, c.State, c.Labels[prefix+"run"], c.Labels[prefix+"version"], get("http://"+c.Labels[prefix+"address"]+"/version"))
	}
	return b.String()
}

func get(url string) string {
	response, err := http.Get(url)
	if err != nil {
		return "no answer"
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(body))
}

// breakWith makes instances misbehave by a file in their directory.
func breakWith(name, file, folder string) adaptertest.Break {
	path := filepath.Join(folder, file)
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

// inTurn are these turns, or with RIPCORD_SOAK set both.
func inTurn(turns adaptertest.Turns) adaptertest.Turns {
	if os.Getenv("RIPCORD_SOAK") != "" {
		return adaptertest.Both
	}
	return turns
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"first release": false, "beside the old one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			turns := map[bool]adaptertest.Turns{false: adaptertest.UndoFirst, true: adaptertest.ApplyFirst}[old]
			adaptertest.Run(t, adaptertest.Config{Turns: inTurn(turns), New: func(t *testing.T) adaptertest.Fixture {
				t.Helper()
				scope, folder := newScope(t), t.TempDir()
				change := map[string]any{}
				broken := breakWith("exits", "broken", folder)
				if old { // containers take their time: one there, and the other way to be broken
					change["instances"], broken = 1, breakWith("sick", "sick", folder)
					short := specOf(strings.Replace(settingsIn(folder, change), `"start_timeout":120`, `"start_timeout":3`, 1))
					broken.Spec = &short
					release(t, scope, "run-0", "v1", settingsIn(folder, map[string]any{"instances": 1}))
				}
				return adaptertest.Fixture{
					Adapter: docker.New(os.Environ), Spec: specOf(settingsIn(folder, change)), Scope: scope,
					Fingerprint: func(t *testing.T) string { t.Helper(); return fingerprint(t, scope.Application) },
					References:  []string{"image", "command", "environment", "ports", "directory", "socket"},
					Secrets:     []string{"t0ken-value"},
					Breaks:      []adaptertest.Break{broken},
				}
			}})
		})
	}
}
