package adaptertest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Commands runs commands as children, each in a process group of its own, and
// remembers their results under their keys.
type Commands struct {
	now     func() time.Time
	mu      sync.Mutex
	running map[string]*execution
}

// execution is one command, running or ended.
type execution struct {
	done   chan struct{}
	cancel context.CancelFunc
	lines  []string
	exit   ripcord.Exit
	err    error
}

// NewCommands returns a runner that has run nothing yet.
func NewCommands(now func() time.Time) *Commands {
	return &Commands{now: now, running: make(map[string]*execution)}
}

// Run starts the command and waits for its end. A key can be used once; without
// a key nothing is remembered.
func (r *Commands) Run(ctx context.Context, c ripcord.Command) (ripcord.Exit, error) {
	if err := ctx.Err(); err != nil {
		return ripcord.Exit{Cancelled: true}, err
	}
	if len(c.Args) == 0 {
		return ripcord.Exit{}, errors.New("command without arguments")
	}
	inner, cancel := context.WithCancel(ctx)
	e := &execution{done: make(chan struct{}), cancel: cancel}
	r.mu.Lock()
	if _, used := r.running[c.Key]; used && c.Key != "" {
		r.mu.Unlock()
		cancel()
		return ripcord.Exit{}, errors.New("command key used twice: " + c.Key)
	}
	r.running[c.Key] = e
	r.mu.Unlock()
	defer cancel()
	defer close(e.done)
	e.exit, e.err = r.run(inner, c, e)
	return e.exit, e.err
}

// Resume waits for the command that was started under the key.
func (r *Commands) Resume(ctx context.Context, c ripcord.Command) (ripcord.Exit, error) {
	r.mu.Lock()
	e := r.running[c.Key]
	r.mu.Unlock()
	if e == nil || c.Key == "" {
		return ripcord.Exit{}, ripcord.ErrLost
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		e.cancel()
		<-e.done
	}
	if c.Output != nil {
		for _, line := range e.lines {
			if _, err := io.WriteString(c.Output, line+"\n"); err != nil {
				return e.exit, err
			}
		}
	}
	if e.err != nil {
		return ripcord.Exit{}, ripcord.ErrLost
	}
	return e.exit, nil
}

// Close stops everything that still runs.
func (r *Commands) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.running {
		e.cancel()
		<-e.done
	}
}

func (r *Commands) run(ctx context.Context, c ripcord.Command, e *execution) (ripcord.Exit, error) {
	cmd := exec.Command(c.Args[0], c.Args[1:]...) //nolint:gosec,noctx // running commands is its purpose; the whole group is stopped below
	cmd.Dir, cmd.Env = c.Dir, c.Env
	credential, err := credentialOf(c.User)
	if err != nil {
		return ripcord.Exit{}, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	out, in, err := os.Pipe()
	if err != nil {
		return ripcord.Exit{}, err
	}
	cmd.Stdout, cmd.Stderr = in, in
	exit := ripcord.Exit{StartedAt: r.now()}
	if err := cmd.Start(); err != nil {
		return exit, errors.Join(err, in.Close(), out.Close())
	}
	if err := in.Close(); err != nil {
		return exit, err
	}
	copied := make(chan error, 1)
	go func() { copied <- e.copyLines(out, c) }()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the process state says it better
	}()
	exit.TimedOut, exit.Cancelled = stopAtEnd(ctx, cmd.Process.Pid, c, ended)
	killGroup(cmd.Process.Pid)
	err = <-copied
	exit.EndedAt = r.now()
	exit.Code = cmd.ProcessState.ExitCode()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal().String()
	}
	exit.Tail = e.lines[max(0, len(e.lines)-20):]
	return exit, err
}

// stopAtEnd waits until the command has ended, and makes it end when its time is
// over or the context ends.
func stopAtEnd(ctx context.Context, pid int, c ripcord.Command, ended <-chan struct{}) (timedOut, cancelled bool) {
	var timeout <-chan time.Time
	if c.Timeout > 0 {
		timer := time.NewTimer(c.Timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ended:
		return false, false
	case <-timeout:
		timedOut = true
	case <-ctx.Done():
		cancelled = true
	}
	_ = syscall.Kill(-pid, syscall.SIGTERM) // it may have ended in this moment
	grace := time.NewTimer(max(c.Grace, time.Second))
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		_ = syscall.Kill(-pid, syscall.SIGKILL) // it may have ended in this moment
		<-ended
	}
	return timedOut, cancelled
}

// killGroup kills what the command left behind in its process group.
func killGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // mostly nothing is left
}

func (e *execution) copyLines(out *os.File, c ripcord.Command) error {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		for _, secret := range c.Secrets {
			if secret != "" {
				line = strings.ReplaceAll(line, secret, "***")
			}
		}
		if line != "" {
			e.lines = append(e.lines, strings.TrimSuffix(line, "\n"))
			if c.Output != nil {
				if _, failed := io.WriteString(c.Output, line); failed != nil {
					return errors.Join(failed, out.Close())
				}
			}
		}
		if err != nil {
			return out.Close()
		}
	}
}
