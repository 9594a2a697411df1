package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
	"github.com/ripcord-dev/ripcord/shim"
)

// Options are what the keeper works with.
type Options struct {
	// Dir is the state directory, an absolute path.
	Dir string
	// Self is the ripcord binary, for shims and executors.
	Self  string
	Blobs ripcord.Blobs
	// Orphans returns the unfinished runs without a living executor that may be
	// carried on now; nil is none ever.
	Orphans func(ctx context.Context) ([]ripcord.RunID, error)
	// Unfinished reports whether any run is unfinished, also one that has an
	// executor: the keeper stays then. nil is no.
	Unfinished func(ctx context.Context) (bool, error)
	// Env is the executors' environment; nil is the keeper's own.
	Env []string
	// Idle is how long the keeper stays without work; 0 is a minute, less than
	// 0 is for ever.
	Idle time.Duration
	// Now is the clock; it must be set.
	Now func() time.Time
	Log *slog.Logger
	// Proc is the proc file system; zero is the machine's own.
	Proc procfs.FS
	// Tick is how often the keeper looks; 0 is 200 ms.
	Tick time.Duration
	// ShuttingDown reports whether the machine is being shut down; nil asks systemd.
	ShuttingDown func(ctx context.Context) bool
}

// identity is what keeper.json holds.
type identity struct {
	procfs.Identity
	Since time.Time `json:"since"`
}

// Main is the keeper. It returns when the context ends, when there has been no
// work for the idle time, or when the state directory is gone; all instances and
// executors live on, but for executors on a machine that is being shut down. When
// another keeper is there, the error is one of CodeRefused.
func Main(ctx context.Context, o Options) error {
	o = o.withDefaults()
	lock, err := takeLock(ctx, o.Dir)
	if err != nil {
		return err
	}
	k := &keeper{Options: o, lock: lock, instances: make(map[string]*ward), runs: make(map[ripcord.RunID]*carried), done: make(chan func())}
	defer func() { _ = k.lock.Close() }()
	if err := k.sign(); err != nil {
		return err
	}
	o.Log.InfoContext(ctx, "keeper begins", slog.Int("pid", os.Getpid()))
	why := k.work(ctx)
	if ctx.Err() != nil {
		k.suspend(context.WithoutCancel(ctx))
	}
	k.wait(ctx)
	o.Log.InfoContext(ctx, "keeper ends", slog.String("why", why))
	return nil
}

func (o Options) withDefaults() Options {
	if o.Proc.Root == "" {
		o.Proc = procfs.System()
	}
	if o.Tick == 0 {
		o.Tick = 200 * time.Millisecond
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	if o.ShuttingDown == nil {
		o.ShuttingDown = shuttingDown
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// keeper is the keeper at work. Its fields belong to the loop; what takes time
// happens beside it and comes back through done.
type keeper struct {
	Options
	lock      *os.File
	instances map[string]*ward
	runs      map[ripcord.RunID]*carried
	done      chan func()
	busy      int
	idleSince time.Time
	// runsDue is when the journal is asked again; busyRuns is what it said.
	runsDue  time.Time
	busyRuns bool
}

// sign writes down who the keeper is.
func (k *keeper) sign() error {
	self, err := k.Proc.Of(os.Getpid())
	if err != nil {
		return err
	}
	if err := shim.WriteJSON(k.Dir, identityFile, identity{Identity: self, Since: k.Now()}); err != nil {
		return fmt.Errorf("begin keeping: %w", err)
	}
	return nil
}

// work looks after everything until there is a reason to end, which it returns.
func (k *keeper) work(ctx context.Context) string {
	ticker := time.NewTicker(k.Tick)
	defer ticker.Stop()
	for {
		if !stillOurs(k.lock, k.Dir) {
			return "the state directory is gone"
		}
		rotateOwnLog(k.Dir)
		if k.round(ctx) {
			k.idleSince = time.Time{}
		} else if k.idleSince.IsZero() {
			k.idleSince = k.Now()
		}
		if k.Idle > 0 && !k.idleSince.IsZero() && k.Now().Sub(k.idleSince) >= k.Idle && k.resign(ctx) {
			return "there is nothing to look after"
		}
		select {
		case <-ctx.Done():
			return "it was told to"
		case finish := <-k.done:
			finish()
		case <-ticker.C:
		}
	}
}

// round looks at everything once; it reports whether there is work.
func (k *keeper) round(ctx context.Context) bool {
	instances, err := k.watch(ctx)
	if err != nil {
		k.Log.ErrorContext(ctx, "instances could not be looked at", slog.Any("error", err))
	}
	runs, runErr := k.lookAtRuns(ctx)
	if runErr != nil {
		k.Log.ErrorContext(ctx, "runs could not be looked at", slog.Any("error", runErr))
	}
	return instances || runs || err != nil || runErr != nil || k.busy > 0
}

// resign gives the lock up for want of work. Who made work a moment ago still
// saw a keeper and started no other, so it looks once more afterwards.
func (k *keeper) resign(ctx context.Context) bool {
	_ = k.lock.Close()
	if !k.round(ctx) {
		return true
	}
	k.idleSince = time.Time{}
	lock, err := takeLock(ctx, k.Dir)
	if err != nil {
		return true // another keeper has come
	}
	k.lock = lock
	return k.sign() != nil
}

// beside does something that takes time; what it returns happens in the loop.
func (k *keeper) beside(job func() func()) {
	k.busy++
	go func() {
		finish := job()
		k.done <- func() {
			k.busy--
			finish()
		}
	}()
}

// wait lets what is going on come to its end.
func (k *keeper) wait(_ context.Context) {
	for k.busy > 0 {
		(<-k.done)()
	}
}

// ward is an instance as the keeper sees it.
type ward struct {
	backoff backoff
	// due is when it is started again; zero while it lives.
	due     time.Time
	working bool
	// seen is the shim that due is about; another one may have come and gone while
	// somebody was busy with the instance.
	seen procfs.Identity
	busy bool
}

// watch looks at all wanted instances and starts those again that are due. It
// reports whether there are any.
func (k *keeper) watch(ctx context.Context) (bool, error) {
	all, err := wanted(k.Dir, "")
	if err != nil {
		return false, err
	}
	known := make(map[string]*ward, len(all))
	var errs []error
	for _, r := range all {
		if r.Stopping {
			continue
		}
		w := k.instances[r.ID]
		if w == nil {
			w = &ward{}
		}
		known[r.ID] = w
		if !w.working {
			errs = append(errs, k.look(ctx, r, w))
		}
	}
	k.instances = known
	return len(known) > 0, errors.Join(errs...)
}

// look finds out whether one instance lives, and what to do when it does not.
func (k *keeper) look(ctx context.Context, r placed, w *ward) error {
	state, err := shim.Look(r.dir, k.Proc)
	if err != nil {
		return err
	}
	if state.ShimLives {
		w.due = time.Time{}
		return nil
	}
	if w.due.IsZero() || w.busy && state.Shim != w.seen {
		k.noticeDeath(ctx, r, w, state)
	}
	w.seen, w.busy = state.Shim, false
	if k.Now().Before(w.due) {
		return nil
	}
	w.working = true
	k.beside(func() func() {
		err := k.revive(ctx, r, state)
		return func() {
			w.working = false
			switch {
			case err == nil:
				w.due = time.Time{} // when it died meanwhile, that is another death
			case errors.Is(err, shim.ErrBusy):
				w.busy = true
			default:
				k.Log.ErrorContext(ctx, "instance could not be started", slog.String("instance", r.ID), slog.Any("error", err))
				w.due = k.Now().Add(w.backoff.died(0))
			}
		}
	})
	return nil
}

// noticeDeath decides when the instance is started again.
func (k *keeper) noticeDeath(ctx context.Context, r placed, w *ward, state shim.State) {
	w.due = k.Now()
	boot, err := k.Proc.Boot()
	switch {
	case state.Shim.IsZero() || err == nil && boot != state.Shim.Boot:
		k.Log.InfoContext(ctx, "instance does not run yet on this machine", slog.String("instance", r.ID))
	default:
		life := time.Duration(0)
		if !state.StartedAt.IsZero() {
			life = k.Now().Sub(state.StartedAt)
		}
		wait := w.backoff.died(life)
		w.due = w.due.Add(wait)
		k.Log.WarnContext(ctx, "instance ended", slog.String("instance", r.ID), slog.Any("exit", state.Exit), slog.Duration("restart_in", wait))
	}
}

// revive starts a dead instance again, unless it is not wanted any more or somebody
// else started it since it was seen; should that life be over, it is another death.
func (k *keeper) revive(ctx context.Context, r placed, seen shim.State) error {
	inst, err := shim.OpenInstance(r.dir, k.Proc, false)
	if err != nil {
		return err
	}
	defer inst.Close()
	now, ok, err := readRecord(r.dir)
	if err != nil || !ok || !now.Wanted || now.Stopping {
		return err
	}
	state, err := shim.Look(r.dir, k.Proc)
	if err != nil || state.ShimLives || state.Shim != seen.Shim {
		return err
	}
	spec, err := k.spec(ctx, now)
	if err != nil {
		return err
	}
	if err := restart(ctx, inst, r.dir, k.Self, spec, state); err != nil {
		return err
	}
	k.Log.InfoContext(ctx, "instance started", slog.String("instance", r.ID))
	return nil
}

// restart starts an instance that died, and counts it.
func restart(ctx context.Context, inst *shim.Instance, dir, self string, spec ripcord.Instance, before shim.State) error {
	t := readTally(dir)
	inst.TakesOver = takesOver(spec, before)
	if err := inst.Start(ctx, self, ownBinary(spec, self)); err != nil {
		return err
	}
	t.Restarts++
	if before.Exit != nil {
		t.LastExit = before.Exit
	}
	return shim.WriteJSON(dir, stateFile, t)
}

// labelTakesOver marks an instance whose new process takes over from one that
// still runs, without harm to anybody.
const labelTakesOver = "takes_over"

// takesOver reports whether a new process is to find the old one alive: where only
// the shim was killed. One that failed to take over has an exit, and what is left
// is stopped before the next.
func takesOver(i ripcord.Instance, before shim.State) bool {
	return i.Labels[labelTakesOver] != "" && before.Running && before.Exit == nil
}

// labelBinary says which ripcord binary an instance is, for the instances that
// are one.
const labelBinary = "binary"

// ownBinary returns the instance with this binary in place of one that is gone:
// an upgrade often removes the one that started the instance.
func ownBinary(i ripcord.Instance, self string) ripcord.Instance {
	if i.Labels[labelBinary] != i.Args[0] {
		return i
	}
	if _, err := os.Stat(i.Args[0]); err == nil {
		return i
	}
	i.Args = append([]string{procfs.Executable(self)}, i.Args[1:]...)
	return i
}
