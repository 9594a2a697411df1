package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/ripcord-dev/ripcord/app"
)

// killed is the code of a process that SIGKILL ended.
const killed = -9

// result is how a command of ripcord ended.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string { return "exit " + strconv.Itoa(r.code) + "\n" + r.stdout + r.stderr }

// process is a command of ripcord that runs.
type process struct {
	*exec.Cmd
	w              *world
	stdout, stderr buffer
	done           chan struct{}
}

// buffer is one that can be read while it grows.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start starts a command of ripcord in a session of its own.
func (w *world) start(args ...string) *process {
	w.Helper()
	p := &process{w: w, done: make(chan struct{})}
	args = append(slices.Clone(args), "--state-dir", w.state, "--key-file", w.key)
	p.Cmd = exec.CommandContext(context.Background(), w.binary, args...)
	p.Dir, p.Stdout, p.Stderr = w.app, &p.stdout, &p.stderr
	p.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "RIPCORD_") }), w.env...)
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.Start(); err != nil {
		w.Fatal(err)
	}
	go func() {
		_ = p.Wait()
		close(p.done)
	}()
	return p
}

// wait waits for the command's end; one that takes too long is killed.
func (p *process) wait() result {
	p.w.Helper()
	p.w.untilOr("the command ended", func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}, func() { _ = p.Process.Kill() })
	code := p.ProcessState.ExitCode()
	if status, ok := p.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = -int(status.Signal())
	}
	return result{code, p.stdout.String(), p.stderr.String()}
}

// signal sends a signal to the command alone.
func (p *process) signal(s syscall.Signal) {
	p.w.Helper()
	if err := p.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.w.Fatal(err)
	}
}

// do runs a command to its end.
func (w *world) do(args ...string) result {
	w.Helper()
	return w.start(args...).wait()
}

// must runs a command that has to end with the code.
func (w *world) must(code int, args ...string) result {
	w.Helper()
	r := w.do(args...)
	if r.code != code {
		w.Fatalf("ripcord %s: want exit %d, got %s", strings.Join(args, " "), code, r)
	}
	return r
}

// releaseArgs are the arguments of a release of the version.
func (w *world) releaseArgs(version string, more ...string) []string {
	args := append([]string{"release", "--version", version}, more...)
	for _, name := range slices.Sorted(maps.Keys(w.set)) {
		args = append(args, "--set", name+"="+w.set[name])
	}
	return args
}

// release carries a release out that has to end with the code.
func (w *world) release(code int, version string, more ...string) result {
	w.Helper()
	return w.must(code, w.releaseArgs(version, more...)...)
}

// show returns the newest run.
func (w *world) show() app.View {
	w.Helper()
	var view app.View
	w.tells(&view, "show")
	return view
}

// tells runs a command that succeeds, and reads its JSON.
func (w *world) tells(into any, args ...string) {
	w.Helper()
	r := w.must(0, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
		w.Fatalf("%v: %v in %s", args, err, r.stdout)
	}
}

// verified fails the test unless the journal's chains are whole.
func (w *world) verified() {
	w.Helper()
	w.must(0, "journal", "verify")
}

// found is a process of this world.
type found struct {
	pid  int
	args []string
}

func (f found) String() string { return strconv.Itoa(f.pid) + " " + strings.Join(f.args, " ") }

// processes finds what runs in the world, by its folder in arguments or
// environment. What runs for the test itself is not among them.
func (w *world) processes() []found {
	w.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		w.Fatal(err)
	}
	var all []found
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")) // it may have ended
		ours := bytes.Contains(line, []byte(w.dir))
		if !ours && len(line) > 0 {
			environ, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
			ours = bytes.Contains(environ, []byte(w.dir))
		}
		if ours {
			all = append(all, found{pid, strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")})
		}
	}
	return all
}

func (w *world) commands() []string {
	w.Helper()
	var lines []string
	for _, p := range w.processes() {
		lines = append(lines, p.String())
	}
	return lines
}

// processesWith finds those of the world's processes with all the words in their
// arguments.
func (w *world) processesWith(words ...string) []found {
	w.Helper()
	return slices.DeleteFunc(w.processes(), func(p found) bool {
		line := strings.Join(p.args, " ")
		return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
	})
}

// kill ends processes with SIGKILL.
func (w *world) kill(all []found) {
	w.Helper()
	for _, p := range all {
		if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.Fatal(err)
		}
	}
}

// killAll ends everything, again and again, because what dies may be replaced.
func (w *world) killAll() {
	w.Helper()
	w.untilOr("everything in the world was stopped", func() bool {
		all := w.processes()
		w.kill(all)
		return len(all) == 0
	}, func() { w.Logf("left:\n%s", strings.Join(w.commands(), "\n")) })
}

// strays are what should have ended: commands of steps, executors, ripcord itself.
// Keeper, proxy and instances are kept alive.
func (w *world) strays() []found {
	w.Helper()
	return slices.DeleteFunc(w.processes(), func(p found) bool {
		line := strings.Join(p.args, " ")
		return strings.Contains(line, "__keeper") || strings.Contains(line, "/instances/") || strings.Contains(line, "__proxy") ||
			strings.HasPrefix(p.args[0], filepath.Join(bin, service))
	})
}

// quiet fails the test when a command of a step or an executor is left.
func (w *world) quiet() {
	w.Helper()
	w.untilOr("no command was left", func() bool { return len(w.strays()) == 0 }, func() { w.Logf("left: %v", w.strays()) })
}
