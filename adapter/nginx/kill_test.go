package nginx_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
)

// TestMain lets the test binary play an executor that is killed: with a folder in
// its environment it goes one way and ends.
func TestMain(m *testing.M) {
	if dir := os.Getenv("NGINX_TEST_EXECUTOR"); dir != "" {
		if err := execute(dir, os.Getenv("NGINX_TEST_WAY")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// executor keeps everything on disk, as the real one does.
type executor struct{ dir string }

func (e executor) write(t *testing.T, name string, value any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(e.dir, name), string(data))
}

func (e executor) open() (ripcord.Step, ripcord.Attempt, error) {
	var spec ripcord.StepSpec
	a := ripcord.Attempt{Key: "run-1/shift", Number: 1, Record: e.record, Output: os.Stderr}
	for name, to := range map[string]any{"spec": &spec, "before": &a.Before} {
		data, err := os.ReadFile(filepath.Join(e.dir, name))
		if err != nil {
			return nil, a, err
		}
		if err := json.Unmarshal(data, to); err != nil {
			return nil, a, err
		}
	}
	if data, err := os.ReadFile(filepath.Join(e.dir, "progress")); err == nil {
		for line := range bytes.SplitSeq(bytes.TrimSpace(data), []byte("\n")) {
			if json.Valid(line) {
				a.Progress = append(a.Progress, line)
			}
		}
	}
	scope := ripcord.Scope{Run: "run-1", StateDir: e.dir, Commands: adaptertest.NewCommands(time.Now), Now: time.Now}
	step, err := nginx.New().Open(context.Background(), spec, scope)
	return step, a, err
}

func (e executor) record(_ context.Context, data any) error {
	line, err := json.Marshal(data)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(e.dir, "progress"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

func execute(dir, way string) error {
	step, a, err := executor{dir}.open()
	if err != nil {
		return err
	}
	fmt.Println("started")
	if way == "undo" {
		return step.Undo(context.Background(), a)
	}
	return step.Apply(context.Background(), a)
}

// kill starts an executor and kills it after a while; it reports whether the
// executor was still at work.
func (e executor) kill(t *testing.T, way string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "NGINX_TEST_EXECUTOR="+e.dir, "NGINX_TEST_WAY="+way)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err = cmd.Wait()
	if err != nil && cmd.ProcessState.ExitCode() > 0 {
		t.Fatalf("%s: %v\n%s", way, err, said.String())
	}
	return err != nil
}

// valid fails the test when nginx would not start with what lies there.
func (b *balancer) valid(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(nginxPath(), "-t", "-p", b.dir, "-c", b.config()).CombinedOutput(); err != nil {
		t.Errorf("the configuration is broken: %s\n%s", out, read(t, b.include()))
	}
}

// TestKilled kills executors at all moments of Apply, and some of Undo: nginx can
// always start with what lies there, and another executor completes the step or
// takes it back.
func TestKilled(t *testing.T) {
	t.Parallel()
	blue, green := startTarget(t, "blue"), startTarget(t, "green")
	b := startBalancer(t, upstream(blue))
	killed(t, b, spec(t, b, "green", nil, green), "green", "blue")
}

// TestMembersKilled does so with a step that takes a server out of rotation.
func TestMembersKilled(t *testing.T) {
	t.Parallel()
	first, second := startTarget(t, "first"), startTarget(t, "second")
	b := startBalancer(t, upstream(first, second))
	killed(t, b, memberSpec(t, b, "drain", nil, first), "second", "first")
}

// killed kills executors of a step that lets one answer everything, and that is taken
// back to the other one, or to both.
func killed(t *testing.T, b *balancer, shift ripcord.StepSpec, after, before string) {
	t.Helper()
	world := b.state(t)
	var when time.Duration
	// The moments lie the wider apart the longer a busy machine takes.
	for n := 0; ; n, when = n+1, when+7*time.Millisecond+when/10 {
		e := executor{t.TempDir()}
		step := openMember(t, shift)
		image, err := step.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e.write(t, "spec", shift)
		e.write(t, "before", image)
		died := e.kill(t, "apply", when)
		b.valid(t)
		if n%2 == 0 {
			e.kill(t, "apply", 10*time.Minute)
			if now, err := step.Check(t.Context()); err != nil || now.Presence != ripcord.Present {
				t.Fatalf("killed after %s: %s (%s), %v", when, now.Presence, now.Detail, err)
			}
			if got := b.answers(t, 5); got[after] != 5 {
				t.Fatalf("killed after %s: %v", when, got)
			}
		}
		e.kill(t, "undo", when)
		b.valid(t)
		e.kill(t, "undo", 10*time.Minute)
		if now := b.state(t); now != world {
			t.Fatalf("killed after %s:\nwas\n%s\nis\n%s", when, world, now)
		}
		if got := b.answers(t, 5); got[after]+got[before] != 5 || got[before] == 0 {
			t.Fatalf("killed after %s and undone: %v", when, got)
		}
		if !died && n%2 == 1 {
			return
		}
	}
}
