package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/bundle"
	"github.com/ripcord-dev/ripcord/engine"
	"github.com/ripcord-dev/ripcord/engine/local"
	"github.com/ripcord-dev/ripcord/planfile"
	"github.com/ripcord-dev/ripcord/shim"
)

// leaseTTL is how long an executor may be silent before it counts as gone.
const leaseTTL = 6 * time.Second

// Listener sees a run while it happens. Its functions may be nil.
type Listener struct {
	// Entry sees each entry after it is durable.
	Entry func(e ripcord.Entry)
	// Output sees what steps print.
	Output func(step ripcord.StepID, text []byte)
	// past sees the entries that were there before.
	past func(e ripcord.Entry)
}

// scope is what all steps of a run share.
func (a *App) scope(plan *ripcord.Plan, lease ripcord.Lease) ripcord.Scope {
	secrets := &secrets{sources: plan.Secrets, directory: plan.Directory, lookupEnv: a.options.LookupEnv}
	return ripcord.Scope{
		Run: lease.Run, StateDir: a.dir, Public: a.publicDir(), Self: a.options.Self, Blobs: a.blobs, Now: a.options.Now,
		Secrets:    secrets,
		Machines:   a.machines.Machines(plan.Machines, secrets),
		Commands:   a.commands(lease),
		Supervisor: a.supervisor(),
	}
}

// commands runs a run's commands, and finds those that a dead executor left.
func (a *App) commands(lease ripcord.Lease) *shim.Runner {
	return shim.New(filepath.Join(a.dir, "commands", string(lease.Run)), a.options.Self, shim.Options{Fence: lease.Fence, Now: a.options.Now})
}

// tidy removes what only a run in progress needs: its commands' folders, whose
// output lies in blobs by now, and its steps' private files.
func (a *App) tidy(ctx context.Context, runs ...ripcord.RunID) error {
	var err error
	for _, run := range runs {
		err = errors.Join(err, a.commands(ripcord.Lease{Run: run}).Prune(ctx))
		// A folder that is left belongs to a background process that still prints.
		if rmErr := os.Remove(filepath.Join(a.dir, "commands", string(run))); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) && !errors.Is(rmErr, syscall.ENOTEMPTY) {
			err = errors.Join(err, rmErr)
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(a.dir, "work", string(run))))
	}
	return err
}

// execute carries the run out under a lease that is held, until it ends or is
// held for a person. Without an end it returns the last state: the lease is
// given back, so that whoever comes next need not wait. planned is the run's
// entry where it was begun just now, else nil.
func (a *App) execute(ctx context.Context, lease ripcord.Lease, plan *ripcord.Plan, planned *ripcord.Entry, l Listener) (*engine.State, error) {
	if plan.Purpose == ripcord.PurposeAdopt {
		return a.abandonAdoption(ctx, lease)
	}
	a.executing(lease.Run)
	defer a.executing("")
	a.warnOfKey()
	local.SpendMemory()
	x := local.New(local.Options{
		Journal: a.boundary.journal(a.store), Adapters: a.adapters, Scope: a.scope(plan, lease),
		Runtime: local.System{Clock: a.options.Now}, StateID: a.store.StateID(),
		Lease: lease, Planned: planned, TTL: leaseTTL, LeaveOnHold: true,
		Observe: l.Entry, Print: l.Output,
		Bundle: func(ctx context.Context, plan *ripcord.Plan) (map[string]ripcord.BlobRef, error) {
			return a.capture(ctx, lease.Run, plan)
		},
		Unpack: a.unpack,
	})
	state, err := x.Run(ctx)
	if err == nil && state.State.Ended() {
		a.ended(plan)
		// A rollback run works with the private files of the releases it takes back.
		if tidyErr := a.tidy(context.WithoutCancel(ctx), append([]ripcord.RunID{lease.Run}, plan.Reverts...)...); tidyErr != nil {
			a.options.warn("the run has ended well, but not all of its temporary files could be removed: " + tidyErr.Error())
		}
	}
	if releaseErr := a.store.Release(context.WithoutCancel(ctx), lease); err == nil {
		err = releaseErr
	}
	return state, err
}

// capture makes the run's bundle. A rollback run uses that of the release whose
// plan it executes or undoes.
func (a *App) capture(ctx context.Context, run ripcord.RunID, plan *ripcord.Plan) (map[string]ripcord.BlobRef, error) {
	from := plan.From
	if len(plan.Reverts) > 0 {
		from = plan.Reverts[0]
	}
	if from == "" {
		return bundle.Capture(ctx, a.blobs, run, plan.Directory, planfile.Bundle(*plan))
	}
	state, err := a.State(ctx, from)
	if err != nil {
		return nil, err
	}
	return state.Blobs, nil
}

// unpack makes a bundle's files available, checked.
func (a *App) unpack(ctx context.Context, refs map[string]ripcord.BlobRef) (string, error) {
	return bundle.Unpack(ctx, a.blobs, refs, a.bundles(), a.options.warn)
}

// bundles is the folder that bundles are laid out in.
func (a *App) bundles() string { return filepath.Join(a.dir, "bundles") }

// openIn opens a step as its own run would. Unpacked gives its run's bundle.
func (a *App) openIn(ctx context.Context, state *engine.State, t *engine.Step, unpacked func() (string, error)) (ripcord.Step, error) {
	scope := a.scope(state.Plan, ripcord.Lease{Run: a.looking})
	dir, err := unpacked()
	step, openErr := local.Open(ctx, a.adapters, scope, state, t.Spec, dir)
	if needs, ok := step.(ripcord.Capturer); err != nil && ok && len(needs.Files()) > 0 {
		return nil, fmt.Errorf("the run's bundle: %w", err)
	}
	return step, openErr
}

// acquire takes over a run whose executor is proved to be gone.
func (a *App) acquire(ctx context.Context, run ripcord.RunID, keeper bool) (ripcord.Lease, error) {
	by, err := a.identify(keeper)
	if err != nil {
		return ripcord.Lease{}, err
	}
	for {
		holder, held, err := a.store.Holder(ctx, run)
		if err != nil {
			return ripcord.Lease{}, err
		}
		proved, err := a.provedGone(ctx, holder, held)
		if err != nil {
			return ripcord.Lease{}, err
		}
		lease, err := a.store.Acquire(ctx, run, by, leaseTTL, proved)
		if held && proved == 0 || ripcord.CodeOf(err) != ripcord.CodeRefused {
			return lease, err
		}
		// Somebody else came for it as well, and was first.
	}
}

// provedGone returns the fence of a lease whose executor is proved to be gone, and
// 0 where there is none or where it has to expire first.
func (a *App) provedGone(ctx context.Context, holder ripcord.Lease, held bool) (fence uint64, err error) {
	if !held {
		return 0, nil
	}
	switch a.lifeOf(holder) {
	case alive:
		return 0, &busyError{lease: holder}
	case hanging:
		if renewed, err := a.renewed(ctx, holder); err != nil || renewed {
			return 0, cmp.Or(err, error(&busyError{lease: holder}))
		}
		return holder.Fence, a.stopHanging(holder)
	case dead:
		return holder.Fence, nil
	case gone:
	}
	return 0, nil
}

// busyError says that a living executor carries the run out.
type busyError struct{ lease ripcord.Lease }

func (e *busyError) Error() string {
	return "process " + e.lease.Executor.ID + " on " + e.lease.Executor.Host + " carries this run out"
}

// plan returns the run's frozen plan.
func (a *App) plan(ctx context.Context, run ripcord.RunID) (*ripcord.Plan, error) {
	for e, err := range a.store.Entries(ctx, run, 0) {
		if err != nil {
			return nil, err
		}
		if e.Plan != nil {
			return e.Plan, nil
		}
	}
	return nil, ripcord.Errorf(ripcord.CodeNotFound, "run %s has no plan in the journal", run)
}

// attend brings the run to its end or next hold, whoever executes: a living
// executor is followed, else this process becomes the executor.
func (a *App) attend(ctx context.Context, run ripcord.RunID, l Listener) (*engine.State, error) {
	plan, err := a.plan(ctx, run)
	if err != nil {
		return nil, err
	}
	for {
		lease, err := a.acquire(ctx, run, false)
		if _, busy := errors.AsType[*busyError](err); busy {
			state, err := a.follow(ctx, run, l)
			if err != nil || state != nil {
				return state, err
			}
			continue // its executor died while we followed
		}
		if err != nil {
			return nil, err
		}
		return a.execute(ctx, lease, plan, nil, l)
	}
}

// ExecuteAsKeeper carries out one run in the background, for the keeper.
func (a *App) ExecuteAsKeeper(ctx context.Context, run ripcord.RunID) error {
	plan, err := a.plan(ctx, run)
	if err != nil {
		return err
	}
	if err := a.needKeyForward(ctx, run, ""); err != nil {
		return err
	}
	lease, err := a.acquire(ctx, run, true)
	if err != nil {
		return err
	}
	_, err = a.execute(ctx, lease, plan, nil, Listener{})
	return err
}
