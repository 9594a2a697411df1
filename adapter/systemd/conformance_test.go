package systemd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/systemd"
)

const settings = `{"service":"web","command":["./bin/shop","__web","${instance.address}"],"instances":2,
	"environment":{"TOKEN":"${secret:TOKEN}"},"artifact":["bin/shop"],"grace":5,
	"health":{"http":"/healthz","interval":0.02,"timeout":30,"start_timeout":120,"successes":2}}`

// applications gives each test its own units.
var applications atomic.Int64

// newScope returns a scope in whose bundle the test binary lies as bin/shop.
func newScope(t *testing.T) ripcord.Scope {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Machines = nil
	scope.Application = fmt.Sprintf("shop%04d", applications.Add(1))
	scope.Secrets = adaptertest.Secrets{"TOKEN": "t0ken-value"}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(scope.Bundle, "bin")
	if err := errors.Join(os.MkdirAll(bin, 0o700), os.Symlink(self, filepath.Join(bin, "shop"))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { forget(t, scope.Application) })
	return scope
}

// forget removes all units of an application.
func forget(t *testing.T, application string) {
	t.Helper()
	if t.Failed() {
		out, _ := exec.Command("sh", "-c", "systemctl status --full --no-pager 'ripcord-"+application+"-*'; journalctl --no-pager -n 30 -u 'ripcord-"+application+"-*'").CombinedOutput()
		t.Logf("%s", out)
	}
	// Reloads are what these tests take time for: one for all units.
	const script = `cd /etc/systemd/system; rm -rf /var/lib/ripcord-units/*"$1"-*; set -- ripcord-"$1"-*.service
if [ -e "$1" ]; then systemctl disable -q --no-reload "$@"; systemctl stop "$@"; systemctl reset-failed "$@" 2>/dev/null; rm "$@"; fi
systemctl daemon-reload`
	if out, err := exec.Command("sh", "-c", script, "forget", application).CombinedOutput(); err != nil {
		t.Errorf("forget %s: %v\n%s", application, err, out)
	}
}

func specOf(settings string) ripcord.StepSpec {
	return ripcord.StepSpec{ID: "web", Kind: "deploy", Adapter: systemd.Kind, Settings: json.RawMessage(settings)}
}

func open(t *testing.T, scope ripcord.Scope, settings string) *systemd.Step {
	t.Helper()
	step, err := systemd.New().Open(t.Context(), specOf(settings), scope)
	if err != nil {
		t.Fatal(err)
	}
	return step.(*systemd.Step)
}

// journalOf returns a journal with the step's before-image.
func journalOf(t *testing.T, scope ripcord.Scope, step *systemd.Step) *adaptertest.Journal {
	t.Helper()
	before, err := step.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return adaptertest.NewJournal(ripcord.Key(scope.Run, "web"), before)
}

// release applies and finishes the step as another run.
func release(t *testing.T, scope ripcord.Scope, run ripcord.RunID, version, settings string) (step *systemd.Step, outputs map[string]ripcord.Output) {
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

// fingerprint lists all files that an application's units have, whether they
// start at boot, how they fare and who answers; ports and pids do not count.
func fingerprint(t *testing.T, application string) string {
	t.Helper()
	var b strings.Builder
	for _, folder := range []string{"/etc/systemd/system", "/var/lib/ripcord-units"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !strings.Contains(path, application) {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			fmt.Fprintln(&b, path, info.Mode())
			if strings.HasPrefix(path, "/etc/systemd/system/ripcord-") {
				fmt.Fprintln(&b, " ", unitState(t, d.Name()), answerOf(t, path))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	left, err := exec.Command("systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", "ripcord-"+application+"-*").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(left)) {
		fmt.Fprintln(&b, strings.Fields(line)[:4])
	}
	return b.String()
}

func unitState(t *testing.T, unit string) string {
	t.Helper()
	out, err := exec.Command("systemctl", "show", "--value", "--property=ActiveState,SubState,UnitFileState", unit).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// answerOf asks the instance of a unit file who it is.
func answerOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, raw, _ := strings.Cut(string(text), "\nLabels=")
	var labels struct{ Address, Run string }
	if err := json.Unmarshal([]byte(raw), &labels); err != nil {
		t.Fatal(err)
	}
	return labels.Run + ": " + get("http://"+labels.Address+"/version")
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
				scope, settings := newScope(t), settings
				broken := breakWith("exits", "broken", scope)
				if old { // units take their time: one there, and the other way to be broken
					broken = breakWith("sick", "sick", scope)
					settings = strings.Replace(settings, `"instances":2`, `"instances":1`, 1)
					short := specOf(strings.Replace(settings, `"start_timeout":120`, `"start_timeout":3`, 1))
					broken.Spec = &short
					release(t, scope, "run-0", "v1", settings)
				}
				return adaptertest.Fixture{
					Adapter: systemd.New(), Spec: specOf(settings), Scope: scope,
					Fingerprint: func(t *testing.T) string { t.Helper(); return fingerprint(t, scope.Application) },
					References:  []string{"command", "environment", "ports", "directory"},
					Secrets:     []string{"t0ken-value"},
					Breaks:      []adaptertest.Break{broken},
				}
			}})
		})
	}
}
