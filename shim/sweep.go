package shim

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord/procfs"
)

// sweep ends a set of processes that may grow while it is ended.
type sweep struct {
	proc  procfs.FS
	grace time.Duration
	// find returns those of the set that run.
	find func(procfs.Tree) []procfs.Process
}

// How often a sweep looks, and how long it tries to kill what belongs to
// somebody else.
const (
	sweepFirst    = 2 * time.Millisecond
	sweepMost     = 100 * time.Millisecond
	sweepHopeless = 2 * time.Second
)

// stop sends SIGTERM to all and SIGKILL to those that are left after the grace.
// It returns when none is left but those that it may not signal.
func (s sweep) stop() (left []procfs.Process) {
	asked := make(map[procfs.Identity]bool)
	deadline := time.NewTimer(s.grace)
	defer deadline.Stop()
	for pause := sweepFirst; s.grace > 0; pause = min(2*pause, sweepMost) {
		tree, found, err := s.look()
		if err == nil && len(found) == 0 {
			return nil
		}
		for _, p := range found {
			if id := tree.Identity(p); !asked[id] {
				asked[id] = true
				_ = s.proc.Signal(id, unix.SIGTERM)
				_ = s.proc.Signal(id, unix.SIGCONT) // a stopped process can't obey
			}
		}
		if waited(deadline.C, pause) {
			break
		}
	}
	return s.kill()
}

func (s sweep) kill() []procfs.Process {
	hopeless := time.NewTimer(sweepHopeless)
	defer hopeless.Stop()
	late := false
	for pause := sweepFirst; ; pause = min(2*pause, sweepMost) {
		tree, found, err := s.look()
		if err == nil && len(found) == 0 {
			return nil
		}
		mine := err != nil
		for _, p := range found {
			err := s.proc.Signal(tree.Identity(p), unix.SIGKILL)
			mine = mine || !errors.Is(err, fs.ErrPermission)
		}
		if late && !mine {
			return found
		}
		late = waited(hopeless.C, pause) || late
	}
}

// look fails for want of descriptors or memory, which says nothing about what
// runs.
func (s sweep) look() (procfs.Tree, []procfs.Process, error) {
	tree, err := s.proc.Tree()
	if err != nil {
		return tree, nil, err
	}
	return tree, s.find(tree), nil
}

// waited pauses; it reports whether the deadline came first.
func waited(deadline <-chan time.Time, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-deadline:
		return true
	case <-timer.C:
		return false
	}
}

// orphans returns everything that is left of the command of a folder whose shim
// is dead: its session, the command itself, all that carries the folder in its
// environment, and what descends from those.
func orphans(dir string, proc procfs.FS) func(procfs.Tree) []procfs.Process {
	var shim procfs.Identity
	var command child
	_, _ = ReadJSON(dir, shimFile, &shim)
	_, _ = ReadJSON(dir, childFile, &command)
	return func(t procfs.Tree) []procfs.Process {
		// When somebody else has the shim's pid, the session with that number
		// is somebody else's as well.
		session := 0
		if holder, err := proc.Of(shim.PID); !shim.IsZero() && (err != nil || holder == shim) && sameBoot(proc, shim) {
			session = shim.PID
		}
		roots := t.Where(func(p procfs.Process) bool {
			switch {
			case p.PID == os.Getpid():
				return false
			case session != 0 && p.Session == session, t.Identity(p) == command.Identity:
				return true
			default:
				return proc.HasEnv(p.PID, Environment, dir)
			}
		})
		pids := make([]int, 0, len(roots))
		for _, p := range roots {
			pids = append(pids, p.PID)
		}
		below := t.Descendants(pids...)
		return append(roots, t.Where(func(p procfs.Process) bool {
			return p.PID != os.Getpid() && contains(below, p.PID)
		})...)
	}
}

func contains(all []procfs.Process, pid int) bool {
	for _, p := range all {
		if p.PID == pid {
			return true
		}
	}
	return false
}

func sameBoot(proc procfs.FS, id procfs.Identity) bool {
	boot, err := proc.Boot()
	return err == nil && boot == id.Boot
}
