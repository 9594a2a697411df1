package remote_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/internal/remote"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

type world struct {
	server  *sshd.Server
	machine ripcord.Machine
	dir     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := sshd.Start(t, sshd.Options{})
	pool := ssh.NewPool(ssh.Options{Now: time.Now})
	t.Cleanup(func() { _ = pool.Close() })
	m, err := pool.Machines(map[string]ripcord.MachineSpec{
		"app1": {SSH: "root@" + s.Address, Identity: []string{s.Key}, KnownHosts: []string{s.KnownHosts}},
	}, nil).Machine(t.Context(), "app1")
	if err != nil {
		t.Fatal(err)
	}
	return &world{server: s, machine: m, dir: t.TempDir()}
}

// commands are an executor's.
func (w *world) commands(fence uint64) *remote.Commands {
	return remote.New(w.machine, remote.Options{Fence: fence, Now: time.Now})
}

func (w *world) command(key, text string, out *lines) ripcord.Command {
	c := ripcord.Command{Key: "run-1/step/" + key, Args: []string{"sh", "-c", text}, Dir: w.dir, Grace: time.Second}
	if out != nil {
		c.Output = out
	}
	return c
}

// lines is a buffer that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (w *world) eventually(t *testing.T, file string) {
	t.Helper()
	limit := time.After(time.Minute)
	for !w.has(file) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			t.Fatalf("there is no %s", file)
		}
	}
}

func (w *world) has(file string) bool {
	_, err := os.Stat(filepath.Join(w.dir, file))
	return err == nil
}

// waits runs until the file go is there, and tells how often it was started.
const waits = `echo x >>starts; echo one; touch started; while [ ! -e go ]; do sleep 0.05; done; echo two; echo k=v >>"$RIPCORD_OUTPUT"; exit 4`

type result struct {
	exit ripcord.Exit
	err  error
}

func (w *world) start(ctx context.Context, c *remote.Commands, command ripcord.Command) <-chan result {
	ended := make(chan result, 1)
	go func() {
		exit, err := c.Run(ctx, command)
		ended <- result{exit, err}
	}()
	return ended
}

// TestConnectionLost: the command goes on without the connection, and so do we.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var out lines
	c := w.commands(1)
	ended := w.start(t.Context(), c, w.command("apply/1", waits, &out))
	w.eventually(t, "started")
	w.server.SignalSessions(syscall.SIGKILL)
	if err := os.WriteFile(filepath.Join(w.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := <-ended
	if r.err != nil || r.exit.Code != 4 || out.String() != "one\ntwo\n" || string(c.Outputs()) != "k=v\n" {
		t.Errorf("%+v, %v, %q, %q", r.exit, r.err, out.String(), c.Outputs())
	}
	if starts, err := os.ReadFile(filepath.Join(w.dir, "starts")); err != nil || string(starts) != "x\n" {
		t.Errorf("it was started %q, %v", starts, err)
	}
	// Its key is started once only.
	if exit, err := w.commands(1).Run(t.Context(), w.command("apply/1", waits, nil)); err != nil || exit.Code != 4 {
		t.Errorf("again: %+v, %v", exit, err)
	}
	if err := c.Clean(t.Context(), "run-1/step/apply/0"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(w.server.Home); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestExecutorDies: a second executor finds the command, and the first, which was only
// asleep, can do nothing to it any more.
func TestExecutorDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := w.start(ctx, w.commands(1), w.command("apply/1", waits, nil))
	w.eventually(t, "started")
	var out lines
	resumed := make(chan result, 1)
	go func() {
		exit, err := w.commands(2).Resume(t.Context(), w.command("apply/1", waits, &out))
		resumed <- result{exit, err}
	}()
	limit := time.After(time.Minute)
	for out.String() == "" {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			t.Fatal("it was not found")
		}
	}
	cancel()
	if r := <-first; !errors.Is(r.err, ripcord.ErrFenced) {
		t.Errorf("the first executor: %+v, %v", r.exit, r.err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := <-resumed; r.err != nil || r.exit.Code != 4 || r.exit.Cancelled || out.String() != "one\ntwo\n" {
		t.Errorf("the second executor: %+v, %v, %q", r.exit, r.err, out.String())
	}
}

// stubborn ignores TERM, and leaves its session.
const stubborn = `trap "" TERM; echo $$ >pid; setsid sh -c 'trap "" TERM; echo $$ >away; sleep 60; touch late' & touch started; sleep 60; sleep 60; touch late`

func (w *world) gone(t *testing.T) {
	t.Helper()
	for _, file := range []string{"pid", "away"} {
		text, err := os.ReadFile(filepath.Join(w.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			t.Errorf("process %s of %s is left: %s", text, file, stat)
		}
	}
	if w.has("late") {
		t.Error("it came late")
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := w.start(ctx, w.commands(1), w.command("apply/1", stubborn, nil))
	w.eventually(t, "started")
	w.eventually(t, "away")
	cancel()
	if r := <-ended; r.err != nil || !r.exit.Cancelled || r.exit.Signal == "" {
		t.Errorf("%+v, %v", r.exit, r.err)
	}
	w.gone(t)
}

func TestTimedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.command("apply/1", stubborn, nil)
	c.Timeout = 2 * time.Second
	if exit, err := w.commands(1).Run(t.Context(), c); err != nil || !exit.TimedOut {
		t.Errorf("%+v, %v", exit, err)
	}
	w.gone(t)
}

// TestSupervisorDies: then the result is lost, and nothing runs. So it is for what was
// never started.
func TestSupervisorDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ended := w.start(t.Context(), w.commands(1), w.command("apply/1", stubborn, nil))
	w.eventually(t, "away")
	shims, err := filepath.Glob(filepath.Join(w.server.Home, ".ripcord/commands/*/apply-1./shim"))
	if err != nil || len(shims) != 1 {
		t.Fatalf("%v, %v", shims, err)
	}
	text, err := os.ReadFile(shims[0])
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.Fields(string(text))[0]
	if exit, err := w.machine.Run(t.Context(), ripcord.MachineCommand{Args: []string{"kill", "-KILL", pid}}); err != nil || exit.Code != 0 {
		t.Fatalf("%+v, %v", exit, err)
	}
	if r := <-ended; !errors.Is(r.err, ripcord.ErrLost) {
		t.Errorf("%+v, %v", r.exit, r.err)
	}
	w.gone(t)
	if _, err := w.commands(1).Resume(t.Context(), w.command("apply/7", "true", nil)); !errors.Is(err, ripcord.ErrLost) {
		t.Errorf("what was never started: %v", err)
	}
}

// TestOneAtATime: an undo stops what an attempt left running, and no check looks
// meanwhile.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := w.start(ctx, w.commands(1), w.command("apply/1", stubborn, nil))
	w.eventually(t, "away")
	var image lines
	if _, err := w.commands(0).Check(t.Context(), w.command("check/0", "echo there", nil), &image, &lines{}); err == nil || !strings.Contains(err.Error(), "still runs") {
		t.Errorf("a check beside it: %v, %q", err, image.String())
	}
	if err := w.commands(1).Clean(t.Context(), "run-1/step/apply/0"); err == nil {
		t.Error("its folder was removed")
	}
	if exit, err := w.commands(1).Run(t.Context(), w.command("undo/1", "touch undone", nil)); err != nil || exit.Code != 0 {
		t.Errorf("undo: %+v, %v", exit, err)
	}
	w.gone(t)
	<-ended
	if exit, err := w.commands(0).Check(t.Context(), w.command("check/0", "echo there; exit 2", nil), &image, &lines{}); err != nil || exit.Code != 2 || image.String() != "there\n" {
		t.Errorf("a check after it: %+v, %v, %q", exit, err, image.String())
	}
}

// TestSecrets: they are in nothing that is passed on, wherever a write ends.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var out lines
	c := w.command("apply/1", `printf s3; sleep 0.3; printf cret; printf -- "-"; echo "$TOKEN"; printf s3cre`, &out)
	c.Env, c.Secrets = []string{"TOKEN=s3cret"}, []string{"s3cret", ""}
	exit, err := w.commands(1).Run(t.Context(), c)
	if err != nil || out.String() != "***-***\ns3cre" || strings.Join(exit.Tail, "|") != "***-***|s3cre" {
		t.Errorf("%q, %q, %v", out.String(), exit.Tail, err)
	}
}
