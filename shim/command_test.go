package shim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

func TestMuchOutputIsCapped(t *testing.T) {
	t.Parallel()
	r := runner(t)
	c := sh("k", "echo first; yes 0123456789abcdef | head -c 10000000; echo; echo last")
	c.OutputLimit = 1 << 20
	var out bytes.Buffer
	c.Output = &out
	exit, err := r.Run(t.Context(), c)
	if err != nil || exit.Code != 0 {
		t.Fatalf("%+v %v", exit, err)
	}
	text := out.String()
	if !strings.HasPrefix(text, "first\n") || !strings.HasSuffix(text, "\nlast\n") || !strings.Contains(text, "bytes of output were dropped here") {
		t.Errorf("head %q, tail %q", text[:20], text[len(text)-20:])
	}
	if len(text) > 1<<20+100 || len(text) < 3<<18 {
		t.Errorf("kept %d bytes", len(text))
	}
	kept, err := os.ReadFile(r.OutputPath("k"))
	if err != nil || !bytes.Equal(kept, out.Bytes()) {
		t.Errorf("the file differs: %d bytes %v", len(kept), err)
	}
	if exit.Tail[len(exit.Tail)-1] != "last" {
		t.Errorf("tail %q", exit.Tail)
	}
	out.Reset()
	c.Key, c.OutputLimit = "whole", 0
	if _, err := r.Run(t.Context(), c); err != nil || out.Len() != 10000000+6+1+5 {
		t.Errorf("kept %d bytes %v", out.Len(), err)
	}
}

func TestSecretsAreNowhereOnDisk(t *testing.T) {
	t.Parallel()
	r := runner(t)
	secret := "s3cr3t-value-of-mine"
	c := sh("k", `printf 's3cr3t-val'; sleep 0.1; printf 'ue-of-mine\n'; printf %s "$TOKEN" | base64; echo "$TOKEN"; echo "$1" >&2; exit 3`)
	c.Args = append(c.Args, "sh", secret)
	c.Env, c.Secrets = append(c.Env, "TOKEN="+secret), []string{secret}
	var out bytes.Buffer
	c.Output = &out
	exit, err := r.Run(t.Context(), c)
	if err != nil || exit.Code != 3 {
		t.Fatalf("%+v %v", exit, err)
	}
	if strings.Count(out.String(), Removed) != 4 || strings.Contains(out.String(), "s3cr3t") {
		t.Errorf("output %q", &out)
	}
	if strings.Contains(strings.Join(exit.Tail, "\n"), "s3cr3t") {
		t.Errorf("tail %q", exit.Tail)
	}
	_ = filepath.WalkDir(r.root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("s3cr3t")) {
			t.Errorf("%s holds the secret", path)
		}
		info, _ := d.Info()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		return err
	})
}

func TestWhatCannotBeStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	busy := write("busy", "#!/bin/sh\n", 0o755)
	for _, c := range []struct {
		name, want string
		command    ripcord.Command
		again      bool
	}{
		{"nothing", "the command is empty", ripcord.Command{Dir: "/"}, false},
		{"not in PATH", "nosuch can't be started: there is no such program in PATH (/bin)", ripcord.Command{Args: []string{"nosuch"}, Dir: "/", Env: []string{"PATH=/bin"}}, false},
		{"no such file", "./nosuch can't be started: " + dir + "/nosuch does not exist", ripcord.Command{Args: []string{"./nosuch"}, Dir: dir}, false},
		{"a folder", "it is a directory", ripcord.Command{Args: []string{dir}, Dir: "/"}, false},
		{"no such folder", "the command's directory " + dir + "/gone does not exist", ripcord.Command{Args: []string{"true"}, Dir: dir + "/gone"}, false},
		{"no folder", "busy is no directory", ripcord.Command{Args: []string{"true"}, Dir: busy}, false},
		{"not executable", "permission denied; is " + dir + "/plain executable", ripcord.Command{Args: []string{write("plain", "x", 0o644)}, Dir: "/"}, false},
		{"no interpreter", "the interpreter in its first line, /no/such, does not exist", ripcord.Command{Args: []string{write("odd", "#!/no/such -x\n", 0o755)}, Dir: "/"}, false},
		{"no program", "it is no program for this machine", ripcord.Command{Args: []string{write("text", "hello", 0o755)}, Dir: "/"}, false},
		{"too long", "too long", ripcord.Command{Args: []string{"/bin/true", strings.Repeat("x", 3<<20)}, Dir: "/"}, false},
		{"being written", "somebody is still writing to " + busy, ripcord.Command{Args: []string{busy}, Dir: "/"}, true},
		{"no such user", `the command's user "nosuch" does not exist`, ripcord.Command{Args: []string{"/bin/true"}, Dir: "/", User: "nosuch"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.again {
				held, err := os.OpenFile(busy, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = held.Close() }()
			}
			r := runner(t)
			c.command.Key = "k"
			for range 2 { // and again from the files
				_, err := r.Run(t.Context(), c.command)
				failure, ok := errors.AsType[*ripcord.Failure](err)
				if !ok || !strings.Contains(failure.Summary, c.want) || failure.Final == c.again || failure.Class != ripcord.FailedCommand {
					t.Fatalf("%#v %v", failure, err)
				}
			}
		})
	}
}

func TestAnotherUser(t *testing.T) {
	t.Parallel()
	r := runner(t)
	for user, want := range map[string]string{
		"nobody":      "65534 65534 /nonexistent nobody",
		"65534:65534": "65534 65534 /nonexistent nobody",
		"4242:4243":   "4242 4243 / ",
	} {
		c := sh("k"+user, `echo "$(id -u) $(id -g) $HOME $USER"`)
		c.User = user
		c.Env = append(c.Env, "HOME="+os.Getenv("HOME"))
		var out bytes.Buffer
		c.Output = &out
		exit, err := r.Run(t.Context(), c)
		if os.Geteuid() != 0 {
			if err == nil || !strings.Contains(err.Error(), "only root") {
				t.Errorf("%s: %v", user, err)
			}
			continue
		}
		if got := strings.TrimSpace(out.String()); err != nil || exit.Code != 0 || got != strings.TrimSpace(want) {
			t.Errorf("%s: %q %+v %v, want %q", user, got, exit, err, want)
		}
	}
}

func TestPruneRemovesWhatHasEnded(t *testing.T) {
	t.Parallel()
	r := runner(t)
	gate := filepath.Join(t.TempDir(), "gate")
	done := make(chan error)
	begun := gate + ".begun"
	go func() {
		_, err := r.Run(t.Context(), sh("running", "echo 1 > "+begun+"; while [ ! -e "+gate+" ]; do sleep 0.02; done"))
		done <- err
	}()
	if _, err := r.Run(t.Context(), sh("ended", "true")); err != nil {
		t.Fatal(err)
	}
	waitFile(t, begun)
	if err := r.Clean(t.Context(), "running"); err == nil {
		t.Error("a running command was cleaned away")
	}
	if err := r.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(r.root); err != nil || len(left) != 1 {
		t.Fatalf("%v %v", left, err)
	}
	_ = os.WriteFile(gate, nil, 0o600)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAnInstanceTakesItsChildrenAlong(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	t.Cleanup(func() { nothingLeft(t, root) })
	dir := filepath.Join(root, "one")
	inst, err := OpenInstance(dir, procfs.System(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	if _, err := OpenInstance(dir, procfs.System(), false); !errors.Is(err, ErrBusy) {
		t.Fatalf("locked twice: %v", err)
	}
	what := ripcord.Instance{
		ID: "one", Args: []string{"sh", "-c", `(setsid sleep 600 &); echo "$$"; while :; do sleep 0.02; done`}, Dir: "/",
		Env: []string{"PATH=/usr/bin:/bin"}, LogLimit: 10,
	}
	for round := range 2 {
		if err := inst.Start(t.Context(), self(t), what); err != nil {
			t.Fatal(err)
		}
		if err := inst.Start(t.Context(), self(t), what); err == nil {
			t.Fatal("started twice")
		}
		state, err := Look(dir, procfs.System())
		if err != nil || !state.Running || !state.ShimLives || state.Exit != nil || state.StartedAt.IsZero() {
			t.Fatalf("%+v %v", state, err)
		}
		waitFor(t, "the log", func() bool {
			log, err := os.ReadFile(filepath.Join(dir, LogFile))
			return err == nil && strings.HasSuffix(string(log), fmt.Sprintln(state.Child.PID))
		})
		if round == 0 {
			_ = procfs.Signal(state.Child, unix.SIGKILL)
			waitFor(t, "the end", func() bool { state, _ := Look(dir, procfs.System()); return !state.ShimLives && state.Exit != nil })
			nothingLeft(t, root)
		}
	}
	// A shim that does not obey is killed, and all the same nothing is left.
	state, _ := Look(dir, procfs.System())
	_ = procfs.Signal(state.Shim, unix.SIGSTOP)
	inst.Margin = 50 * time.Millisecond
	for range 2 {
		if err := inst.Stop(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if left := running(t, root); len(left) > 0 {
		t.Fatalf("left %+v", left)
	}
}

func TestABuildServersMarksDoNotReachCommands(t *testing.T) {
	t.Parallel()
	r := runner(t)
	c := sh("k", `echo "${RUNNER_TRACKING_ID-}${VSTS_PROCESS_LOOKUP_ID-}${JENKINS_NODE_COOKIE-}$OTHER $RIPCORD_SHIM"`)
	c.Env = append(c.Env, "RUNNER_TRACKING_ID=a", "VSTS_PROCESS_LOOKUP_ID=b", "JENKINS_NODE_COOKIE=c", "OTHER=d", "RIPCORD_SHIM=e")
	var out bytes.Buffer
	c.Output = &out
	if exit, err := r.Run(t.Context(), c); err != nil || exit.Code != 0 || out.String() != "d "+folderOf(r.root, "k")+"\n" {
		t.Fatalf("%+v %v %q", exit, err, &out)
	}
}

func TestCommandsDoNotInheritIgnoredSignals(t *testing.T) {
	t.Parallel()
	r := runner(t)
	c := sh("k", "grep SigIgn /proc/self/status")
	text, err := json.Marshal(map[string]any{"Root": r.root, "Command": c})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap "" HUP INT QUIT TERM; exec "$0" __executor "$1"`, r.self, string(text))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var ignored uint64
	if _, err := fmt.Sscanf(string(out), "SigIgn: %x", &ignored); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	// The upper ones are those of threads libraries: whoever runs the test may ignore them.
	if standard := ignored & (1<<31 - 1); standard != 0 {
		t.Fatalf("signals %#x are ignored", standard)
	}
}
