// Package examples_test runs the examples through the real binary, as their
// readers do.
package examples_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binary is the ripcord that TestMain built.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	binary = filepath.Join(dir, "ripcord")
	// As make builds it, so that the compiler's cache serves both.
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "../cmd/ripcord")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s\n", err, out)
		return 1
	}
	return m.Run()
}

// place is a folder in which commands run.
type place struct {
	t           *testing.T
	dir         string
	environment []string
}

// newPlace is a folder with a copy of from, and a journal of its own.
func newPlace(t *testing.T, from string) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir()}
	state := t.TempDir()
	p.environment = append(os.Environ(), "RIPCORD_STATE_DIR="+filepath.Join(state, "state"),
		"RIPCORD_KEY_FILE="+filepath.Join(state, "key"), "RIPCORD_NO_KEEPER=true")
	if from != "" {
		if err := os.CopyFS(p.dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// run runs a command to its end, which it must reach, with this exit code.
func (p *place) run(want int, name string, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 15*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env, c.WaitDelay = p.dir, p.environment, time.Second
	out, err := c.CombinedOutput()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != want {
		p.t.Fatalf("%s %s: %v, want exit code %d\n%s", name, strings.Join(args, " "), err, want, out)
	}
	return string(out)
}

// files are the paths of all files below a folder of the place.
func (p *place) files(folder string) string {
	p.t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(p.dir, folder), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	return strings.Join(found, " ")
}

func (p *place) has(folder, want string) {
	p.t.Helper()
	if got := p.files(folder); got != want {
		p.t.Errorf("%s holds %q, want %q", folder, got, want)
	}
}

func TestFirst(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "first")
	text, err := os.ReadFile(filepath.Join("first", "ripcord.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 5 {
		t.Errorf("the five-line example has %d lines", n)
	}
	p.run(0, binary, "plan", "--version", "v1")
	p.run(0, binary, "release", "--version", "v1")
	p.has("public", "v1.html")
	p.run(3, binary, "release", "--version", "no/such")
	p.has("public", "v1.html")
	p.run(0, binary, "release", "--version", "v2")
	p.has("public", "v1.html v2.html")
	p.run(0, binary, "rollback")
	p.has("public", "v1.html")
	p.run(0, binary, "rollback")
	if _, err := os.Stat(filepath.Join(p.dir, "public")); !os.IsNotExist(err) {
		t.Errorf("the folder of the first release is left: %v", err)
	}
}

// fences returns the README's blocks of a language that have a text in them.
func fences(t *testing.T, language, text string) []string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, part := range strings.Split(string(readme), "\n```"+language+"\n")[1:] {
		if block, _, ok := strings.Cut(part, "\n```"); ok && strings.Contains(block, text) {
			found = append(found, block+"\n")
		}
	}
	return found
}

// TestReadme does what the README tells its readers to do.
func TestReadme(t *testing.T) {
	t.Parallel()
	plan, failing := fences(t, "yaml", "application:"), fences(t, "yaml", "approved.txt")
	if len(plan) != 1 || len(failing) != 1 || strings.Count(plan[0], "\n") != 5 {
		t.Fatalf("the README's plan files changed: %q, %q", plan, failing)
	}
	p := newPlace(t, "")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("page.html", "hello")
	write("ripcord.yaml", plan[0])
	p.run(0, binary, "plan", "--version", "v1")
	p.run(0, binary, "release", "--version", "v1")
	p.run(0, binary, "show")
	p.has("out", "v1.html")

	write("ripcord.yaml", plan[0]+failing[0])
	if out := p.run(3, binary, "release", "--version", "v2"); !strings.Contains(out, "rolled back, verified") {
		t.Errorf("the failing release says %s", out)
	}
	p.has("out", "v1.html")
	p.run(0, binary, "rollback")
	p.has("out", "")
}

// TestDemo runs the whole demo, while somebody else has the usual port.
func TestDemo(t *testing.T) {
	t.Parallel()
	if l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:8080"); err == nil {
		t.Cleanup(func() { _ = l.Close() })
	} // else somebody has it already
	p, folder := demo(t, "play ground")
	out := p.run(0, "./demo.sh", binary)
	for _, part := range []string{"not one request failed", "kill -9", "cp: cannot stat", "All as expected", folder + "/remove"} {
		if !strings.Contains(out, part) {
			t.Errorf("the demo does not say %q:\n%s", part, out)
		}
	}
	if strings.Contains(out, "127.0.0.1:8080") {
		t.Error("the demo uses a port that is taken")
	}
	p.run(0, filepath.Join(folder, "ripcord"), "status")
	p.run(0, filepath.Join(folder, "ripcord"), "journal", "verify")
	p.run(0, filepath.Join(folder, "remove"))
	gone(t, folder)
}

// TestCanary runs the canary's story behind each balancer.
func TestCanary(t *testing.T) {
	t.Parallel()
	for _, balancer := range []string{"proxy", "haproxy", "nginx"} {
		t.Run(balancer, func(t *testing.T) {
			t.Parallel()
			p, folder := demo(t, "playground")
			out := p.run(0, "./canary.sh", balancer, binary)
			for _, part := range []string{"All as expected", "v3 has cost the customers", "rolled back, verified", folder + "/remove"} {
				if !strings.Contains(out, part) {
					t.Errorf("the canary does not say %q:\n%s", part, out)
				}
			}
			p.run(0, filepath.Join(folder, "ripcord"), "journal", "verify")
			p.run(0, filepath.Join(folder, "remove"))
			gone(t, folder)
		})
	}
}

// TestData runs the story of a database's migrations on each.
func TestData(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p, folder := demo(t, "playground")
			out := p.run(0, "./data.sh", kind, binary)
			for _, part := range []string{"All as expected", "fails in statement 3 of 5", "restored-and-checked", "rolled back, verified", folder + "/remove"} {
				if !strings.Contains(out, part) {
					t.Errorf("the story does not say %q:\n%s", part, out)
				}
			}
			p.run(0, filepath.Join(folder, "ripcord"), "journal", "verify")
			p.run(0, filepath.Join(folder, "remove"))
			gone(t, folder)
		})
	}
}

// TestDemoFails: a ripcord that only says that all is well is found out, and the
// next demo, or its reader, can remove what is left.
func TestDemoFails(t *testing.T) {
	t.Parallel()
	p, folder := demo(t, "play ground")
	out := p.run(1, "./demo.sh", "/bin/true")
	if !strings.Contains(out, "FAILED: expected: the shop is open") {
		t.Errorf("the demo says %s", out)
	}
	p.run(0, filepath.Join(folder, "remove"))
	gone(t, folder)
}

// demo is where the demo is, and its playground.
func demo(t *testing.T, name string) (p *place, folder string) {
	t.Helper()
	p = newPlace(t, "")
	folder = filepath.Join(p.dir, name)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	p.dir = here
	p.environment = append(p.environment, "RIPCORD_PLAYGROUND="+folder, "RIPCORD_VERSION=v99", "RIPCORD_OUTPUT=json")
	return p, folder
}

// gone looks that neither a file nor a process of the playground is left.
func gone(t *testing.T, folder string) {
	t.Helper()
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", folder, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), folder+"/") {
			t.Errorf("a process is left: %q", line)
		}
	}
}
