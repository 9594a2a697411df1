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
	adopted := *plan
	adopted.Purpose = ripcord.PurposeAdopt
	lease, err := a.begin(ctx, &adopted, b)
	if err != nil {
		return nil, err
	}
	entries := []ripcord.Entry{
		{Kind: ripcord.RunAttached, Executor: &lease.Executor},
		{Kind: ripcord.RunBundled},
		{Kind: ripcord.RunStarted},
	}
	for i := range adopted.Steps {
		entry, err := a.adoptStep(ctx, &adopted, &adopted.Steps[i], lease, takeOver)
		if err != nil {
			return nil, a.giveUp(ctx, lease, b, err)
		}
		entries = append(entries, entry)
	}
	entries = append(entries,
		ripcord.Entry{Kind: ripcord.RunCommitted, LastGood: lease.Run, Who: b.Who, Reason: b.Reason},
		ripcord.Entry{Kind: ripcord.RunSucceeded})
	if err := a.store.Append(ctx, a.sign(lease, entries)...); err != nil {
		return nil, err
	}
	return a.State(ctx, lease.Run)
}

// adoptStep looks at one step; what it sees is recorded as found, because it is
// not ours.
func (a *App) adoptStep(ctx context.Context, plan *ripcord.Plan, spec *ripcord.StepSpec, lease ripcord.Lease, takeOver bool) (ripcord.Entry, error) {
	e := ripcord.Entry{Kind: ripcord.StepSkipped, Step: spec.ID, Reason: "nothing to look at when adopting"}
	if !spec.Traits.Checkable || spec.Traits.Reversal.Way == ripcord.WayNothing || spec.Skip != "" {
		return e, nil
	}
	step, err := a.open(ctx, plan, *spec)
	if err != nil {
		return e, err
	}
	if stamper, ok := step.(ripcord.Stamper); ok && takeOver {
		if err := stamper.SetStamp(ctx, ripcord.Stamp{State: a.store.StateID(), Run: lease.Run, Fence: lease.Fence}); err != nil {
			return e, fmt.Errorf("taking over the target of step %s: %w", spec.ID, err)
		}
	}
	o, err := step.Check(ctx)
	if err != nil {
		o = ripcord.Observation{Presence: ripcord.Unknown, Detail: err.Error()}
	}
	seen := &ripcord.Sighting{Presence: o.Presence, Exact: o.Exact, Detail: o.Detail}
	if len(o.Image) > 0 {
		seen.Digest = a.blobs.Digest(o.Image)
	}
	return ripcord.Entry{Kind: ripcord.StepFound, Step: spec.ID, Seen: seen}, nil
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
