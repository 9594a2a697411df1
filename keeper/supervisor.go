package keeper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
	"github.com/ripcord-dev/ripcord/shim"
)

// blobRun is the name under which instances keep their blobs, so that they do
// not go with any run.
const blobRun = ripcord.RunID("instances")

// SupervisorOptions are what a Supervisor works with.
type SupervisorOptions struct {
	// Dir is the state directory, an absolute path.
	Dir string
	// Self is the ripcord binary.
	Self  string
	Blobs ripcord.Blobs
	// Proc is the proc file system; zero is the machine's own.
	Proc procfs.FS
	// Ensure is called when there is something to look after, and makes sure
	// that a keeper runs; nil leaves that to others.
	Ensure func(ctx context.Context) error
}

// Supervisor implements ripcord.Supervisor. Any number of them may work on one
// state directory at once, in any process, with or without a living keeper.
type Supervisor struct{ o SupervisorOptions }

// NewSupervisor returns a Supervisor.
func NewSupervisor(o SupervisorOptions) *Supervisor {
	if o.Proc.Root == "" {
		o.Proc = procfs.System()
	}
	return &Supervisor{o: o}
}

// Start makes the instance wanted and running; see ripcord.Supervisor. An
// instance that is wanted with another spec is refused with CodeRefused. One
// that can't be started gives a *ripcord.Failure, and is not wanted then.
func (s *Supervisor) Start(ctx context.Context, i ripcord.Instance) error {
	if i.ID == "" || len(i.Args) == 0 {
		return ripcord.Errorf(ripcord.CodePlan, "an instance needs an id and a command")
	}
	data, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("instance %s: %w", i.ID, err)
	}
	if err := s.start(ctx, i, data); err != nil {
		return err
	}
	if s.o.Ensure == nil {
		return nil
	}
	// After the record is written: a keeper that ends for want of work looks
	// once more when it has given up its lock.
	return s.o.Ensure(ctx)
}

func (s *Supervisor) start(ctx context.Context, i ripcord.Instance, data []byte) error {
	dir := instanceDir(s.o.Dir, i.ID)
	inst, err := shim.OpenInstance(dir, s.o.Proc, true)
	if err != nil {
		return err
	}
	defer inst.Close()
	r, known, err := readRecord(dir)
	if err != nil {
		return err
	}
	known = known && r.Wanted
	if known && r.Stopping {
		if err := s.end(ctx, inst, dir, r); err != nil {
			return err
		}
		known = false
	}
	digest := s.o.Blobs.Digest(data)
	if known && r.Digest != digest {
		return ripcord.Errorf(ripcord.CodeRefused, "instance %s is there already, with another command, folder or environment", i.ID).
			WithFix("stop it first")
	}
	state, err := shim.Look(dir, s.o.Proc)
	if err != nil {
		return err
	}
	if known && state.ShimLives {
		return nil
	}
	if known {
		return restart(ctx, inst, dir, s.o.Self, i, state)
	}
	if err := s.want(ctx, inst, dir, i, data); err != nil {
		return err
	}
	err = inst.Start(ctx, s.o.Self, i)
	if _, failed := errors.AsType[*ripcord.Failure](err); failed {
		return errors.Join(err, s.unwant(ctx, dir))
	}
	return err
}

// want writes down that the instance is wanted, after whatever a Stop that did
// not end left of an earlier one is gone.
func (s *Supervisor) want(ctx context.Context, inst *shim.Instance, dir string, i ripcord.Instance, data []byte) error {
	if err := inst.Stop(ctx, i.Grace.Std()); err != nil {
		return err
	}
	ref, err := s.o.Blobs.Put(ctx, blobRun, baseOf(dir), bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("keep instance %s: %w", i.ID, err)
	}
	if err := shim.WriteJSON(dir, stateFile, tally{}); err != nil {
		return err
	}
	began, err := endMark(logPath(dir))
	if err != nil {
		return err
	}
	return shim.WriteJSON(dir, recordFile, record{
		ID: i.ID, Labels: i.Labels, Wanted: true, Digest: s.o.Blobs.Digest(data), Spec: ref, Grace: i.Grace, Began: began,
	})
}

// unwant writes down that the instance is not wanted any more, and drops its
// spec. Its log stays.
func (s *Supervisor) unwant(ctx context.Context, dir string) error {
	r, ok, err := readRecord(dir)
	if err != nil || !ok || !r.Wanted {
		return err
	}
	r.Wanted, r.Stopping = false, false
	if err := shim.WriteJSON(dir, recordFile, r); err != nil {
		return err
	}
	if err := s.o.Blobs.Delete(ctx, r.Spec); err != nil {
		return fmt.Errorf("forget instance %s: %w", r.ID, err)
	}
	return nil
}

// Stop makes the instance unwanted and returns when nothing of it is left; see
// ripcord.Supervisor. When the context ends first, the instance goes on stopping,
// and stays unwanted.
func (s *Supervisor) Stop(ctx context.Context, id string) error {
	dir := instanceDir(s.o.Dir, id)
	if _, ok, err := readRecord(dir); err != nil || !ok {
		return err
	}
	inst, err := shim.OpenInstance(dir, s.o.Proc, true)
	if err != nil {
		return err
	}
	defer inst.Close()
	r, _, err := readRecord(dir)
	if err != nil {
		return err
	}
	return s.end(ctx, inst, dir, r)
}

// end stops the instance. First the word, then the deed, then the word that it is
// done: whoever dies in between leaves an instance that nobody starts again, and
// that whoever comes next still finds.
func (s *Supervisor) end(ctx context.Context, inst *shim.Instance, dir string, r record) error {
	if r.Wanted && !r.Stopping {
		r.Stopping = true
		if err := shim.WriteJSON(dir, recordFile, r); err != nil {
			return err
		}
	}
	err := inst.Stop(ctx, r.Grace.Std())
	if err != nil && ctx.Err() == nil {
		return err
	}
	// The caller's patience may have ended, but the shim goes on stopping.
	return errors.Join(err, s.unwant(context.WithoutCancel(ctx), dir))
}

// List returns all wanted instances whose ID starts with prefix, by ID; one whose
// stop was broken off is among them.
func (s *Supervisor) List(_ context.Context, prefix string) ([]ripcord.InstanceStatus, error) {
	records, err := wanted(s.o.Dir, prefix)
	if err != nil {
		return nil, err
	}
	all := make([]ripcord.InstanceStatus, 0, len(records))
	for _, r := range records {
		state, err := shim.Look(r.dir, s.o.Proc)
		if err != nil {
			return nil, err
		}
		t := readTally(r.dir)
		status := ripcord.InstanceStatus{
			ID: r.ID, Labels: r.Labels, Running: state.Running, StartedAt: state.StartedAt,
			Restarts: t.Restarts, LastExit: t.LastExit, Log: logPath(r.dir),
		}
		if state.Running {
			status.PID = state.Child.PID
		} else if state.Exit != nil {
			status.LastExit = state.Exit
		}
		all = append(all, status)
	}
	return all, nil
}

// Recall returns a wanted instance as it was started; see ripcord.Supervisor. Its
// error is of CodeNotFound for one that is not wanted.
func (s *Supervisor) Recall(ctx context.Context, id string) (ripcord.Instance, error) {
	r, ok, err := readRecord(instanceDir(s.o.Dir, id))
	if err != nil {
		return ripcord.Instance{}, err
	}
	if !ok || !r.Wanted {
		return ripcord.Instance{}, ripcord.Errorf(ripcord.CodeNotFound, "no instance %s is wanted", id)
	}
	return specOf(ctx, s.o.Blobs, r)
}

// Tail returns the newest lines of the instance's log since it was last made
// wanted, also of one that was stopped since. An instance that never was gives
// none.
func (s *Supervisor) Tail(_ context.Context, id string, lines int) ([]string, error) {
	dir := instanceDir(s.o.Dir, id)
	r, _, err := readRecord(dir)
	if err != nil {
		return nil, err
	}
	return tailSince(logPath(dir), r.Began, lines)
}
