package process_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/process"
)

func failure(t *testing.T, err error) *ripcord.Failure {
	t.Helper()
	f, ok := errors.AsType[*ripcord.Failure](err)
	if !ok {
		t.Fatalf("error %v is no failure", err)
	}
	return f
}

// with replaces parts of the usual settings.
func with(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(settings) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listen takes a port as somebody else would.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func TestReleasesTakeTurns(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	var before map[string]ripcord.Output
	for i, want := range []string{"blue", "green", "blue"} {
		scope.Run, scope.Version = ripcord.RunID("run-"+strconv.Itoa(i)), "v"+strconv.Itoa(i)
		step := open(t, scope, settings)
		journal := journalOf(t, scope, step)
		must(t, step.Apply(t.Context(), journal.Attempt(1)))
		outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
		must(t, err)
		if outputs["colour"].Value != want {
			t.Errorf("release %d is %s, want %s", i, outputs["colour"].Value, want)
		}
		for _, key := range []string{"addresses", "colour"} {
			if diff := cmp.Diff(before[key], outputs["old_"+key]); diff != "" {
				t.Errorf("release %d: old %s (-want +got):\n%s", i, key, diff)
			}
		}
		before = outputs
		for n, address := range strings.Split(outputs["addresses"].Value, ",") {
			if got, want := get(t, "http://"+address+"/version"), scope.Version+" "+strconv.Itoa(n+1); got != want {
				t.Errorf("%s answers %q, want %q", address, got, want)
			}
		}
		// A new process that found the release has no progress to read.
		bare := journal.Attempt(1)
		bare.Progress = nil
		again, err := open(t, scope, settings).Outputs(t.Context(), bare)
		must(t, err)
		if diff := cmp.Diff(outputs, again); diff != "" {
			t.Errorf("outputs without progress (-with +without):\n%s", diff)
		}
		must(t, step.Finish(t.Context(), journal.Attempt(1)))
		if lines := strings.Count(fingerprint(t, scope.Supervisor), "\n"); lines != 2 {
			t.Errorf("after Finish %d instances are wanted", lines)
		}
	}
}

func TestBothColoursBusy(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	release(t, scope, "run-a", "v1", settings)
	release(t, scope, "run-b", "v2", settings)
	step := open(t, scope, settings)
	got := failure(t, step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)))
	if !strings.Contains(got.Summary, "both colours of web are in use, blue by run run-a and green by run run-b") {
		t.Error(got.Summary)
	}
}

func TestExitFailsAtOnce(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	must(t, os.WriteFile(filepath.Join(scope.Directory, "broken"), nil, 0o600))
	step := open(t, scope, with(`"start_timeout":90`, `"start_timeout":3600`))
	got := failure(t, step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)))
	want := &ripcord.Failure{
		Class:   ripcord.FailedCommand,
		Summary: "web instance N exited with status 1 before it was healthy: cannot open the database with ***",
		Lines:   []string{"starting v2 with ***", "cannot open the database with ***"},
	}
	if got.Exit == nil || got.Exit.Code != 1 {
		t.Errorf("exit %+v", got.Exit)
	}
	got.Exit = nil
	// Both exit; which of them a look finds first is theirs to decide, and the other
	// may not have said anything yet.
	found := regexp.MustCompile(`instance ([12]) `)
	first := found.FindStringSubmatch(got.Summary)
	if first == nil {
		t.Fatalf("no instance is named: %s", got.Summary)
	}
	got.Summary = found.ReplaceAllString(got.Summary, "instance N ")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	pieces, err := step.Evidence(t.Context())
	must(t, err)
	names := make([]string, len(pieces))
	for i, piece := range pieces {
		names[i] = piece.Name
	}
	if diff := cmp.Diff([]string{"web-instances.json", "web-blue-1.log", "web-blue-2.log"}, names); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	piece := pieces[slices.Index(names, "web-blue-"+first[1]+".log")]
	if !strings.Contains(string(piece.Data), "cannot open the database") {
		t.Errorf("evidence: %s", piece.Data)
	}
}

func TestNeverHealthy(t *testing.T) {
	t.Parallel()
	type test struct {
		name, settings string
		timeout        time.Duration
	}
	tests := []test{{"start timeout", with(`"start_timeout":90`, `"start_timeout":5`), 0}}
	// The attempt's end falls into any moment of a round: try many.
	for i := range 10 {
		tests = append(tests, test{"attempt timeout " + strconv.Itoa(i), settings, time.Duration(200+i) * time.Millisecond})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			must(t, os.WriteFile(filepath.Join(scope.Directory, "sick"), nil, 0o600))
			step := open(t, scope, test.settings)
			ctx := t.Context()
			if test.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.timeout)
				defer cancel()
			}
			journal := journalOf(t, scope, step)
			err := step.Apply(ctx, journal.Attempt(1))
			if test.timeout > 0 && errors.Is(err, context.DeadlineExceeded) {
				return // the time was over before all instances were ordered
			}
			got := failure(t, err)
			if test.timeout > 0 && strings.Contains(got.Summary, "before the attempt's time was over") {
				return // on a busy machine perhaps before the first probe
			}
			if got.Class != ripcord.FailedHealth || !strings.Contains(got.Summary, "/healthz answered 500") || len(got.Lines) == 0 {
				t.Errorf("%s: %s %q", got.Class, got.Summary, got.Lines)
			}
			seen, err := step.Check(t.Context())
			if err != nil || seen.Presence != ripcord.Partial {
				t.Errorf("%+v %v", seen, err)
			}
		})
	}
}

// The chosen port is taken by somebody else between its choice and the start.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, settings)
	journal := journalOf(t, scope, step)
	a := journal.Attempt(1)
	record := a.Record
	stolen := 0
	a.Record = func(ctx context.Context, data any) error {
		raw, err := json.Marshal(data)
		must(t, err)
		var p struct{ Ports []int }
		must(t, json.Unmarshal(raw, &p))
		if stolen < 2 {
			stolen++
			listen(t, "127.0.0.1:"+strconv.Itoa(p.Ports[1]))
		}
		return record(ctx, data)
	}
	must(t, step.Apply(t.Context(), a))
	if !strings.Contains(journal.Output(), "somebody else listens on") || len(journal.Progress()) != 3 {
		t.Errorf("progress %s, output:\n%s", journal.Progress(), journal.Output())
	}
	seen, err := open(t, scope, settings).Check(t.Context())
	if err != nil || seen.Presence != ripcord.Present {
		t.Errorf("%+v %v", seen, err)
	}
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	must(t, err)
	for address := range strings.SplitSeq(outputs["addresses"].Value, ",") {
		if got := get(t, "http://"+address+"/version"); !strings.HasPrefix(got, "v2") {
			t.Errorf("%s answers %q", address, got)
		}
	}
}

// A recorded port that was lost while no instance of ours held it is replaced;
// one that was kept is reused.
func TestPortsAreReused(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, settings)
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	var before, after struct{ Ports []int }
	must(t, json.Unmarshal(journal.Progress()[0], &before))
	must(t, step.Apply(t.Context(), journal.Attempt(2)))
	if n := len(journal.Progress()); n != 1 {
		t.Errorf("an undisturbed second attempt records %d more times", n-1)
	}
	must(t, step.Undo(t.Context(), journal.Attempt(1)))
	listen(t, "127.0.0.1:"+strconv.Itoa(before.Ports[0]))
	must(t, step.Apply(t.Context(), journal.Attempt(3)))
	must(t, json.Unmarshal(journal.Progress()[1], &after))
	if after.Ports[0] == before.Ports[0] || after.Ports[1] != before.Ports[1] {
		t.Errorf("ports %v become %v", before.Ports, after.Ports)
	}
}

// A worker that nobody said how to ask is healthy when it runs: it need not
// listen anywhere. One that ends at once still fails.
func TestWorkerWithoutHealth(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, `{"service":"worker","command":["sleep","1000"],"instances":2,"health":{"start_timeout":90}}`)
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	if o, err := step.Check(t.Context()); err != nil || o.Presence != ripcord.Present {
		t.Errorf("%+v, %v", o, err)
	}
	must(t, step.Undo(t.Context(), journal.Attempt(1)))
	step = open(t, scope, `{"service":"worker","command":["sh","-c","echo no queue; exit 3"]}`)
	got := failure(t, step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)))
	if want := "worker instance 1 exited with status 3 before it was healthy: no queue"; got.Summary != want {
		t.Errorf("%q, want %q", got.Summary, want)
	}
}

// An instance that an earlier attempt left running but unhealthy is started
// afresh; a healthy one is kept.
func TestLeftInstances(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	sick := filepath.Join(scope.Directory, "sick")
	must(t, os.WriteFile(sick, nil, 0o600))
	step := open(t, scope, with(`"start_timeout":90`, `"start_timeout":3`))
	journal := journalOf(t, scope, step)
	pids := func() (pids []int) {
		all, err := scope.Supervisor.List(t.Context(), "")
		must(t, err)
		for _, i := range all {
			pids = append(pids, i.PID)
		}
		return pids
	}
	if got := failure(t, step.Apply(t.Context(), journal.Attempt(1))); got.Class != ripcord.FailedHealth {
		t.Errorf("%s: %s", got.Class, got.Summary)
	}
	first := pids()
	if got := failure(t, step.Apply(t.Context(), journal.Attempt(2))); got.Class != ripcord.FailedHealth {
		t.Errorf("%s: %s", got.Class, got.Summary)
	}
	second := pids()
	must(t, os.Remove(sick))
	all, err := scope.Supervisor.List(t.Context(), "")
	must(t, err)
	for _, i := range all { // on a busy machine they may not have come so far
		for deadline := time.Now().Add(time.Minute); get(t, "http://"+i.Labels["address"]+"/healthz") == "no answer" && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
	}
	must(t, step.Apply(t.Context(), journal.Attempt(3)))
	third := pids()
	if first[0] == second[0] || first[1] == second[1] {
		t.Errorf("sick instances %v are kept: %v", first, second)
	}
	if diff := cmp.Diff(second, third); diff != "" {
		t.Errorf("healthy instances are not kept (-before +after):\n%s", diff)
	}
}

// Another executor with another environment takes its predecessor's instances
// over.
func TestOtherEnvironment(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, settings)
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	environ := func() []string { return append(os.Environ(), "TZ=Europe/Paris") }
	other, err := process.New(environ).Open(t.Context(), specOf(settings), scope)
	must(t, err)
	must(t, other.Apply(t.Context(), journal.Attempt(2)))
	seen, err := other.Check(t.Context())
	if err != nil || seen.Presence != ripcord.Present {
		t.Errorf("%+v %v", seen, err)
	}
}

func TestPortRange(t *testing.T) {
	t.Parallel()
	first := listen(t, "127.0.0.1:0").Addr().(*net.TCPAddr).Port
	last := min(first+20, 65535)
	scope := newScope(t)
	bounded := with(`"grace":5`, `"grace":5,"ports":"`+strconv.Itoa(first)+"-"+strconv.Itoa(last)+`"`)
	step := open(t, scope, bounded)
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	var got struct{ Ports []int }
	must(t, json.Unmarshal(journal.Progress()[len(journal.Progress())-1], &got))
	for _, port := range got.Ports {
		if port <= first || port > last {
			t.Errorf("port %d is not in %d-%d", port, first, last)
		}
	}
	full := with(`"instances":2`, `"instances":1`, `"grace":5`, `"grace":5,"ports":"`+strconv.Itoa(first)+"-"+strconv.Itoa(first)+`"`)
	scope.Run = "run-2"
	step = open(t, scope, full)
	if got := failure(t, step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1))); !strings.Contains(got.Summary, "no port in") {
		t.Error(got.Summary)
	}
}

// The files of a release run from its bundle: a missing one is told, never
// replaced by what lies on disk later.
func TestBundle(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, settings)
	if diff := cmp.Diff([]string{"bin/shop"}, step.Files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	must(t, os.RemoveAll(filepath.Join(scope.Bundle, "bin")))
	got := failure(t, step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)))
	if !strings.Contains(got.Summary, "bin/shop is not among the files that were kept") {
		t.Error(got.Summary)
	}
}

func TestArtifactWords(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	must(t, os.MkdirAll(filepath.Join(scope.Bundle, "app"), 0o755))
	must(t, os.WriteFile(filepath.Join(scope.Bundle, "app", "run.sh"), []byte(`echo "$@" > seen; exec ./../bundle/bin/shop __web "$1"`), 0o600))
	step := open(t, scope, with(
		`["./bin/shop","__web","${instance.address}"]`, `["sh","app/run.sh","${instance.address}","${instance.number}","${release.directory}/x","data/app"]`,
		`"artifact":["bin/shop"]`, `"artifact":["bin/shop","app"]`, `"instances":2`, `"instances":1`,
	))
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	seen, err := os.ReadFile(filepath.Join(scope.Directory, "seen"))
	must(t, err)
	if want := " 1 " + scope.Bundle + "/x data/app\n"; !strings.HasSuffix(string(seen), want) {
		t.Errorf("arguments %q, want ...%q", seen, want)
	}
}

func TestTCP(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, with(`"http":"/healthz"`, `"tcp":true`))
	must(t, os.WriteFile(filepath.Join(scope.Directory, "sick"), nil, 0o600)) // its answers do not count
	must(t, step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)))
}

func TestExplain(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, settings)
	text, err := step.Explain(t.Context())
	if want := "starts 2 instances of web v2 in blue"; err != nil || text != want {
		t.Errorf("%q %v, want %q", text, err, want)
	}
	release(t, scope, "run-0", "v1", settings)
	text, err = step.Explain(t.Context())
	if want := "starts 2 instances of web v2 in green, beside 2 instances v1 in blue"; err != nil || text != want {
		t.Errorf("%q %v, want %q", text, err, want)
	}
}

func TestEnvironmentIsSmall(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	environ := func() []string {
		return []string{"PATH=" + os.Getenv("PATH"), "CI_TOKEN=x", "RIPCORD_STATE_DIR=/x", "HOME=/nowhere"}
	}
	spec := specOf(with(`["./bin/shop","__web","${instance.address}"]`, `["sh","-c","env | sort > env; exec \"$0\" __web $RIPCORD_ADDRESS","${release.directory}/bin/shop"]`, `"instances":2`, `"instances":1`))
	step, err := process.New(environ).Open(t.Context(), spec, scope)
	must(t, err)
	must(t, step.Apply(t.Context(), adaptertest.NewJournal("run-1/web", ripcord.Observation{}).Attempt(1)))
	// What answered may have been another instance that found the same port free.
	var data []byte
	for deadline := time.Now().Add(time.Minute); len(data) == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		data, err = os.ReadFile(filepath.Join(scope.Directory, "env"))
	}
	must(t, err)
	var names []string
	for line := range strings.Lines(string(data)) {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	want := "HOME PATH PWD RIPCORD_ADDRESS RIPCORD_APPLICATION RIPCORD_COLOUR RIPCORD_ENVIRONMENT RIPCORD_INSTANCE RIPCORD_RUN RIPCORD_SERVICE RIPCORD_VERSION TOKEN"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("variables %s\nwant      %s", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, settings, want string }{
		{"no service", `{"command":["a"]}`, "service"},
		{"no command", `{"service":"web"}`, "no command"},
		{"instances", `{"service":"web","command":["a"],"instances":101}`, "instances is 101"},
		{"both probes", `{"service":"web","command":["a"],"health":{"http":"/","tcp":true}}`, "more than one of http, tcp"},
		{"flapping", `{"service":"web","command":["a"],"health":{"flapping":{"changes":9,"within":9}}}`, "flapping is 9 changes within 9"},
		{"stable", `{"service":"web","command":["a"],"health":{"stable":60,"start_timeout":30}}`, "longer than start_timeout"},
		{"sql", `{"service":"web","command":["a"],"health":{"sql":{}}}`, "which database"},
		{"path", `{"service":"web","command":["a"],"health":{"http":"healthz"}}`, "health.http"},
		{"unknown probe", `{"service":"web","command":["a"],"health":{"https":"/"}}`, "https"},
		{"ports", `{"service":"web","command":["a"],"ports":"9-1"}`, `ports is "9-1"`},
		{"artifact", `{"service":"web","command":["a"],"artifact":["../x"]}`, "lies outside"},
		{"environment", `{"service":"web","command":["a"],"environment":{"RIPCORD_RUN":"x"}}`, "cannot set"},
		{"negative", `{"service":"web","command":["a"],"grace":-1}`, "negative"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := process.New(nil).Open(t.Context(), specOf(test.settings), ripcord.Scope{})
			if err == nil || !strings.Contains(err.Error(), test.want) || ripcord.CodeOf(err) != ripcord.CodePlan {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
