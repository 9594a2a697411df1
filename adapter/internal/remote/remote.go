// Package remote runs commands on another machine so that they, and how they ended,
// are found again after the connection was lost or whoever ran them died.
//
// A small shim in POSIX shell (package shim) is to a command there what the
// shim is to one here. Nothing is installed: its text travels along each time. It
// keeps in ~/.ripcord/commands/STEP/NAME. of the machine
//
//	shim    who it is: pid, start time, boot id
//	child   the command's process group
//	output  what the command prints
//	exit    how it ended, written last
//
// and beside them in STEP the newest fence, the command's outputs and the scripts
// that were copied there. The shim lives in a session of its own, so the end
// of a connection does not touch it.
package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/shim"
)

// The statuses of the shim's own.
const (
	statusFenced = 70 + iota
	statusFolder
	statusNoProgram
	statusLost
	statusNever
	_
	statusBusy
	statusNoCheck = 125
)

const (
	saidWord = "ripcord-shim: "
	exitWord = "ripcord-exit: "
)

// defaultGrace is the time between SIGTERM and SIGKILL.
const defaultGrace = 10 * time.Second

// Options are what Commands may be told. Now must be set.
type Options struct {
	// Fence is the number of the executor's lease.
	Fence uint64
	// Patience is how long a machine that cannot be reached is tried again while a
	// command runs there; 0 is 2 minutes.
	Patience time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Commands implements ripcord.Commands on one machine. All commands of one step have
// keys that differ in the last two words only; at most one of them runs at a time.
type Commands struct {
	machine ripcord.Machine
	o       Options
	outputs []byte
}

// New returns commands on a machine, for one step.
func New(m ripcord.Machine, o Options) *Commands {
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	return &Commands{machine: m, o: o}
}

// Outputs is what the command that ended last wrote to $RIPCORD_OUTPUT, at most
// 1 MiB and one byte.
func (c *Commands) Outputs() []byte { return c.outputs }

// Run starts the command and waits for its end, also over lost connections. A key is
// started once only. Where the machine cannot be reached any more, the error is a
// *ripcord.Failure that says that nothing is known.
func (c *Commands) Run(ctx context.Context, command ripcord.Command) (ripcord.Exit, error) {
	if err := ctx.Err(); err != nil {
		return ripcord.Exit{}, fmt.Errorf("the command was not started: %w", err)
	}
	return c.attend(ctx, command, "run")
}

// Resume waits for the command that was started under this key, or reads its
// result.
func (c *Commands) Resume(ctx context.Context, command ripcord.Command) (ripcord.Exit, error) {
	return c.attend(ctx, command, "resume")
}

// attend follows a command until it is known how it ended.
func (c *Commands) attend(ctx context.Context, command ripcord.Command, mode string) (ripcord.Exit, error) {
	out := newPrinted(command)
	defer out.finish()
	began := c.o.Now()
	started := mode == "resume"
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		exit, err := c.call(ctx, command, mode, out)
		if err == nil || !temporary(err, started) {
			return exit, err
		}
		if ctx.Err() != nil {
			return c.stop(ctx, command, out)
		}
		if errors.Is(err, ripcord.ErrLost) {
			began, started = c.o.Now(), true
		}
		if c.o.Now().Sub(began) > c.o.Patience {
			return ripcord.Exit{}, c.unknown(command, err)
		}
		// Run starts nothing twice, so it is safe to say it again.
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// temporary reports whether the machine may answer later: a lost connection, and one
// that cannot be made again to a command that was started.
func temporary(err error, started bool) bool {
	if _, settled := errors.AsType[*settledError](err); settled {
		return false
	}
	if _, failed := errors.AsType[*ripcord.Failure](err); failed {
		return false
	}
	return started || errors.Is(err, ripcord.ErrLost) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// settledError is one after which nothing of the command runs.
type settledError struct{ error }

func (e *settledError) Unwrap() error { return e.error }

// stop ends the command, whatever the context says: that it must end was decided.
func (c *Commands) stop(ctx context.Context, command ripcord.Command, out *printed) (ripcord.Exit, error) {
	cause := ctx.Err()
	limited, done := context.WithTimeout(context.WithoutCancel(ctx), grace(command)+c.o.Patience)
	defer done()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		exit, err := c.call(limited, command, "stop", out)
		if settled, ok := errors.AsType[*settledError](err); ok && errors.Is(settled, ripcord.ErrLost) {
			return ripcord.Exit{}, fmt.Errorf("the command was not started: %w", cause)
		}
		if err == nil || !temporary(err, true) {
			return exit, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-limited.Done():
			timer.Stop()
			return ripcord.Exit{}, c.unknown(command, err)
		}
	}
}

// unknown is the end of a command on a machine that is gone.
func (c *Commands) unknown(command ripcord.Command, why error) error {
	name := ""
	if len(command.Args) > 0 {
		name = path.Base(command.Args[0]) + " "
	}
	return &ripcord.Failure{
		Class:   ripcord.FailedTarget,
		Summary: fmt.Sprintf("whether %sstill runs on machine %s is not known, because the machine does not answer: %v", name, c.machine.Name(), why),
	}
}

// call makes the machine's shim do something and waits for the command's end.
func (c *Commands) call(ctx context.Context, command ripcord.Command, mode string, out *printed) (ripcord.Exit, error) {
	step, name := place(command.Key)
	words := command.Args
	if mode != "run" {
		words = []string{strconv.FormatInt(out.raw, 10)}
	}
	out.skip = 0
	if mode == "run" { // it begins with the first byte
		out.skip = out.raw
	}
	var said bytes.Buffer
	exit, err := c.script(ctx, ripcord.MachineCommand{
		Args: c.words(mode, step, name, command, words), Env: command.Env, Output: out, Errors: &said,
	})
	if err != nil {
		return ripcord.Exit{}, err
	}
	return c.ended(exit, said.Bytes(), out)
}

// words are those of the shim's program; the first one is the program.
func (c *Commands) words(mode, step, name string, command ripcord.Command, words []string) []string {
	return append([]string{
		shim.Program(), mode, step, name, strconv.FormatUint(c.o.Fence, 10),
		seconds(grace(command)), seconds(command.Timeout), command.Dir,
	}, words...)
}

// run makes a shell do what the first of its words says.
const run = `eval "$1"`

// scripts is a machine on which a program of ours costs less than a command does. Its
// rules are those of the SSH adapter's Machine.
type scripts interface {
	Script(ctx context.Context, program string, c ripcord.MachineCommand) (ripcord.Exit, error)
}

// script runs the shim's program with these words. All that it does may be done twice.
func (c *Commands) script(ctx context.Context, command ripcord.MachineCommand) (ripcord.Exit, error) {
	m, ok := c.machine.(scripts)
	if !ok {
		return ripcord.Exit{}, ripcord.Errorf(ripcord.CodeInternal, "machine %s: it is none that is reached over SSH", c.machine.Name())
	}
	return m.Script(ctx, run, command)
}

// ended reads what the shim says at the end.
func (c *Commands) ended(exit ripcord.Exit, said []byte, out *printed) (ripcord.Exit, error) {
	text, ok := lineWith(said, exitWord)
	if ok && exit.Code == 0 {
		if _, rest, found := bytes.Cut(said, []byte(exitWord)); found {
			_, c.outputs, _ = bytes.Cut(rest, []byte("\n"))
		}
		ended, err := parseExit(text, c.o.Now())
		ended.Tail = out.finish()
		return ended, err
	}
	text, _ = lineWith(said, saidWord)
	final := func(format string, args ...any) (ripcord.Exit, error) {
		return ripcord.Exit{}, &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: fmt.Sprintf(format, args...)}
	}
	switch exit.Code {
	case statusFenced:
		return ripcord.Exit{}, &settledError{fmt.Errorf("command on machine %s: %w", c.machine.Name(), ripcord.ErrFenced)}
	case statusFolder, statusNoProgram:
		return final("machine %s: %s", c.machine.Name(), text)
	case statusLost, statusNever:
		return ripcord.Exit{}, &settledError{fmt.Errorf("machine %s: %s: %w", c.machine.Name(), text, ripcord.ErrLost)}
	}
	return ripcord.Exit{}, &ripcord.Failure{
		Class:   ripcord.FailedTarget,
		Summary: fmt.Sprintf("machine %s: the shim of the command ended with status %d: %s", c.machine.Name(), exit.Code, strings.TrimSpace(string(said))),
	}
}

// Check runs a command that only looks, at once and to its end; the machine gives its
// standard output and its standard error apart. It refuses while a command of the
// step runs.
func (c *Commands) Check(ctx context.Context, command ripcord.Command, output, trouble io.Writer) (ripcord.Exit, error) {
	if command.Timeout > 0 {
		limited, done := context.WithTimeout(ctx, command.Timeout)
		defer done()
		ctx = limited
	}
	step, name := place(command.Key)
	var said bytes.Buffer
	exit, err := c.machine.Run(ctx, ripcord.MachineCommand{
		Args: append([]string{"/bin/sh", "-c", run, "sh"}, c.words("check", step, name, command, command.Args)...), Env: command.Env, Output: output, Errors: io.MultiWriter(&said, trouble),
	})
	if err == nil && exit.Code == statusNoCheck {
		if text, ok := lineWith(said.Bytes(), saidWord); ok {
			return exit, fmt.Errorf("machine %s: %s", c.machine.Name(), text)
		}
	}
	return exit, err
}

// File is one that a command needs on the machine.
type File struct {
	// Path is relative.
	Path string
	Data []byte
	Mode fs.FileMode
}

// Place puts files where the step's commands find them, and returns that folder.
func (c *Commands) Place(ctx context.Context, key string, files []File) (string, error) {
	step, name := place(key)
	folders := []string{"."}
	for _, f := range files {
		folders = append(folders, path.Dir(f.Path))
	}
	var out, said bytes.Buffer
	exit, err := c.script(ctx, ripcord.MachineCommand{
		Args: c.words("place", step, name, ripcord.Command{}, folders), Output: &out, Errors: &said,
	})
	if err != nil {
		return "", err
	}
	dir := strings.TrimSuffix(out.String(), "\n")
	if exit.Code != 0 || !path.IsAbs(dir) {
		return "", fmt.Errorf("machine %s: no folder can be made there: %s", c.machine.Name(), strings.TrimSpace(said.String()))
	}
	for _, f := range files {
		if err := c.machine.WriteFile(ctx, path.Join(dir, f.Path), f.Data, f.Mode); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// Clean removes everything that the step left in its folder.
func (c *Commands) Clean(ctx context.Context, key string) error {
	step, name := place(key)
	var said bytes.Buffer
	exit, err := c.script(ctx, ripcord.MachineCommand{Args: c.words("clean", step, name, ripcord.Command{}, nil), Errors: &said})
	if err == nil && exit.Code != 0 {
		err = fmt.Errorf("machine %s: %s", c.machine.Name(), strings.TrimSpace(said.String()))
	}
	return err
}

// place returns the folder of a key's step, and its own in there. No name begins with
// another.
func place(key string) (step, name string) {
	words := strings.Split(key, "/")
	at := max(0, len(words)-2)
	sum := sha256.Sum256([]byte(strings.Join(words[:at], "/")))
	return hex.EncodeToString(sum[:16]), strings.Join(words[at:], "-") + "."
}

func grace(c ripcord.Command) time.Duration {
	if c.Grace > 0 {
		return c.Grace
	}
	return defaultGrace
}

// seconds are whole ones, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
