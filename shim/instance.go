package shim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

// ErrBusy says that another process is starting or stopping the instance.
var ErrBusy = errors.New("another process is starting or stopping this instance")

// Instance is the folder of a long-running process, locked, so that only one
// caller at a time starts or stops it.
type Instance struct {
	f *folder
	// Margin is how long the shim may take beyond the grace before it is killed.
	Margin time.Duration
	// TakesOver says that the next process takes over from what an earlier shim
	// left, which is not stopped then.
	TakesOver bool
}

// State is what a folder tells of its instance.
type State struct {
	// Shim lives until nothing of the instance is left.
	Shim      procfs.Identity
	ShimLives bool
	// Child is the instance's own process.
	Child     procfs.Identity
	Running   bool
	StartedAt time.Time
	// Exit is how the newest process ended, Refused why it could not be started;
	// nil while that is not known.
	Exit    *ripcord.Exit
	Refused *ripcord.Failure
}

// OpenInstance makes the folder where it is missing, and locks it. It waits for
// others unless wait is false, when it returns ErrBusy.
func OpenInstance(dir string, proc procfs.FS, wait bool) (*Instance, error) {
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	if !wait {
		return tryInstance(dir, proc)
	}
	f, err := lockFolder(dir, proc)
	if err != nil {
		return nil, err
	}
	return &Instance{f: f, Margin: killMargin}, nil
}

func tryInstance(dir string, proc procfs.FS) (*Instance, error) {
	file, err := os.OpenFile(pathIn(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock instance: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrBusy
		}
		return nil, fmt.Errorf("lock instance: %w", err)
	}
	return &Instance{f: &folder{dir: dir, proc: proc, lock: file}, Margin: killMargin}, nil
}

// Close unlocks the folder.
func (i *Instance) Close() { i.f.unlock() }

// Look reads what a folder tells of its instance; it needs no lock.
func Look(dir string, proc procfs.FS) (State, error) {
	f := &folder{dir: dir, proc: proc}
	var s State
	id, started, err := f.shim()
	if err != nil || !started {
		return s, err
	}
	s.Shim, s.ShimLives = id, proc.Alive(id)
	var c child
	ok, err := ReadJSON(dir, childFile, &c)
	if err != nil {
		return s, err
	}
	if ok {
		s.Child, s.StartedAt, s.Running = c.Identity, c.Started, proc.Alive(c.Identity)
	}
	exit, refused, ended, err := result(dir)
	switch {
	case err != nil:
		return s, err
	case ended && refused != nil:
		s.Refused = refused
	case ended:
		s.Exit = &exit
	}
	return s, nil
}

// Start starts the instance under a new shim and returns when its process runs.
// What an earlier one left is stopped first. An instance that can't be started
// gives a *ripcord.Failure.
func (i *Instance) Start(ctx context.Context, self string, what ripcord.Instance) error {
	state, err := Look(i.f.dir, i.f.proc)
	if err != nil {
		return err
	}
	if state.ShimLives {
		return fmt.Errorf("instance %s runs already", what.ID)
	}
	s, err := resolve(ripcord.Command{
		Args: what.Args, Dir: what.Dir, Env: what.Env, User: what.User, Secrets: what.Secrets, Grace: what.Grace.Std(),
	})
	if err != nil {
		return err
	}
	s.Instance = &rotation{Limit: what.LogLimit, Keep: defaultLogKeep}
	if s.Instance.Limit <= 0 {
		s.Instance.Limit = defaultLogLimit
	}
	s.Env = withMark(s.Env, i.f.dir)
	if !i.TakesOver {
		i.f.stopOrphans(s.Grace)
	}
	if err := i.clear(); err != nil {
		return err
	}
	if err := i.f.begin(); err != nil {
		return err
	}
	o, err := launch(ctx, self, i.f.dir, s, i.f.proc)
	if err != nil {
		return err
	}
	return i.begun(ctx, o)
}

// clear makes room for the next process.
func (i *Instance) clear() error {
	for _, name := range []string{childFile, refusedFile, exitFile, exitFile + ".tmp", troubleFile, shimFile} {
		if err := os.Remove(pathIn(i.f.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("make room for the instance: %w", err)
		}
	}
	return nil
}

// begun waits until the process runs or is known not to.
func (i *Instance) begun(ctx context.Context, o *own) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	news, dead := o.news, o.dead
	for over := false; ; {
		state, err := Look(i.f.dir, i.f.proc)
		switch {
		case err != nil:
			return err
		case state.Refused != nil:
			return state.Refused
		case !state.Child.IsZero(), state.Exit != nil:
			return nil
		case over:
			trouble, _ := os.ReadFile(pathIn(i.f.dir, troubleFile))
			return fmt.Errorf("the shim of the instance ended before the instance was started: %s", trouble)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start instance: %w", ctx.Err())
		case _, more := <-news:
			if !more {
				news = nil
			}
		case <-ticker.C:
		case <-dead:
			over = true
		}
	}
}

// Stop ends the instance: SIGTERM, and SIGKILL after the grace, to everything of
// it. It returns when nothing is left; stopping twice is safe. When the context
// ends first, the shim goes on stopping, and the error is the context's.
func (i *Instance) Stop(ctx context.Context, grace time.Duration) error {
	if grace <= 0 {
		grace = defaultGrace
	}
	id, started, err := i.f.shim()
	if err != nil || !started {
		return err
	}
	_ = i.f.proc.Signal(id, unix.SIGTERM)
	patient, cancel := context.WithTimeout(ctx, grace+i.Margin)
	defer cancel()
	if err := i.f.proc.Wait(patient, id); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("stop instance: %w", ctx.Err())
		}
		_ = i.f.proc.Signal(id, unix.SIGKILL)
		if err := i.f.proc.Wait(ctx, id); err != nil {
			return fmt.Errorf("stop instance: %w", err)
		}
		grace = 0 // it had its time
	}
	i.f.stopOrphans(grace)
	return nil
}
