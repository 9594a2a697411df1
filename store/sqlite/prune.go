package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/ripcord-dev/ripcord"
)

// PruneReport is what Prune did.
type PruneReport struct {
	// Runs lists the runs whose entries were deleted now.
	Runs []ripcord.RunID
	// Blobs lists all pruned runs whose blobs have not been reported as deleted
	// with BlobsGone, also those of an earlier Prune that was interrupted.
	Blobs []ripcord.RunID
}

// Prune deletes the entries and requests of ended runs beyond the newest keep of
// each application and environment. Never pruned are unfinished runs, the last
// good release, and the release that would be last good without it. The run's
// row stays as a checkpoint: its summary, how many entries it had, and the hash
// of the last.
func (s *Store) Prune(ctx context.Context, keep int) (PruneReport, error) {
	if keep < 1 {
		return PruneReport{}, ripcord.Errorf(ripcord.CodePlan, "at least 1 run must be kept, not %d", keep)
	}
	places, err := s.places(ctx)
	if err != nil {
		return PruneReport{}, err
	}
	var report PruneReport
	for _, p := range places {
		pruned, err := s.prunePlace(ctx, p, newest(keep))
		report.Runs = append(report.Runs, pruned...)
		if err != nil {
			return report, err
		}
	}
	report.Blobs, err = s.ids(ctx, "SELECT id FROM runs WHERE pruned IS NOT NULL AND blobs_gone = 0 ORDER BY n")
	return report, err
}

// BlobsGone notes that the blobs of pruned runs were deleted.
func (s *Store) BlobsGone(ctx context.Context, runs ...ripcord.RunID) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		for _, id := range runs {
			if err := t.execText(ctx, "UPDATE runs SET blobs_gone = 1 WHERE id = ? AND pruned IS NOT NULL", string(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

type place struct{ application, environment string }

func (s *Store) places(ctx context.Context) ([]place, error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT DISTINCT application, environment FROM runs")
	if err != nil {
		return nil, s.explain("prune", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var places []place
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.application, &p.environment); err != nil {
			return nil, s.explain("prune", err)
		}
		places = append(places, p)
	}
	return places, s.explain("prune", rows.Err())
}

// prunePlace prunes all that may be, batch by batch.
func (s *Store) prunePlace(ctx context.Context, p place, kept keeping) (all []ripcord.RunID, err error) {
	for {
		pruned, err := s.pruneSome(ctx, p, kept)
		all = append(all, pruned...)
		if err != nil || len(pruned) == 0 {
			return all, err
		}
	}
}

// pruneSome prunes the oldest runs that may be, a few in each transaction, so that
// releases going on in the meantime hardly wait.
func (s *Store) pruneSome(ctx context.Context, p place, kept keeping) (pruned []ripcord.RunID, err error) {
	err = s.write(ctx, func(ctx context.Context, t *transaction) error {
		pruned = nil
		all, err := history(ctx, t.conn, p)
		if err != nil {
			return err
		}
		good, err := lastGood(ctx, t.conn, p)
		if err != nil {
			return err
		}
		for _, r := range victims(all, good, kept) {
			if err := t.prune(ctx, r, s.options.Now().Unix()); err != nil {
				return err
			}
			pruned = append(pruned, r.summary.Run)
		}
		return nil
	})
	return pruned, err
}

// history returns the place's runs that still have entries, newest first.
func history(ctx context.Context, from rowsOf, p place) ([]run, error) {
	rows, err := from.QueryContext(ctx, "SELECT n, fence, ended, summary FROM runs WHERE application = ? AND environment = ? AND pruned IS NULL ORDER BY n DESC",
		p.application, p.environment)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var all []run
	for rows.Next() {
		var r run
		var text sql.RawBytes
		if err := rows.Scan(&r.n, &r.fence, &r.ended, &text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &r.summary); err != nil {
			return nil, ripcord.Errorf(ripcord.CodeInternal, "a row of the journal's runs is damaged: %w", err).
				WithFix("look at it with: ripcord journal verify")
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func lastGood(ctx context.Context, from rowsOf, p place) (ripcord.RunID, error) {
	var id ripcord.RunID
	err := from.QueryRowContext(ctx, "SELECT coalesce((SELECT run FROM last_good WHERE application = ? AND environment = ?), '')",
		p.application, p.environment).Scan(&id)
	return id, err
}

// pruneBatch is how many runs are pruned in one transaction.
const pruneBatch = 50

func (t *transaction) prune(ctx context.Context, r *run, now int64) error {
	if err := t.execText(ctx, "DELETE FROM appends WHERE run = ?", r.n); err != nil {
		return err
	}
	if err := t.execText(ctx, "DELETE FROM requests WHERE run = ?", string(r.summary.Run)); err != nil {
		return err
	}
	if err := t.execText(ctx, "DELETE FROM leases WHERE run = ?", string(r.summary.Run)); err != nil {
		return err
	}
	t.forget(r.summary.Run)
	return t.execText(ctx, "UPDATE runs SET pruned = ? WHERE n = ?", now, r.n)
}

func (s *Store) ids(ctx context.Context, query string) ([]ripcord.RunID, error) {
	rows, err := s.readers.QueryContext(ctx, query)
	if err != nil {
		return nil, s.explain("prune", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var ids []ripcord.RunID
	for rows.Next() {
		var id ripcord.RunID
		if err := rows.Scan(&id); err != nil {
			return nil, s.explain("prune", err)
		}
		ids = append(ids, id)
	}
	return ids, s.explain("prune", rows.Err())
}
