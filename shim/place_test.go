package shim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

// TestMain lets the test binary play the shim, and an executor that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "__shim" {
		os.Exit(Main(os.Args[2], time.Now))
	}
	if len(os.Args) > 2 && os.Args[1] == "__executor" {
		os.Exit(playExecutor(os.Args[2]))
	}
	os.Exit(m.Run())
}

// playExecutor runs one command and prints what Run returned.
func playExecutor(text string) int {
	var job struct {
		Root, FailAt string
		Fence        uint64
		Command      ripcord.Command
	}
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return 9
	}
	self, _ := os.Executable()
	r := New(job.Root, self, Options{Now: time.Now, Fence: job.Fence})
	r.failAt = job.FailAt
	job.Command.Output = os.Stdout
	_, err := r.Run(context.Background(), job.Command)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func executor(t *testing.T, root string, fence uint64, c ripcord.Command) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(map[string]any{"Root": root, "Fence": fence, "Command": c})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self(t), "__executor", string(text))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// runner returns a Runner over a fresh folder; nothing of it may be left running
// at the test's end.
func runner(t *testing.T) *Runner {
	t.Helper()
	root := t.TempDir()
	t.Cleanup(func() { nothingLeft(t, root) })
	r := New(root, self(t), Options{Now: time.Now, Poll: 5 * time.Millisecond})
	r.margin = 100 * time.Millisecond
	return r
}

func again(t *testing.T, r *Runner, fence uint64) *Runner {
	t.Helper()
	return New(r.root, r.self, Options{Now: time.Now, Fence: fence, Poll: 5 * time.Millisecond})
}

func running(t *testing.T, root string) []procfs.Process {
	t.Helper()
	tree, err := procfs.System().Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tree.Where(func(p procfs.Process) bool {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
		return err == nil && bytes.Contains(environ, []byte(Environment+"="+root+"/"))
	})
}

func nothingLeft(t *testing.T, root string) {
	t.Helper()
	if !eventually(func() bool { return len(running(t, root)) == 0 }) {
		t.Errorf("left running: %+v", running(t, root))
	}
}

func eventually(ok func() bool) bool {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !eventually(ok) {
		t.Fatalf("waited in vain for %s", what)
	}
}

func sh(key, script string) ripcord.Command {
	return ripcord.Command{
		Key: key, Args: []string{"sh", "-c", script}, Dir: "/", Grace: 5 * time.Second,
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
	}
}

func waitFile(t *testing.T, path string) string {
	t.Helper()
	waitFor(t, path, func() bool {
		data, err := os.ReadFile(path)
		return err == nil && bytes.HasSuffix(data, []byte("\n"))
	})
	data, _ := os.ReadFile(path)
	return strings.TrimSpace(string(data))
}
