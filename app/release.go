package app

import (
	"context"
	"errors"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// Begin says who starts a run and how.
type Begin struct {
	Who    string
	Reason string
	// Detach leaves the run to the keeper at once.
	Detach bool
}

// Release carries out a frozen plan. It returns the last state: an end, a hold,
// or, detached, the beginning.
func (a *App) Release(ctx context.Context, plan *ripcord.Plan, b Begin, l Listener) (*engine.State, error) {
	if len(plan.Reverts) == 0 { // undoing may need nothing that was kept
		if err := a.needKey(); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(present(plan), a.feasible(ctx, plan)); err != nil {
		return nil, err
	}
	if err := a.unowned(ctx, plan); err != nil {
		return nil, err
	}
	if err := a.answering(ctx, plan); err != nil {
		return nil, err
	}
	if err := a.pin(ctx, plan); err != nil {
		return nil, err
	}
	if text := warnOfEnvironment(plan); text != "" && b.Detach {
		a.options.warn(text)
	}
	lease, planned, err := a.begin(ctx, plan, b)
	if err != nil {
		return nil, err
	}
	if err := a.ensureKeeper(ctx, b.Detach); err != nil {
		if b.Detach {
			return nil, errors.Join(ripcord.Errorf(ripcord.CodeInterrupted, "run %s is planned, but no keeper could be started to carry it out: %w", lease.Run, err).
				WithFix("`ripcord recover --run %s` carries it out here", lease.Run), a.store.Release(ctx, lease))
		}
		a.options.warn("there is no keeper, so instances that end are not started again, and an interrupted run waits for `ripcord recover`: " + err.Error())
	}
	if !b.Detach {
		return a.execute(ctx, lease, plan, planned, l)
	}
	if err := a.store.Release(ctx, lease); err != nil {
		return nil, err
	}
	return a.State(ctx, lease.Run)
}

// begin plans the run: lock, lease and first entry, which is returned, in one
// transaction.
func (a *App) begin(ctx context.Context, plan *ripcord.Plan, b Begin) (ripcord.Lease, *ripcord.Entry, error) {
	if err := plan.Validate(); err != nil {
		return ripcord.Lease{}, nil, err
	}
	by, err := a.identify(false)
	if err != nil {
		return ripcord.Lease{}, nil, err
	}
	now := a.options.Now()
	planned := &ripcord.Entry{
		Version: ripcord.EntryVersion, Run: newRunID(now), At: now, Kind: ripcord.RunPlanned,
		Plan: plan, Who: b.Who, Reason: b.Reason, Executor: &ripcord.Executor{Host: by.Host, Keeper: b.Detach},
	}
	a.boundary.before()
	lease, err := a.store.Begin(ctx, *planned, by, leaseTTL)
	a.boundary.after()
	if code := ripcord.CodeOf(err); err != nil && (code == ripcord.CodeRefused || code == ripcord.CodeInterrupted) {
		return lease, planned, a.refused(ctx, plan, err)
	}
	return lease, planned, err
}

// refused tells a run that goes on from one whose executor is proved dead.
func (a *App) refused(ctx context.Context, plan *ripcord.Plan, refusal error) error {
	runs, err := a.store.Runs(ctx, ripcord.Filter{Application: plan.Application, Environment: plan.Environment, Unfinished: true})
	if err != nil || len(runs) == 0 {
		return refusal
	}
	r := runs[0]
	living, err := a.living(ctx, r.Run)
	switch {
	case err != nil || living:
		return refusal
	case r.State == ripcord.StateHeld:
		return ripcord.Errorf(ripcord.CodeRefused, "%s in %s belongs to run %s (version %s), which is held: %s", r.Application, r.Environment, r.Run, r.Version, r.Why).
			WithFix("end it first: `ripcord show --run %s` says how", r.Run)
	}
	return ripcord.Errorf(ripcord.CodeInterrupted, "run %s (version %s) of %s in %s was interrupted while it was %s: nothing new starts over a half-done release",
		r.Run, r.Version, r.Application, r.Environment, r.State).
		WithFix("`ripcord recover` goes on with it, `ripcord recover --rollback` brings it home")
}
