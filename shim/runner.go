package shim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

// Options are what a Runner may be told.
type Options struct {
	// Fence is the number of the executor's lease. A command that an executor
	// with a higher one has adopted is not touched any more.
	Fence uint64
	// Now is the clock; it must be set.
	Now func() time.Time
	// Proc is the proc file system; zero is the machine's own.
	Proc procfs.FS
	// Poll is how often a command that another executor started is looked at;
	// 0 is 50 ms.
	Poll time.Duration
}

// Runner implements ripcord.Commands. Its methods may be called concurrently.
type Runner struct {
	root, self string
	o          Options
	margin     time.Duration // killMargin
	failAt     string        // for tests of this package
}

// New returns a Runner that keeps each command's folder below dir, an absolute
// path on a local disk, and starts self, the ripcord binary, as the shim.
func New(dir, self string, o Options) *Runner {
	if o.Proc.Root == "" {
		o.Proc = procfs.System()
	}
	if o.Poll == 0 {
		o.Poll = 50 * time.Millisecond
	}
	return &Runner{root: filepath.Clean(dir), self: self, o: o, margin: killMargin}
}

// Run starts the command and waits for its end. A key is started once only:
// where it was started before, Run does what Resume does, also when that
// execution has ended long ago, so a fresh execution needs a fresh key.
//
// A command without a key is one that nobody will ask for again, a check for
// example: it ends with its executor, and leaves no files.
//
// A command that can't be started gives a *ripcord.Failure. When its shim is
// killed from outside, the error is ErrLost, and nothing of it runs any more.
func (r *Runner) Run(ctx context.Context, c ripcord.Command) (ripcord.Exit, error) {
	if err := ctx.Err(); err != nil {
		return ripcord.Exit{}, fmt.Errorf("the command was not started: %w", err)
	}
	s, err := resolve(c)
	if err != nil {
		return ripcord.Exit{}, err
	}
	s.FailAt = r.failAt
	dir := folderOf(r.root, c.Key)
	if c.Key == "" {
		dir = filepath.Join(r.root, "once-"+rand.Text())
		s.Leashed = true
	}
	if err := makeFolder(dir); err != nil {
		return ripcord.Exit{}, err
	}
	f, err := r.enter(dir)
	if err != nil {
		return ripcord.Exit{}, err
	}
	defer f.unlock()
	if _, started, err := f.shim(); err != nil || started {
		return r.join(ctx, c, f, err)
	}
	if err := f.begin(); err != nil {
		return ripcord.Exit{}, err
	}
	s.Env = withMark(s.Env, dir)
	o, err := launch(ctx, r.self, dir, s, r.o.Proc)
	if err != nil {
		return ripcord.Exit{}, err
	}
	f.unlock()
	exit, err := r.follow(ctx, c, dir, o.id, o)
	if s.Leashed {
		_ = os.RemoveAll(dir)
		o.letGo()
		waitEnd(o.dead)
	}
	return exit, err
}

// Resume waits for the command that was started under this key, or reads its
// result. The error is ErrLost when its shim was killed, or when the command was
// never started; nothing of it runs then.
func (r *Runner) Resume(ctx context.Context, c ripcord.Command) (ripcord.Exit, error) {
	dir := folderOf(r.root, c.Key)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return ripcord.Exit{}, neverStarted(c.Key)
	}
	f, err := r.enter(dir)
	if err != nil {
		return ripcord.Exit{}, err
	}
	defer f.unlock()
	return r.join(ctx, c, f, nil)
}

// Clean removes the folder of a key. It refuses while the command runs; a key
// that was never started is no error.
func (r *Runner) Clean(_ context.Context, key string) error {
	dir := folderOf(r.root, key)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f, err := lockFolder(dir, r.o.Proc)
	if err != nil {
		return err
	}
	defer f.unlock()
	id, started, err := f.shim()
	if err != nil {
		return err
	}
	if _, _, ended, err := result(dir); err != nil {
		return err
	} else if started && !ended && r.o.Proc.Alive(id) {
		return fmt.Errorf("command %s still runs", key)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove command %s: %w", key, err)
	}
	return nil
}

// Prune removes the folders of all commands that have ended, for a Runner whose
// run is over. A command that still runs in the background keeps running.
func (r *Runner) Prune(_ context.Context) error {
	entries, err := os.ReadDir(r.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("prune commands: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		dir := filepath.Join(r.root, entry.Name())
		var id procfs.Identity
		started, err := ReadJSON(dir, shimFile, &id)
		_, _, ended, endErr := result(dir)
		if err = errors.Join(err, endErr); err == nil && (ended || !started || !r.o.Proc.Alive(id)) {
			err = os.RemoveAll(dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// OutputPath returns where the output of the key's command is kept, without
// secrets and at most as long as the command's OutputLimit and one more line.
func (r *Runner) OutputPath(key string) string {
	return filepath.Join(folderOf(r.root, key), outputFile)
}

// enter locks a folder and puts this executor in charge of it.
func (r *Runner) enter(dir string) (*folder, error) {
	f, err := lockFolder(dir, r.o.Proc)
	if err != nil {
		return nil, err
	}
	if err := f.claim(r.o.Fence); err != nil {
		f.unlock()
		return nil, err
	}
	return f, nil
}

// join goes on with a command that was started before.
func (r *Runner) join(ctx context.Context, c ripcord.Command, f *folder, err error) (ripcord.Exit, error) {
	if err != nil {
		return ripcord.Exit{}, err
	}
	id, started, err := f.shim()
	if err != nil {
		return ripcord.Exit{}, err
	}
	if !started {
		return ripcord.Exit{}, neverStarted(c.Key)
	}
	// Alive first, result second: the other way round a shim that ends in
	// between would count as lost.
	alive := r.o.Proc.Alive(id)
	exit, refused, ended, err := result(f.dir)
	switch {
	case err != nil:
		return exit, err
	case ended && refused != nil:
		return exit, refused
	case ended:
		(&tail{path: pathIn(f.dir, outputFile), to: c.Output}).copy()
		return exit, nil
	case alive:
		f.unlock()
		return r.follow(ctx, c, f.dir, id, nil)
	}
	f.stopOrphans(graceOf(c))
	(&tail{path: pathIn(f.dir, outputFile), to: c.Output}).copy()
	return exit, lost(c.Key)
}

// waitEnd gives a shim that has nothing left to do the time to end. One whose
// command left something in the background stays.
func waitEnd(dead <-chan struct{}) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-dead:
	case <-timer.C:
	}
}

func neverStarted(key string) error {
	return fmt.Errorf("%s was never started: %w", key, ripcord.ErrLost)
}

func lost(key string) error {
	return fmt.Errorf("the shim of %s was killed: %w", key, ripcord.ErrLost)
}

func graceOf(c ripcord.Command) time.Duration {
	if c.Grace > 0 {
		return c.Grace
	}
	return defaultGrace
}
