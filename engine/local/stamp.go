package local

import (
	"context"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// foreign says why the step's target may not be touched: another state
// directory changed it last.
func (t *task) foreign(ctx context.Context, step ripcord.Step) *ripcord.Failure {
	stamper, ok := step.(ripcord.Stamper)
	if !ok || t.StateID == "" {
		return nil
	}
	stamp, err := stamper.Stamp(ctx)
	if err != nil {
		return &ripcord.Failure{Class: ripcord.FailedCheck, Summary: fmt.Sprintf("reading the stamp of step %s's target: %v", t.id, err)}
	}
	if stamp == nil || stamp.State == t.StateID {
		return nil
	}
	return &ripcord.Failure{
		Class: ripcord.FailedTarget, Final: true,
		Summary: fmt.Sprintf("the target of step %s belongs to another state directory (%s, run %s): "+
			"use that one with --state-dir, or take the target over with `ripcord adopt --take-over --reason ...`", t.id, stamp.State, stamp.Run),
	}
}

// stamp marks the target as ours, before the effect.
func (t *task) stamp(ctx context.Context, step ripcord.Step) error {
	stamper, ok := step.(ripcord.Stamper)
	if !ok || t.StateID == "" {
		return nil
	}
	return stamper.SetStamp(ctx, ripcord.Stamp{State: t.StateID, Run: t.run, Fence: t.Lease.Fence})
}
