package planfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func settingsOfStep(t *testing.T, s ripcord.StepSpec) scriptSettings {
	t.Helper()
	var set scriptSettings
	if err := json.Unmarshal(s.Settings, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

// FuzzParse checks that no file makes the parser panic, that each problem lies
// within the file, and that equal files give equal answers.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o := Options{Version: "v1", Set: map[string]string{"port": "1"}, Directory: "/srv"}
		first, err := Parse("f.yaml", data, o)
		second, again := Parse("f.yaml", data, o)
		if err == nil {
			one, two := planOf(t, first), planOf(t, second)
			if diff := cmp.Diff(one, two); diff != "" {
				t.Fatalf("two parses differ:\n%s", diff)
			}
			if err := one.Validate(); err != nil {
				t.Fatalf("the plan is not valid: %v", err)
			}
			roundTrip(t, one)
			return
		}
		if again == nil || err.Error() != again.Error() {
			t.Fatalf("two parses differ:\n%v\n%v", err, again)
		}
		inside(t, data, err)
	})
}

func planOf(t *testing.T, f *File) ripcord.Plan {
	t.Helper()
	plan, err := f.Plan(ripcord.PurposeRelease)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// inside checks that problems have a fix and a place within the file.
func inside(t *testing.T, data []byte, err error) {
	t.Helper()
	all, ok := errors.AsType[*Errors](err)
	if !ok || len(all.List) == 0 || len(all.List) > MaxErrors {
		t.Fatalf("the error is %T: %v", err, err)
	}
	lines := newSource("", data).lines
	for _, e := range all.List {
		if e.Fix == "" || e.What == "" {
			t.Fatalf("no fix: %+v", e)
		}
		if e.Line == 0 && strings.HasPrefix(e.File, "--") {
			continue
		}
		if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1 {
			t.Fatalf("%s lies outside of the file", e.Where())
		}
	}
}

func TestLoadNamesWhatIsWrongWithTheFile(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"ripcord.yaml": "application: shop\nrelease: [{run: ./x.sh}]\n", "wrong.yaml": "x"})
	for _, name := range []string{filepath.Join(dir, "gone.yaml"), dir, filepath.Join(dir, "wrong.yaml")} {
		if _, err := Load(name, Options{}); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("Load(%s) = %v", name, err)
		}
	}
	f, err := Load(filepath.Join(dir, "ripcord.yaml"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := planOf(t, f).Directory; got != dir {
		t.Errorf("directory = %s, want %s", got, dir)
	}
	if f.Application != "shop" || f.Environment != DefaultEnvironment {
		t.Errorf("file = %+v", f)
	}
}

func TestLargeFilesAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	const head = "application: shop\nrelease: [{run: ./x.sh}]\n"
	for name, text := range map[string]string{
		"bytes":        head + "# " + strings.Repeat("x", MaxSize),
		"keys":         head + strings.Repeat("a: b\n", 60_000),
		"flow":         head + "a: " + strings.Repeat("[", 60_000),
		"lists":        head + strings.Repeat("- ", 60_000),
		"maps":         head + "a: " + strings.Repeat("{a: ", 60_000),
		"anchors":      head + strings.Repeat("&a ", 60_000),
		"question":     head + strings.Repeat("? ", 60_000),
		"aliases":      head + "a: &a [x, x]\nb: [" + strings.Repeat("*a, ", 60_000) + "]\n",
		"variables":    head + "variables:\n  v0: aaaaaaaaaa\n" + growing(20),
		"environments": head + "environments:\n" + strings.Repeat(" ", 2) + many(2000),
		"needs":        "application: shop\nrelease:\n" + strings.Repeat("- run: ./x.sh\n", 400) + "- run: ./y.sh\n  needs: [&a [x], " + strings.Repeat("abcdefgh, ", 5000) + "x]\n",
		"blocks":       head + nested(300),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f.yaml", []byte(text), Options{})
			if err == nil {
				t.Fatal("Parse takes it")
			}
			inside(t, []byte(text), err)
		})
	}
}

// growing are variables that each hold the one before ten times.
func growing(count int) string {
	var b strings.Builder
	for i := 1; i < count; i++ {
		fmt.Fprintf(&b, "  v%d: \"%s\"\n", i, strings.Repeat(fmt.Sprintf("${var.v%d}", i-1), 10))
	}
	return b.String()
}

// many are environments without content.
func many(count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "  e%d: {}\n", i)
	}
	return strings.TrimLeft(b.String(), " ")
}

// nested is a map in a map in a map.
func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestEnvironments(t *testing.T) {
	t.Parallel()
	const file = `
application: shop
variables: {port: 1, colour: red}
services: {web: {command: ./web, instances: 2, environment: {A: a, B: b}, depends_on: [api]}, api: {command: ./api}}
release:
  - run: echo ${environment} ${version} ${var.port} ${var.colour}
  - deploy: api
  - deploy: web
`
	const environments = `environments: {one: {variables: {port: 2}, services: {web: {instances: 3, environment: {A: null, B: bb, C: c}, depends_on: []}, api: {environment: {GONE: null}}}}, two: }`
	for _, test := range []struct {
		name, file, environment, chosen, echo, settings string
		set                                             map[string]string
	}{
		{
			name: "none is declared", file: file, chosen: "default", echo: "echo default v7 1 red",
			settings: `{"service":"web","command":["sh","-c","./web"],"instances":2,"environment":{"A":"a","B":"b"},"grace":10}`,
		},
		{name: "any name where none is declared", file: file, environment: "here", chosen: "here", echo: "echo here v7 1 red"},
		{
			name: "overlay", file: file + environments, environment: "one", chosen: "one", echo: "echo one v7 2 red",
			settings: `{"service":"web","command":["sh","-c","./web"],"instances":3,"environment":{"B":"bb","C":"c"},"grace":10}`,
		},
		{name: "empty overlay", file: file + environments, environment: "two", chosen: "two", echo: "echo two v7 1 red"},
		{name: "the only one", file: file + "environments: {one: {}}", chosen: "one", echo: "echo one v7 1 red"},
		{
			name: "set beats the environment", file: file + environments, environment: "one", chosen: "one",
			set: map[string]string{"port": "3", "colour": "b l u e"}, echo: "echo one v7 3 b l u e",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse("f.yaml", []byte(test.file), Options{Environment: test.environment, Version: "v7", Set: test.set})
			if err != nil {
				t.Fatal(err)
			}
			plan := planOf(t, f)
			if plan.Environment != test.chosen {
				t.Errorf("environment = %s, want %s", plan.Environment, test.chosen)
			}
			if got := settingsOfStep(t, plan.Steps[0]).Command[2]; got != test.echo {
				t.Errorf("command = %q, want %q", got, test.echo)
			}
			if got := string(plan.Step("deploy-web").Settings); test.settings != "" && got != test.settings {
				t.Errorf("settings = %s\nwant       %s", got, test.settings)
			}
		})
	}
}

func TestVersionComesFromTheCommandLineFirst(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file, given, fallback, want string
	}{
		{"version: v1\n", "v2", "v3", "v2"},
		{"version: v1\n", "", "v3", "v1"},
		{"version: 1.10\n", "", "", "1.10"},
		{"", "", "v3", "v3"},
		{"", "", "", ""},
	} {
		f, err := Parse("f.yaml", []byte("application: shop\n"+test.file+"release: [{run: ./x.sh}]\n"), Options{Version: test.given, DefaultVersion: test.fallback})
		if err != nil {
			t.Fatal(err)
		}
		if got := planOf(t, f).Version; got != test.want {
			t.Errorf("%+v: version = %q", test, got)
		}
	}
}

func TestReferencesInShellText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"echo $A ${A} $(date) ${A:-b} ${#A} ${A%%.*} ${!A} $$": "echo $A ${A} $(date) ${A:-b} ${#A} ${A%%.*} ${!A} $$",
		"echo ${version} $${version} ${A:-${version}}":         "echo v7 ${version} ${A:-v7}",
		"awk '{print $1}' ${application}.txt":                  "awk '{print $1}' shop.txt",
		"echo ${unclosed":                                      "echo ${unclosed",
		"echo ${secret:KEY} ${var.v}":                          "echo ${secret:KEY} $${x} ${secret:OTHER}",
	} {
		file := "application: shop\nvariables: {v: \"$$${x} ${secret:OTHER}\"}\nrelease: [{run: \"" + text + "\"}]\n"
		f, err := Parse("f.yaml", []byte(file), Options{Version: "v7"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := settingsOfStep(t, planOf(t, f).Steps[0]).Command[2]; got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestOnlySecretsOfStepsAreNeeded(t *testing.T) {
	t.Parallel()
	f, err := Parse("f.yaml", []byte(`
application: shop
secrets: {A: {env: X}, B: {file: b}, C: {env: Y}}
variables: {used: "${secret:A}", unused: "${secret:B}"}
databases: {d: {postgres: "${secret:C}"}, e: {mysql: "${var.used}"}}
release: [{run: "echo ${var.used} ${secret:E}"}]
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]ripcord.SecretSource{"A": {Env: "X"}, "E": {Env: "E"}}
	if diff := cmp.Diff(want, planOf(t, f).Secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for condition, skipped := range map[string]bool{
		"true": false, "false": true, "${var.on}": false, "${environment} == default": false, "${environment} != default": true,
		"${environment} == a or ${environment} == default": false, "${environment} == default and ${var.tricky} == x": true,
		"${environment} == 'default' && ${var.on}": false, "${var.tricky} == x || false": true,
	} {
		f, err := Parse("f.yaml", []byte("application: shop\nvariables: {on: true, tricky: x or true}\nrelease: [{run: ./x.sh, when: \""+condition+"\"}]\n"), Options{})
		if err != nil {
			t.Errorf("%s: %v", condition, err)
			continue
		}
		if got := planOf(t, f).Steps[0].Skip; (got != "") != skipped {
			t.Errorf("when %s: skip = %q", condition, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	f, err := Parse("f.yaml", []byte(`
application: shop
services: {web: {command: ./web}}
release:
  - run: a
  - run: b
    name: run-2
  - run: c
  - deploy: web
  - files: {content: a, destination: a}
    name: run-3
  - files: {content: a, destination: b}
  - run: d
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range planOf(t, f).Steps {
		got = append(got, string(s.ID))
	}
	if want := []string{"run", "run-2", "run-4", "deploy-web", "run-3", "files", "run-5"}; !slices.Equal(got, want) {
		t.Errorf("names = %v, want %v", got, want)
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	f, err := Parse("f.yaml", []byte(`
application: shop
services: {web: {command: ./web, instances: 10, health: {tcp: true, start_timeout: 1m}, balancer: b}}
balancers: {b: {proxy: {listen: "127.0.0.1:1"}}}
release:
  - {run: a}
  - {run: a, timeout: none}
  - {wait: 5m}
  - {wait: 5m, timeout: 1m}
  - {approve: a}
  - {approve: a, timeout: 1h}
  - {deploy: web}
  - {shift: {service: web, drain: 10m}}
  - {shift: {service: web, drain: 10m}, timeout: 5m}
  - {watch: 10m, timeout: none}
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range planOf(t, f).Steps {
		got = append(got, s.Timeout.String())
	}
	if want := []string{"10m0s", "0s", "6m0s", "1m0s", "0s", "1h0m0s", "11m0s", "11m30s", "5m0s", "0s"}; !slices.Equal(got, want) {
		t.Errorf("timeouts = %v, want %v", got, want)
	}
}
