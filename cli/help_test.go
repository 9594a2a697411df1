package cli_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord/cli"
)

var update = flag.Bool("update", false, "write the golden files")

// call runs one command line in this process.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	dir := t.TempDir()
	code = cli.Run(context.Background(), &cli.Process{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		LookupEnv: func(name string) (string, bool) { return dir, name == "HOME" },
		Environ:   func() []string { return nil }, Self: "/nonexistent", Version: "v0.0.0-test", User: "alex", Now: time.Now,
	})
	return code, out.String(), errs.String()
}

// listed finds the verbs in a help text.
func listed(help string) []string {
	_, list, found := strings.Cut(help, "Available Commands:\n")
	if !found {
		return nil
	}
	list, _, _ = strings.Cut(list, "\n\n")
	var verbs []string
	for line := range strings.Lines(list) {
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if verb != "completion" && verb != "help" {
			verbs = append(verbs, verb)
		}
	}
	return verbs
}

// TestHelp: every verb explains itself, with an example and its exit codes.
func TestHelp(t *testing.T) {
	t.Parallel()
	_, root, _ := call(t, "--help")
	lines := [][]string{{}}
	for _, verb := range listed(root) {
		lines = append(lines, []string{verb})
		_, help, _ := call(t, verb, "--help")
		for _, sub := range listed(help) {
			lines = append(lines, []string{verb, sub})
		}
	}
	for _, line := range lines {
		name := strings.Join(append([]string{"ripcord"}, line...), "-")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, help, errs := call(t, append(line, "--help")...)
			if code != 0 || errs != "" {
				t.Fatalf("it ended with %d: %s", code, errs)
			}
			if len(line) > 0 && listed(help) == nil {
				for _, must := range []string{"Examples:\n  ripcord " + strings.Join(line, " "), "Exit codes: "} {
					if !strings.Contains(help, must) && !strings.Contains(help, strings.Replace(must, "  ripcord", "  sudo ripcord", 1)) {
						t.Errorf("the help has no %q", must)
					}
				}
			}
			golden(t, filepath.Join("testdata", "help", name+".golden"), help)
		})
	}
}

// TestPageNamesEveryFlag: docs/commands.md explains every flag.
func TestPageNamesEveryFlag(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`--[a-z][a-z-]+`)
	names, err := filepath.Glob("testdata/help/*.golden")
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden help: %v", err)
	}
	for _, name := range names {
		help, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range flags.FindAllString(string(help), -1) {
			if flag != "--help" && !bytes.Contains(page, []byte("`"+flag)) {
				t.Errorf("docs/commands.md does not explain %s (%s)", flag, name)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v; go test ./cli -run TestHelp -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the help changed; go test ./cli -run TestHelp -update accepts it (-want +got)\n%s", diff)
	}
}
