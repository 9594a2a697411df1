package planfile

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// optionsOf reads the options in a file's first line: "# options: version=v2
// environment=staging set:port=1".
func optionsOf(data []byte) Options {
	o := Options{Directory: "/srv/shop", ProxyDirectory: func(application, environment, balancer string) string {
		return "/state/" + application + "-" + environment + "-" + balancer
	}}
	first, _, _ := strings.Cut(string(data), "\n")
	words, ok := strings.CutPrefix(first, "# options: ")
	if !ok {
		return o
	}
	for word := range strings.FieldsSeq(words) {
		key, value, _ := strings.Cut(word, "=")
		name, isSet := strings.CutPrefix(key, "set:")
		switch {
		case isSet && o.Set == nil:
			o.Set = map[string]string{name: value}
		case isSet:
			o.Set[name] = value
		case key == "version":
			o.Version = value
		case key == "environment":
			o.Environment = value
		}
	}
	return o
}

// golden compares got with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGoodFilesGiveTheirPlan(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, "testdata/good/*.yaml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			data := read(t, name)
			f, err := Parse(filepath.Base(name), data, optionsOf(data))
			if err != nil {
				t.Fatalf("Parse:\n%v", err)
			}
			plan, err := f.Plan(ripcord.PurposeRelease)
			if err != nil {
				t.Fatalf("Plan: %v", err)
			}
			got, err := json.MarshalIndent(plan, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".golden", string(got)+"\n")
			roundTrip(t, plan)
		})
	}
}

// roundTrip checks that nothing of a plan is lost in the journal.
func roundTrip(t *testing.T, plan ripcord.Plan) {
	t.Helper()
	data, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var back ripcord.Plan
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plan, back); diff != "" {
		t.Errorf("the plan changes in JSON (-before +after):\n%s", diff)
	}
}

func TestWrongFilesGiveTheirErrors(t *testing.T) {
	t.Parallel()
	names := files(t, "testdata/bad/*.yaml")
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			data := read(t, name)
			_, err := Parse(filepath.Base(name), data, optionsOf(data))
			if err == nil {
				t.Fatal("Parse takes the file")
			}
			if code := ripcord.CodeOf(err); code != ripcord.CodePlan {
				t.Errorf("code = %s, want %s", code, ripcord.CodePlan)
			}
			all, ok := errors.AsType[*Errors](err)
			if !ok {
				t.Fatalf("the error is a %T", err)
			}
			for _, e := range all.List {
				if e.Fix == "" || e.What == "" {
					t.Errorf("%s: no fix or no words: %+v", e.Where(), e)
				}
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}
