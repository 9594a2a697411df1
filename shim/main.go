package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

// notifyFD is the descriptor on which the shim tells a living executor that
// there is news in the folder. It is closed when the result is there.
const notifyFD = 3

// Main is the shim: it runs the one command that it is told through standard
// input, and keeps what becomes of it in the folder dir. The process's main calls
// it before anything else is set up, and ends with the status it returns; now is
// the clock. Trouble of its own goes to standard error.
func Main(dir string, now func() time.Time) int {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	unix.CloseOnExec(notifyFD)
	_ = unix.SetNonblock(notifyFD, true) // a stopped executor must not stop the command
	p := &process{dir: dir, now: now, proc: procfs.System(), stdin: os.Stdin}
	if err := json.NewDecoder(p.stdin).Decode(&p.spec); err != nil {
		// Whoever wanted the command died before saying what it is.
		logger.Error("the command did not arrive", slog.Any("error", err))
		return 1
	}
	if err := p.run(); err != nil {
		logger.Error("the command could not be looked after", slog.Any("error", err))
		return 1
	}
	return 0
}

// process is one shim at work.
type process struct {
	dir   string
	spec  spec
	now   func() time.Time
	proc  procfs.FS
	stdin *os.File

	self    procfs.Identity
	signals chan os.Signal
	leash   chan struct{} // closed when the executor of a leashed command is gone
	ended   chan ending   // the command's own end
	out     *pump
	last    *lastLines
	keep    interface {
		io.Writer
		Finish()
	}
	exit ripcord.Exit
}

func (p *process) run() error {
	p.failAt("spec")
	if err := p.prepare(); err != nil {
		return err
	}
	pid, err := p.start()
	if err != nil {
		return p.refuse(err)
	}
	p.ended = reap(pid)
	p.attend()
	return p.finish()
}

// prepare makes everything ready, so that a command that was started can be
// found again.
func (p *process) prepare() (err error) {
	p.signals = make(chan os.Signal, 8)
	signal.Notify(p.signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	if p.self, err = p.proc.Of(os.Getpid()); err != nil {
		return err
	}
	if p.spec.Leashed {
		p.leash = make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, p.stdin)
			close(p.leash)
		}()
	}
	if err := p.write(shimFile, p.self); err != nil {
		return err
	}
	p.failAt(shimFile)
	if err := reserveExit(p.dir); err != nil {
		return fmt.Errorf("reserve disk for the result: %w", err)
	}
	if err := p.openOutput(); err != nil {
		return err
	}
	p.failAt("prepared")
	return nil
}

func (p *process) openOutput() (err error) {
	if rule := p.spec.Instance; rule != nil {
		p.keep, err = newRotating(pathIn(p.dir, LogFile), *rule)
	} else {
		p.keep, err = newSpool(pathIn(p.dir, outputFile), p.spec.OutputLimit)
	}
	p.last = &lastLines{}
	return err
}

// start starts the command and writes down who it is.
func (p *process) start() (pid int, err error) {
	read, write, err := pipe()
	if err != nil {
		return 0, err
	}
	clean := newRedactor(io.MultiWriter(p.keep, p.last), p.spec.Secrets)
	if p.out, err = newPump(read, clean, p.tell); err != nil {
		return 0, err
	}
	p.exit.StartedAt = p.now()
	pid, err = execute(p.spec, write)
	_ = unix.Close(write)
	if err != nil {
		<-p.out.Ended()
		return 0, err
	}
	p.failAt("forked")
	id, err := p.proc.Of(pid) // it is not reaped yet, so the pid is its own
	if err == nil {
		err = noteJSON(p.dir, childFile, child{Identity: id, Group: pid, Started: p.exit.StartedAt})
	}
	if err != nil {
		slog.Warn("who the command is could not be written down", slog.Any("error", err))
	}
	p.failAt(childFile)
	p.tell()
	return pid, nil
}

// tell wakes the executor, if there is one.
func (p *process) tell() { _, _ = unix.Write(notifyFD, []byte{'.'}) }

// attend waits for the command's end, or for a reason to end it.
func (p *process) attend() {
	var timeout <-chan time.Time
	if p.spec.Timeout > 0 {
		timer := time.NewTimer(p.spec.Timeout) // monotonic: a clock jump does not shorten it
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		select {
		case end := <-p.ended:
			p.record(end)
			if p.spec.Instance != nil {
				p.stop()
			}
			return
		case <-timeout:
			p.exit.TimedOut = true
		case sig := <-p.signals:
			if sig != unix.SIGTERM {
				continue // a terminal's signals are not meant for commands
			}
			p.exit.Cancelled = true
		case <-p.leash:
			p.exit.Cancelled = true
		}
		p.stop()
		p.record(<-p.ended)
		return
	}
}

func (p *process) record(end ending) {
	p.exit.EndedAt = p.exit.StartedAt.Add(p.now().Sub(p.exit.StartedAt))
	p.exit.MaxRSS = end.maxRSS
	p.exit.Code = end.status.ExitStatus()
	if end.status.Signaled() {
		p.exit.Signal = end.status.Signal().String()
		p.exit.Code = 128 + int(end.status.Signal())
	}
}

// stop ends everything that descends from the command.
func (p *process) stop() {
	s := sweep{proc: p.proc, grace: p.spec.Grace, find: func(t procfs.Tree) []procfs.Process {
		return t.Descendants(p.self.PID)
	}}
	if left := s.stop(); len(left) > 0 {
		note := fmt.Sprintf("\n[%d processes of another user could not be stopped, the first is %d]\n", len(left), left[0].PID)
		_, _ = p.keep.Write([]byte(note))
	}
}

// finish makes the result durable, and then stays as long as something that the
// command left in the background still writes: without a reader it would die.
func (p *process) finish() error {
	p.out.Drain()
	p.keep.Finish()
	p.exit.Tail = p.last.Lines()
	p.failAt("ended")
	err := p.persist(exitFile, p.exit)
	p.failAt(exitFile)
	_ = unix.Close(notifyFD)
	p.linger()
	return err
}

// persistLimit is how long the shim tries to write the result down when the
// disk refuses it.
const persistLimit = 30

func (p *process) persist(name string, value any) error {
	var err error
	for range persistLimit {
		if err = p.write(name, value); err == nil || !exists(p.dir, shimFile) {
			return err
		}
		<-time.After(time.Second)
	}
	return err
}

// write makes a file durable, unless the command ends with its executor anyway.
func (p *process) write(name string, value any) error {
	if p.spec.Leashed {
		return noteJSON(p.dir, name, value)
	}
	return WriteJSON(p.dir, name, value)
}

func (p *process) linger() {
	ended := p.out.Ended()
	for p.leash != nil || ended != nil {
		select {
		case <-ended:
			ended = nil
		case <-p.leash:
			_ = os.RemoveAll(p.dir)
			p.leash = nil
		case sig := <-p.signals:
			if sig == unix.SIGTERM {
				p.stop()
			}
		}
	}
}

// refuse writes down why the command could not be started.
func (p *process) refuse(cause error) error {
	p.keep.Finish()
	failure, ok := errors.AsType[*ripcord.Failure](cause)
	if !ok {
		return cause
	}
	err := p.persist(refusedFile, failure)
	_ = unix.Close(notifyFD)
	if p.leash != nil {
		<-p.leash
		_ = os.RemoveAll(p.dir)
	}
	return err
}

func (p *process) failAt(point string) {
	if p.spec.FailAt == point {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
}
