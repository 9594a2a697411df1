package app

import (
	"context"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// Adopt records what runs today as last good, without any effect: each step's
// Check says what is there. With takeOver, targets that carry the stamp of
// another state directory are stamped as ours.
func (a *App) Adopt(ctx context.Context, plan *ripcord.Plan, b Begin, takeOver bool) (*engine.State, error) {
	if err := a.needKey(); err != nil {
		return nil, err
	}
	adopted := *plan
	adopted.Purpose = ripcord.PurposeAdopt
	steps := make([]ripcord.Step, len(adopted.Steps))
	seen := make([]ripcord.Entry, len(adopted.Steps))
	for i := range adopted.Steps { // looking needs no lock, and may take longer than a lease lasts
		var err error
		if steps[i], seen[i], err = a.adoptStep(ctx, &adopted, &adopted.Steps[i]); err != nil {
			return nil, err
		}
	}
	lease, _, err := a.begin(ctx, &adopted, b)
	if err != nil {
		return nil, err
	}
	if takeOver {
		if err := a.takeOver(ctx, lease, &adopted, steps); err != nil {
			return nil, a.giveUp(ctx, lease, b, err)
		}
	}
	entries := []ripcord.Entry{
		{Kind: ripcord.RunAttached, Executor: &lease.Executor},
		{Kind: ripcord.RunBundled},
		{Kind: ripcord.RunStarted},
	}
	entries = append(append(entries, seen...),
		ripcord.Entry{Kind: ripcord.RunCommitted, LastGood: lease.Run, Who: b.Who, Reason: b.Reason},
		ripcord.Entry{Kind: ripcord.RunSucceeded})
	if err := a.store.Append(ctx, a.sign(lease, entries)...); err != nil {
		return nil, err
	}
	a.ended(plan)
	return a.State(ctx, lease.Run)
}

// takeOver stamps the targets of the steps as ours.
func (a *App) takeOver(ctx context.Context, lease ripcord.Lease, plan *ripcord.Plan, steps []ripcord.Step) error {
	for i, step := range steps {
		stamper, ok := step.(ripcord.Stamper)
		if !ok {
			continue
		}
		if err := stamper.SetStamp(ctx, ripcord.Stamp{State: a.store.StateID(), Run: lease.Run, Fence: lease.Fence}); err != nil {
			return fmt.Errorf("taking over the target of step %s: %w", plan.Steps[i].ID, err)
		}
	}
	return nil
}

// adoptStep looks at one step; what it sees is recorded as found, because it is
// not ours. The step is nil where there is nothing to look at.
func (a *App) adoptStep(ctx context.Context, plan *ripcord.Plan, spec *ripcord.StepSpec) (ripcord.Step, ripcord.Entry, error) {
	e := ripcord.Entry{Kind: ripcord.StepSkipped, Step: spec.ID, Reason: "nothing to look at when adopting"}
	if !spec.Traits.Checkable || spec.Traits.Reversal.Way == ripcord.WayNothing || spec.Skip != "" {
		return nil, e, nil
	}
	step, err := a.open(ctx, plan, *spec)
	if err != nil {
		return nil, e, err
	}
	o, err := step.Check(ctx)
	if ctx.Err() != nil {
		return nil, e, context.Cause(ctx)
	}
	if err != nil {
		o = ripcord.Observation{Presence: ripcord.Unknown, Detail: err.Error()}
	}
	seen := &ripcord.Sighting{Presence: o.Presence, Exact: o.Exact, Detail: o.Detail}
	if len(o.Image) > 0 {
		seen.Digest = a.blobs.Digest(o.Image)
	}
	return step, ripcord.Entry{Kind: ripcord.StepFound, Step: spec.ID, Seen: seen}, nil
}

// abandonAdoption ends an adoption that was interrupted. It never executes its
// plan: adopting has no effect, whoever goes on with it.
func (a *App) abandonAdoption(ctx context.Context, lease ripcord.Lease) (*engine.State, error) {
	entries := a.sign(lease, []ripcord.Entry{{Kind: ripcord.RunClosed, Who: "ripcord", Reason: "adopting was interrupted before anything was recorded; nothing was changed"}})
	if err := a.store.Append(ctx, entries...); err != nil {
		return nil, err
	}
	return a.State(ctx, lease.Run)
}

// giveUp ends a run that never had an effect, and returns why.
func (a *App) giveUp(ctx context.Context, lease ripcord.Lease, b Begin, why error) error {
	entries := a.sign(lease, []ripcord.Entry{{Kind: ripcord.RunClosed, Who: b.Who, Reason: why.Error()}})
	if err := a.store.Append(ctx, entries...); err != nil {
		return fmt.Errorf("%w (and the run could not be closed: %w)", why, err)
	}
	return why
}

// sign gives entries what the journal demands of each.
func (a *App) sign(lease ripcord.Lease, entries []ripcord.Entry) []ripcord.Entry {
	now := a.options.Now()
	for i := range entries {
		entries[i].Version, entries[i].Run, entries[i].Fence, entries[i].At = ripcord.EntryVersion, lease.Run, lease.Fence, now
	}
	return entries
}
