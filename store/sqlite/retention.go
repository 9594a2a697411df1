package sqlite

import (
	"context"
	"database/sql"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// rowsOf is what rows are read from: a transaction's connection, or the readers.
type rowsOf interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// keeping says for each run of a place, newest first, whether it stays.
type keeping func(all []run) []bool

// newest keeps the newest runs, whatever they are.
func newest(keep int) keeping {
	return func(all []run) []bool {
		kept := make([]bool, len(all))
		for i := range min(keep, len(all)) {
			kept[i] = true
		}
		return kept
	}
}

// releases keeps the newest committed runs, and as many of those that were not
// committed, so that failures push no release out.
func releases(keep int) keeping {
	return func(all []run) []bool {
		kept := make([]bool, len(all))
		seen := map[bool]int{}
		for i := range all {
			committed := all[i].summary.Committed
			if !all[i].ended { // it stays, and pushes nothing out
				kept[i] = true
				continue
			}
			kept[i] = seen[committed] < keep
			seen[committed]++
		}
		return kept
	}
}

// Retain prunes one application and environment as Prune does, but counts
// committed runs and others apart: of each the newest keep stay.
func (s *Store) Retain(ctx context.Context, application, environment string, keep int) (PruneReport, error) {
	if keep < 1 {
		return PruneReport{}, ripcord.Errorf(ripcord.CodePlan, "at least 1 release must be kept, not %d", keep)
	}
	var report PruneReport
	var err error
	if report.Runs, err = s.prunePlace(ctx, place{application, environment}, releases(keep)); err != nil {
		return report, err
	}
	report.Blobs, err = s.ids(ctx, "SELECT id FROM runs WHERE pruned IS NOT NULL AND blobs_gone = 0 ORDER BY n")
	return report, err
}

// Surplus reports whether Retain would find something to prune, or to delete
// after an earlier one that was interrupted. It reads only.
func (s *Store) Surplus(ctx context.Context, application, environment string, keep int) (bool, error) {
	p := place{application, environment}
	all, err := history(ctx, s.readers, p)
	if err != nil {
		return false, s.explain("retention", err)
	}
	good, err := lastGood(ctx, s.readers, p)
	if err != nil {
		return false, s.explain("retention", err)
	}
	left, err := s.ids(ctx, "SELECT id FROM runs WHERE pruned IS NOT NULL AND blobs_gone = 0 LIMIT 1")
	return len(left) > 0 || len(victims(all, good, releases(keep))) > 0, err
}

// victims returns the oldest runs that may be pruned.
func victims(all []run, good ripcord.RunID, keeps keeping) []*run {
	kept := keeps(all)
	stands := standing(all)
	needed := map[ripcord.RunID]bool{good: true, beneath(stands, good): true}
	for i := range all {
		if r := &all[i]; kept[i] && r.summary.Committed { // what its way back leads to
			needed[beneath(stands, r.summary.Run)] = true
		}
	}
	for i := range all {
		r := &all[i]
		if !kept[i] && r.ended && !needed[r.summary.Run] {
			continue
		}
		for _, id := range r.summary.Reverts { // a rollback's state is folded from what it takes back
			needed[id] = true
		}
		if !r.ended || r.summary.Run == good { // an earlier plan that is executed again
			needed[r.summary.Returns] = true
		}
	}
	var found []*run
	for i := range slices.Backward(all) {
		if !kept[i] && len(found) < pruneBatch && all[i].ended && !needed[all[i].summary.Run] {
			found = append(found, &all[i])
		}
	}
	return found
}

// beneath returns the release that comes back when the named one is taken back.
func beneath(stands []ripcord.RunID, id ripcord.RunID) ripcord.RunID {
	if i := slices.Index(stands, id); i >= 0 && i+1 < len(stands) {
		return stands[i+1]
	}
	return ""
}

// standing returns the committed runs that no later one took back, newest first.
// One that executed an earlier plan again took back all that lay between.
func standing(all []run) []ripcord.RunID {
	reverted := map[ripcord.RunID]bool{}
	var until ripcord.RunID
	var stands []ripcord.RunID
	for i := range all {
		r := &all[i].summary
		if !r.Committed {
			continue
		}
		for _, id := range r.Reverts {
			reverted[id] = true
		}
		switch {
		case until != "":
			if r.Run == until {
				until = r.Returns
			}
		case len(r.Reverts) > 0 || reverted[r.Run]:
		default:
			stands = append(stands, r.Run)
			if r.Purpose == ripcord.PurposeRollback {
				until = r.Returns
			}
		}
	}
	return stands
}
