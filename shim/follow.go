package shim

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

// tail copies a growing file to a writer.
type tail struct {
	path string
	to   io.Writer
	file *os.File
}

// copy passes on what is new. A writer that fails gets nothing more: the file
// stays complete.
func (t *tail) copy() {
	if t.to == nil {
		return
	}
	if t.file == nil {
		f, err := os.Open(t.path)
		if err != nil {
			return
		}
		t.file = f
	}
	if _, err := io.Copy(t.to, t.file); err != nil {
		t.to = nil
	}
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// killMargin is how long a shim may take beyond the grace to stop its command
// before it is itself killed.
const killMargin = 10 * time.Second

// follow waits for a running command's end, passing its output on, and stops it
// when the context ends. o is nil when another process started it.
func (r *Runner) follow(ctx context.Context, c ripcord.Command, dir string, shim procfs.Identity, o *own) (ripcord.Exit, error) {
	out := &tail{path: pathIn(dir, outputFile), to: c.Output}
	defer out.close()
	ticker := time.NewTicker(r.o.Poll)
	defer ticker.Stop()
	var news, dead chan struct{}
	if o != nil {
		news, dead = o.news, o.dead
		ticker.Reset(10 * r.o.Poll) // in case that news are lost
	}
	done, cancelled := ctx.Done(), false // done is nil for a context that never ends
	var force <-chan time.Time
	for {
		select {
		case _, more := <-news:
			if !more {
				news = nil
			}
		case <-ticker.C:
		case <-dead:
			dead = nil
		case <-done:
			done, cancelled = nil, true
			if err := r.cancel(dir, shim); err != nil {
				return ripcord.Exit{}, err
			}
			timer := time.NewTimer(graceOf(c) + r.margin)
			defer timer.Stop()
			force = timer.C
		case <-force:
			return r.force(ctx, c, dir, shim, o)
		}
		alive := r.o.Proc.Alive(shim)
		out.copy()
		exit, refused, ended, err := result(dir)
		switch {
		case err != nil:
			return exit, err
		case ended && refused != nil:
			return exit, refused
		case ended:
			out.copy()
			if cancelled || exit.TimedOut {
				o.letGo() // a command without a key waits for that
				r.gone(ctx, shim)
			}
			return exit, nil
		case !alive:
			return r.abandoned(ctx, c, dir, o)
		}
	}
}

// gone returns when the process has ended, whatever the context says: that it
// must end was decided before.
func (r *Runner) gone(ctx context.Context, id procfs.Identity) {
	_ = r.o.Proc.Wait(context.WithoutCancel(ctx), id)
}

// cancel asks the shim to stop its command, unless a newer executor has it.
func (r *Runner) cancel(dir string, shim procfs.Identity) error {
	f, err := r.enter(dir)
	if err != nil {
		return err
	}
	defer f.unlock()
	_ = r.o.Proc.Signal(shim, unix.SIGTERM) // when it is gone, the loop sees it
	return nil
}

// force stops a command whose shim does not obey.
func (r *Runner) force(ctx context.Context, c ripcord.Command, dir string, shim procfs.Identity, o *own) (ripcord.Exit, error) {
	_ = r.o.Proc.Signal(shim, unix.SIGKILL)
	r.gone(ctx, shim)
	return r.abandoned(ctx, c, dir, o)
}

// abandoned ends what a dead shim left. Where the command was to be stopped
// anyway, that is its result; else the result is lost.
func (r *Runner) abandoned(ctx context.Context, c ripcord.Command, dir string, o *own) (ripcord.Exit, error) {
	f, err := r.enter(dir)
	if err != nil {
		return ripcord.Exit{}, err
	}
	defer f.unlock()
	if !exists(dir, shimFile) {
		if o == nil { // its executor died before it had said what to run
			return ripcord.Exit{}, neverStarted(c.Key)
		}
		text := "its shim ended before"
		if trouble, err := os.ReadFile(pathIn(dir, troubleFile)); err == nil && len(trouble) > 0 {
			text += ": " + strings.TrimSpace(string(trouble))
		}
		return ripcord.Exit{}, errors.New(text)
	}
	grace := graceOf(c)
	if ctx.Err() != nil {
		grace = 0
	}
	f.stopOrphans(grace)
	if exit, refused, ended, err := result(dir); err == nil && ended && refused == nil {
		return exit, nil
	}
	if ctx.Err() == nil {
		return ripcord.Exit{}, lost(c.Key)
	}
	exit := ripcord.Exit{Code: 137, Signal: unix.SIGKILL.String(), Cancelled: true, StartedAt: r.startedAt(dir), EndedAt: r.o.Now()}
	if err := WriteJSON(dir, exitFile, exit); err != nil {
		return ripcord.Exit{}, err
	}
	return exit, nil
}

// startedAt is when the command's folder got its shim.
func (r *Runner) startedAt(dir string) time.Time {
	info, err := os.Stat(pathIn(dir, shimFile))
	if err != nil {
		return r.o.Now()
	}
	return info.ModTime()
}
