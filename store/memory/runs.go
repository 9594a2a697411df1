package memory

import (
	"context"
	"slices"
	"strings"
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
	if err := ctx.Err(); err != nil {
		return ripcord.Lease{}, err
	}
	now := s.options.Now()
	s.lock.Lock()
	defer s.lock.Unlock()
	where := place{planned.Plan.Application, planned.Plan.Environment}
	if err := s.free(where, now); err != nil {
		return ripcord.Lease{}, err
	}
	if _, ok := s.runs[planned.Run]; ok {
		return ripcord.Lease{}, ripcord.Errorf(ripcord.CodeInternal, "there is already a run %s", planned.Run)
	}
	planned.Fence = 1
	r := &run{lease: ripcord.Lease{Run: planned.Run, Executor: by, Fence: 1, Expires: now.Add(ttl).UTC()}}
	if err := s.add(r, []ripcord.Entry{planned}); err != nil {
		return ripcord.Lease{}, err
	}
	s.runs[planned.Run], s.owners[where], s.order = r, r, append(s.order, r)
	return r.lease, nil
}

// free refuses a place that belongs to an unfinished run. The lock is held.
func (s *Store) free(where place, now time.Time) error {
	owner, ok := s.owners[where]
	if !ok {
		return nil
	}
	if !owner.released && owner.lease.Expires.After(now) {
		return ripcord.Errorf(ripcord.CodeRefused, "%s in %s belongs to run %s (%s), which has not ended",
			where.application, where.environment, owner.summary.Run, owner.summary.State)
	}
	return ripcord.Errorf(ripcord.CodeInterrupted, "%s in %s belongs to run %s (%s), which was interrupted",
		where.application, where.environment, owner.summary.Run, owner.summary.State)
}

// Run returns one run by its id or a unique prefix of it. See ripcord.Runs.
func (s *Store) Run(_ context.Context, id ripcord.RunID) (ripcord.Summary, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if r, ok := s.runs[id]; ok {
		return r.copied(), nil
	}
	var found *run
	for _, r := range s.order {
		if id == "" || !strings.HasPrefix(string(r.summary.Run), string(id)) {
			continue
		}
		if found != nil {
			return ripcord.Summary{}, ripcord.Errorf(ripcord.CodePlan, "several runs begin with %s: %s, %s", id, found.summary.Run, r.summary.Run)
		}
		found = r
	}
	if found == nil {
		return ripcord.Summary{}, ripcord.Errorf(ripcord.CodeNotFound, "there is no run %s", id)
	}
	return found.copied(), nil
}

// copied is the summary with slices of its own: those of the run still grow.
func (r *run) copied() ripcord.Summary {
	summary := r.summary
	summary.Unverified, summary.Left = slices.Clip(summary.Unverified), slices.Clip(summary.Left)
	return summary
}

// Runs returns runs, newest first. See ripcord.Runs.
func (s *Store) Runs(_ context.Context, f ripcord.Filter) ([]ripcord.Summary, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	var found []ripcord.Summary
	for _, r := range slices.Backward(s.order) {
		if f.Application != "" && f.Application != r.summary.Application ||
			f.Environment != "" && f.Environment != r.summary.Environment ||
			f.Unfinished && r.summary.State.Ended() {
			continue
		}
		if found = append(found, r.copied()); len(found) == f.Limit {
			break
		}
	}
	return found, nil
}

// LastGood returns the environment's last good release. See ripcord.Runs.
func (s *Store) LastGood(_ context.Context, application, environment string) (ripcord.Summary, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	id, ok := s.good[place{application, environment}]
	if !ok {
		return ripcord.Summary{}, ripcord.Errorf(ripcord.CodeNotFound, "%s in %s has no last good release", application, environment)
	}
	r, err := s.find(id)
	if err != nil {
		return ripcord.Summary{}, err
	}
	return r.copied(), nil
}
