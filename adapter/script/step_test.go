package script_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/script"
)

func environ() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/nowhere", "RIPCORD_STATE_DIR=/secret", "COLOUR=red"}
}

func open(t *testing.T, scope ripcord.Scope, spec ripcord.StepSpec, settings string) *script.Step {
	t.Helper()
	spec.Settings = json.RawMessage(settings)
	if spec.ID == "" {
		spec.ID = "assets"
	}
	step, err := script.New(environ).Open(t.Context(), spec, scope)
	if err != nil {
		t.Fatal(err)
	}
	return step.(*script.Step)
}

func failure(t *testing.T, err error) *ripcord.Failure {
	t.Helper()
	f, ok := errors.AsType[*ripcord.Failure](err)
	if !ok {
		t.Fatalf("error %v is no failure", err)
	}
	return f
}

// timeless hides how long something took, which depends on the machine.
func timeless(text string) string {
	return regexp.MustCompile(`after [0-9.ms]+`).ReplaceAllString(text, "after SOME TIME")
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, ripcord.StepSpec{Kind: "run"}, `{"command":["env"],"environment":{"COLOUR":"blue","PASSWORD":"${secret:TOKEN}"}}`)
	journal := adaptertest.NewJournal("run-1/assets", ripcord.Observation{})
	if err := step.Apply(t.Context(), journal.Attempt(2)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(journal.Output()) {
		if !strings.HasPrefix(line, "PATH=") && !strings.HasPrefix(line, "RIPCORD_OUTPUT=") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		"HOME=/nowhere", "RIPCORD_APPLICATION=shop", "RIPCORD_ATTEMPT=2", "RIPCORD_DIRECTION=apply", "RIPCORD_ENVIRONMENT=test",
		"RIPCORD_KEY=run-1/assets", "RIPCORD_RUN=run-1", "RIPCORD_STEP=assets", "RIPCORD_VERSION=v2", "COLOUR=blue", "PASSWORD=***",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !strings.Contains(journal.Output(), "RIPCORD_OUTPUT="+scope.StateDir) {
		t.Errorf("no RIPCORD_OUTPUT in the state directory:\n%s", journal.Output())
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, settings string
		timeout        time.Duration
		class          ripcord.FailureClass
		summary        string
		code           int
	}{
		{"status", `{"command":["sh","-c","echo one; echo the disk is full >&2; exit 3"]}`, 0, ripcord.FailedCommand, "echo one; echo the disk is full >&2; exit 3 ended with status 3 after SOME TIME: the disk is full", 3},
		{"signal", `{"command":["sh","-c","kill -9 $$"]}`, 0, ripcord.FailedCommand, `kill -9 $$ ended by signal "killed"`, -1},
		{"timeout", `{"command":["sh","-c","echo waiting; sleep 60"],"grace":1}`, 3 * time.Second, ripcord.FailedTimeout, "echo waiting; sleep 60 did not end within 3s and was stopped: waiting", -1},
		{"missing", `{"command":["./nothing.sh"]}`, 0, ripcord.FailedCommand, "./nothing.sh could not be started: there is no such program", 0},
		{"not executable", `{"command":["./plain.txt"]}`, 0, ripcord.FailedCommand, "./plain.txt could not be started: it is not executable (chmod +x)", 0},
		{"directory", `{"command":["true"],"directory":"no/such"}`, 0, ripcord.FailedTarget, "the working directory", 0},
		{"file as directory", `{"command":["true"],"directory":"plain.txt"}`, 0, ripcord.FailedTarget, "is no directory", 0},
		{"user", `{"command":["true"],"user":"no-such-user"}`, 0, ripcord.FailedTarget, "there is no user no-such-user", 0},
		{"outputs", `{"command":["sh","-c","echo hello >> $RIPCORD_OUTPUT"]}`, 0, ripcord.FailedCommand, "$RIPCORD_OUTPUT cannot be read: line 1: neither NAME=VALUE", 0},
		{"check disagrees", `{"command":["true"],"check":["sh","-c","exit 1"]}`, 0, ripcord.FailedCheck, "true ended well, but the check does not find the effect: exit 1 says absent", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			write(t, filepath.Join(scope.Directory, "plain.txt"), "#!/bin/sh\n", 0o644)
			step := open(t, scope, ripcord.StepSpec{Kind: "run", Timeout: ripcord.Duration(test.timeout)}, test.settings)
			got := failure(t, step.Apply(t.Context(), adaptertest.NewJournal("run-1/assets", ripcord.Observation{}).Attempt(1)))
			summary := strings.ReplaceAll(timeless(got.Summary), "was ended", "ended")
			if got.Class != test.class || !strings.Contains(summary, test.summary) {
				t.Errorf("%s: %s\nwant %s: %s", got.Class, got.Summary, test.class, test.summary)
			}
			if test.code != 0 && (got.Exit == nil || got.Exit.Code != test.code) {
				t.Errorf("exit %+v, want code %d", got.Exit, test.code)
			}
		})
	}
}

func TestCheckStatuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		check string
		want  ripcord.Observation
	}{
		{"echo state 1; echo noise >&2", ripcord.Observation{Presence: ripcord.Present, Image: []byte("state 1"), Exact: true}},
		{"exit 1", ripcord.Observation{Presence: ripcord.Absent}},
		{"printf 'half\\n\\n'; exit 2", ripcord.Observation{Presence: ripcord.Partial, Image: []byte("half"), Exact: true}},
		{"echo the host is down >&2; exit 7", ripcord.Observation{Presence: ripcord.Unknown, Detail: "ended with status 7 after SOME TIME: the host is down"}},
		{"kill -9 $$", ripcord.Observation{Presence: ripcord.Unknown, Detail: `was ended by signal "killed"`}},
		{"head -c 70000 /dev/zero | tr '\\0' x", ripcord.Observation{Presence: ripcord.Present, Image: bytes.Repeat([]byte("x"), 64<<10)}},
	}
	for _, test := range tests {
		t.Run(test.check, func(t *testing.T) {
			t.Parallel()
			settings, err := json.Marshal(map[string][]string{"command": {"true"}, "check": {"sh", "-c", test.check}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := open(t, newScope(t), ripcord.StepSpec{Kind: "run"}, string(settings)).Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(timeless(got.Detail), test.want.Detail) {
				t.Errorf("detail %q, want %q", got.Detail, test.want.Detail)
			}
			got.Detail, test.want.Detail = "", ""
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestUndoUsesBundle(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"changed", "gone", "same"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			step := open(t, scope, ripcord.StepSpec{Kind: "run"}, `{"command":["./publish.sh"],"undo":["./unpublish.sh"],"environment":{"TOKEN":"x"}}`)
			if diff := cmp.Diff([]string{"publish.sh", "unpublish.sh"}, step.Files()); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			for _, file := range step.Files() {
				data, err := os.ReadFile(filepath.Join(scope.Directory, file))
				if err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(scope.Bundle, file), string(data), 0o755)
			}
			journal := adaptertest.NewJournal("run-1/assets", ripcord.Observation{})
			if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(scope.Directory, "unpublish.sh")
			switch how {
			case "changed":
				write(t, path, "#!/bin/sh\nexit 9\n", 0o755)
			case "gone":
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			if err := step.Undo(t.Context(), journal.Attempt(1)); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(scope.Directory, "site")); err == nil {
				t.Error("the site is still there")
			}
			if said := strings.Contains(journal.Output(), "its copy in the bundle is used"); said != (how != "same") {
				t.Errorf("the bundle's use is told: %t\n%s", said, journal.Output())
			}
		})
	}
}

// The outputs lie in a file, so that a crash between the command's end and
// Outputs loses none.
func TestOutputsSurvive(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	settings := `{"command":["./publish.sh"],"sensitive_outputs":["url"],"environment":{"TOKEN":"${secret:TOKEN}"}}`
	journal := adaptertest.NewJournal("run-1/assets", ripcord.Observation{})
	if err := open(t, scope, ripcord.StepSpec{Kind: "run"}, settings).Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, scope, ripcord.StepSpec{Kind: "run"}, settings)
	if err := fresh.Resume(t.Context(), journal.Attempt(1), false); err != nil {
		t.Fatal(err)
	}
	got, err := fresh.Outputs(t.Context(), journal.Attempt(1))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]ripcord.Output{
		"url": {Value: "http://shop/v2", Sensitive: true},
		"key": {Value: "t0ken-value", Sensitive: true}, // not declared, but it holds a known secret
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOutputLinkRefused(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	write(t, filepath.Join(scope.Directory, "other"), "a=b\n", 0o600)
	step := open(t, scope, ripcord.StepSpec{Kind: "run"}, `{"command":["sh","-c","ln -sf $PWD/other $RIPCORD_OUTPUT"]}`)
	if err := step.Apply(t.Context(), adaptertest.NewJournal("run-1/assets", ripcord.Observation{}).Attempt(1)); err == nil {
		t.Error("a link is read as output")
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, ripcord.StepSpec{Kind: "run"}, `{"command":["sh","-c","sleep 0.2; echo done; exit 5"],"undo":["true"]}`)
	journal := adaptertest.NewJournal("run-1/assets", ripcord.Observation{})
	started := make(chan error, 1)
	go func() {
		started <- step.Apply(context.WithoutCancel(t.Context()), adaptertest.NewJournal("run-1/assets", ripcord.Observation{}).Attempt(1))
	}()
	var err error
	for err = ripcord.ErrLost; errors.Is(err, ripcord.ErrLost); { // until it has started
		err = step.Resume(t.Context(), journal.Attempt(1), false)
	}
	if got := failure(t, err); got.Exit.Code != 5 || !strings.Contains(journal.Output(), "done") {
		t.Errorf("%v\n%s", got, journal.Output())
	}
	if got := failure(t, <-started); got.Exit == nil {
		t.Errorf("%v", got)
	}
	if err := step.Resume(t.Context(), journal.Attempt(1), true); !errors.Is(err, ripcord.ErrLost) {
		t.Errorf("an undo that never ran: %v", err)
	}
}

func TestManual(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	ask := &ripcord.Ask{Apply: "switch the DNS", Undo: "switch the DNS back"}
	spec := ripcord.StepSpec{Kind: "manual", Ask: ask}
	attempt := adaptertest.NewJournal("run-1/assets", ripcord.Observation{}).Attempt(1)

	unchecked := open(t, scope, spec, ``)
	if err := errors.Join(unchecked.Apply(t.Context(), attempt), unchecked.Undo(t.Context(), attempt)); err != nil {
		t.Error(err)
	}
	if got := unchecked.Traits(); got.Checkable || got.Reversal.Way != ripcord.WayUnverified || got.Reversal.How != ask.Undo {
		t.Errorf("traits %+v", got)
	}
	checked := open(t, scope, spec, `{"check":["sh","-c","test -e dns"]}`)
	if got := checked.Traits(); !got.Checkable || got.Reversal.Way != ripcord.WayExact {
		t.Errorf("traits %+v", got)
	}
	if got := failure(t, checked.Apply(t.Context(), attempt)); got.Class != ripcord.FailedCheck {
		t.Errorf("the check is not asked: %v", got)
	}
	write(t, filepath.Join(scope.Directory, "dns"), "", 0o644)
	if err := checked.Apply(t.Context(), attempt); err != nil {
		t.Error(err)
	}
	if got := open(t, scope, ripcord.StepSpec{Kind: "manual", Ask: &ripcord.Ask{Apply: "x"}}, `{}`).Traits(); got.Reversal.Way != ripcord.WayNone {
		t.Errorf("traits %+v", got)
	}
	text, err := unchecked.Explain(t.Context())
	if want := "a person does it: switch the DNS; undo: switch the DNS back"; err != nil || text != want {
		t.Errorf("explained as %q, want %q", text, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, kind, settings, want string }{
		{"no command", "run", `{}`, "there is no command"},
		{"empty command", "run", `{"command":[""]}`, "command is empty"},
		{"empty undo", "run", `{"command":["a"],"undo":[]}`, "undo is empty"},
		{"command of a manual step", "manual", `{"command":["a"]}`, "a manual step has no command"},
		{"changes", "run", `{"command":["a"],"changes":"little"}`, `changes is "little"`},
		{"undo of nothing", "run", `{"command":["a"],"changes":"nothing","undo":["b"]}`, "changes nothing has an undo"},
		{"own variable", "run", `{"command":["a"],"environment":{"RIPCORD_RUN":"x"}}`, "Ripcord's own"},
		{"bad variable", "run", `{"command":["a"],"environment":{"a=b":"x"}}`, "no valid name"},
		{"limit", "run", `{"command":["a"],"output_limit":-1}`, "output_limit"},
		{"grace", "run", `{"command":["a"],"grace":-1}`, "grace"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := script.New(nil).Open(t.Context(), ripcord.StepSpec{ID: "x", Kind: test.kind, Settings: json.RawMessage(test.settings)}, ripcord.Scope{})
			if err == nil || !strings.Contains(err.Error(), test.want) || ripcord.CodeOf(err) != ripcord.CodePlan {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// A step with another user writes its outputs, prints its image and runs the
// bundle's copy of its undo although the state directory is closed to it.
func TestUser(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, ripcord.StepSpec{Kind: "run"}, `{"user":"65534:65534","command":["sh","-c","echo who=$(id -u) > $RIPCORD_OUTPUT; echo place=$RIPCORD_OUTPUT >> $RIPCORD_OUTPUT; id -u > public/who"],
		"check":["sh","-c","id -u; echo note >&2; test -e public/who"],"undo":["./back.sh"]}`)
	journal := adaptertest.NewJournal("run-1/assets", ripcord.Observation{})
	if os.Geteuid() != 0 {
		if got := failure(t, step.Apply(t.Context(), journal.Attempt(1))); !strings.Contains(got.Summary, "only root") {
			t.Error(got)
		}
		return
	}
	for dir := scope.Directory; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	public := filepath.Join(scope.Directory, "public")
	if err := errors.Join(os.Mkdir(public, 0o755), os.Chown(public, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(scope.Bundle, "back.sh"), "#!/bin/sh\nrm public/who\n", 0o755)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	if err != nil || outputs["who"].Value != "65534" {
		t.Errorf("outputs %v, %v", outputs, err)
	}
	place := outputs["place"].Value
	if err := step.Undo(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	seen, err := step.Check(t.Context())
	if err != nil || seen.Presence != ripcord.Absent || string(seen.Image) != "65534" {
		t.Errorf("%+v %v", seen, err)
	}
	if err := step.Finish(t.Context(), journal.Attempt(1)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(place)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s stays outside of the state directory: %v", place, err)
	}
}
