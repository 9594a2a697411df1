// Package pipe runs programs whose output or input streams through this process: a
// dump on its way to a repository. Such a program ends with this process, however that
// ends: half a dump is worth nothing.
package pipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Program is one program to run to its end.
type Program struct {
	Args []string
	// Env is the whole environment. Secrets belong here, never into Args.
	Env []string
	// In is what it reads, Out where its output goes; nil is nothing.
	In  io.Reader
	Out io.Writer
	// Secrets are removed from what it says.
	Secrets []string
}

// keptBytes is how much of what a program says on its error output is kept.
const keptBytes = 16 << 10

// grace is the time between SIGTERM and SIGKILL.
const grace = 2 * time.Second

// Run runs the program and waits. Where it does not end with status 0, the error is a
// *ripcord.Failure with what it said; where the context ended, the context's.
func Run(ctx context.Context, p Program) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	said := &tail{}
	cmd := exec.CommandContext(ctx, p.Args[0], p.Args[1:]...) //nolint:gosec // an adapter names its own program
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Env, p.In, p.Out, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err := onOwnThread(cmd)
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind, if anything
	}
	switch exit, ended := errors.AsType[*exec.ExitError](err); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: err.Error(), Final: true}
	case ended:
		return failure(p, exit, said.lines(p.Secrets))
	}
	return fmt.Errorf("%s: %w", name(p), err)
}

// onOwnThread starts and awaits the command on a thread of its own: the kernel ends
// the command with the thread that started it.
func onOwnThread(cmd *exec.Cmd) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- cmd.Run()
	}()
	return <-done
}

func name(p Program) string {
	return p.Args[0][strings.LastIndexByte(p.Args[0], '/')+1:]
}

func failure(p Program, exit *exec.ExitError, lines []string) *ripcord.Failure {
	how := fmt.Sprintf("exit status %d", exit.ExitCode())
	facts := &ripcord.Exit{Code: exit.ExitCode(), Tail: lines}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		how = "ended by signal " + status.Signal().String()
		facts.Signal = status.Signal().String()
	}
	said := ""
	for _, line := range lines {
		if said == "" || strings.Contains(line, "error:") && !strings.Contains(said, "error:") {
			said = ": " + line
		}
	}
	return &ripcord.Failure{Class: ripcord.FailedCommand, Summary: name(p) + " failed (" + how + ")" + said, Lines: lines, Exit: facts}
}

// tail keeps the end of what is written.
type tail struct{ kept bytes.Buffer }

func (t *tail) Write(data []byte) (int, error) {
	t.kept.Write(data)
	if over := t.kept.Len() - keptBytes; over > 0 {
		t.kept.Next(over)
	}
	return len(data), nil
}

func (t *tail) lines(secrets []string) []string {
	const most = 20
	var lines []string
	for line := range strings.Lines(t.kept.String()) {
		if line = strings.TrimSpace(Hide(line, secrets)); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-most):]
}

// Hide removes secrets from a text.
func Hide(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
