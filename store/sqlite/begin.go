package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Begin plans a run. See ripcord.Runs.
func (s *Store) Begin(ctx context.Context, planned ripcord.Entry, by ripcord.Executor, ttl time.Duration) (ripcord.Lease, error) {
	switch {
	case planned.Kind != ripcord.RunPlanned || planned.Plan == nil:
		return ripcord.Lease{}, ripcord.Errorf(ripcord.CodeInternal, "a run begins with its plan, not with %q", planned.Kind)
	case planned.Run == "":
		return ripcord.Lease{}, ripcord.Errorf(ripcord.CodeInternal, "a run needs an id")
	case planned.Plan.Application == "" || planned.Plan.Environment == "":
		return ripcord.Lease{}, ripcord.Errorf(ripcord.CodePlan, "the plan names no application or environment")
	}
	planned.Fence = 1
	lease := ripcord.Lease{Run: planned.Run, Executor: by, Fence: 1, Expires: s.options.Now().Add(ttl).UTC()}
	a := addition{entries: []ripcord.Entry{planned}}
	if err := a.extend(run{fence: planned.Fence}); err != nil {
		return ripcord.Lease{}, err
	}
	err := s.write(ctx, func(ctx context.Context, t *transaction) error { return t.plan(ctx, &a, lease, s.options.Now()) })
	if err != nil {
		return ripcord.Lease{}, err
	}
	s.known.put(a.next)
	return lease, nil
}

func (t *transaction) plan(ctx context.Context, a *addition, lease ripcord.Lease, now time.Time) error {
	planned := &a.entries[0]
	if err := t.free(ctx, planned.Plan, now); err != nil {
		return err
	}
	switch _, err := t.find(ctx, planned.Run); {
	case err == nil:
		return ripcord.Errorf(ripcord.CodeInternal, "there is already a run %s", planned.Run)
	case ripcord.CodeOf(err) != ripcord.CodeNotFound:
		return err
	}
	t.writes++
	result, err := t.insertRun.ExecContext(ctx, string(planned.Run), planned.Plan.Application, planned.Plan.Environment, a.row)
	if err != nil {
		return err
	}
	if a.next.n, err = result.LastInsertId(); err != nil {
		return err
	}
	if err := t.storeEntries(ctx, a); err != nil {
		return err
	}
	return t.keepLease(ctx, lease, false)
}

// free refuses an environment that belongs to an unfinished run.
func (t *transaction) free(ctx context.Context, p *ripcord.Plan, now time.Time) error {
	var id string
	err := t.selectOwner.QueryRowContext(ctx, p.Application, p.Environment).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	owner, err := t.find(ctx, ripcord.RunID(id))
	if err != nil {
		return err
	}
	lease, ok, err := t.lease(ctx, owner.summary.Run)
	if err != nil {
		return err
	}
	if ok && lease.Expires.After(now) {
		return ripcord.Errorf(ripcord.CodeRefused, "%s in %s belongs to run %s (%s), which has not ended; process %d on %s carries it out",
			p.Application, p.Environment, id, owner.summary.State, lease.Executor.PID, lease.Executor.Host).
			WithFix("wait for its end, or take it back with: ripcord abort %s", id)
	}
	return ripcord.Errorf(ripcord.CodeInterrupted, "%s in %s belongs to run %s (%s), which was interrupted: nothing carries it out any more",
		p.Application, p.Environment, id, owner.summary.State).
		WithFix("go on with it: ripcord recover %s, or bring it home: ripcord recover %s --rollback", id, id)
}
