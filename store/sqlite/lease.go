package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Acquire gives the run's lease to by, with the next fence. See ripcord.Leases.
func (s *Store) Acquire(ctx context.Context, id ripcord.RunID, by ripcord.Executor, ttl time.Duration, gone uint64) (ripcord.Lease, error) {
	var lease ripcord.Lease
	err := s.write(ctx, func(ctx context.Context, t *transaction) error {
		now := s.options.Now()
		r, err := t.find(ctx, id)
		if err != nil {
			return err
		}
		held, ok, err := t.lease(ctx, id)
		if err != nil {
			return err
		}
		if ok && held.Fence != gone && held.Executor.ID != by.ID && held.Expires.After(now) {
			return ripcord.Errorf(ripcord.CodeRefused, "run %s is being carried out by process %d on %s; its lease ends in %s",
				id, held.Executor.PID, held.Executor.Host, held.Expires.Sub(now).Round(time.Second)).
				WithFix("control it from here (ripcord pause, abort, rollback), or wait until that process has ended")
		}
		r.fence++
		if err := t.exec(ctx, t.fenceIt, int64(r.fence), r.n); err != nil { //nolint:gosec // a counter
			return err
		}
		t.runs[id] = r
		lease = ripcord.Lease{Run: id, Executor: by, Fence: r.fence, Expires: now.Add(ttl).UTC()}
		return t.keepLease(ctx, lease, false)
	})
	if err != nil {
		return ripcord.Lease{}, err
	}
	return lease, nil
}

// Renew extends a lease. See ripcord.Leases.
func (s *Store) Renew(ctx context.Context, l ripcord.Lease, ttl time.Duration) (ripcord.Lease, error) {
	renewed := l
	err := s.write(ctx, func(ctx context.Context, t *transaction) error {
		held, ok, err := t.lease(ctx, l.Run)
		if err != nil {
			return err
		}
		if !ok || held.Fence != l.Fence {
			return ripcord.Errorf(ripcord.CodeRefused, "lease %d of run %s: %w", l.Fence, l.Run, ripcord.ErrFenced)
		}
		renewed.Expires = s.options.Now().Add(ttl).UTC()
		return t.keepLease(ctx, renewed, false)
	})
	if err != nil {
		return l, err
	}
	return renewed, nil
}

// Release ends a lease early. See ripcord.Leases.
func (s *Store) Release(ctx context.Context, l ripcord.Lease) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		held, ok, err := t.lease(ctx, l.Run)
		if err != nil || !ok || held.Fence != l.Fence {
			return err
		}
		return t.keepLease(ctx, held, true)
	})
}

// Holder returns the run's newest lease. See ripcord.Leases.
func (s *Store) Holder(ctx context.Context, id ripcord.RunID) (ripcord.Lease, bool, error) {
	row := s.readers.QueryRowContext(ctx, "SELECT fence, executor, expires, released FROM leases WHERE run = ?", string(id))
	l, ok, err := scanLease(id, row)
	return l, ok, s.explain("read a lease", err)
}

func (t *transaction) lease(ctx context.Context, id ripcord.RunID) (l ripcord.Lease, ok bool, err error) {
	return scanLease(id, t.getLease.QueryRowContext(ctx, string(id)))
}

func (t *transaction) keepLease(ctx context.Context, l ripcord.Lease, released bool) error {
	executor, err := json.Marshal(l.Executor)
	if err != nil {
		return err
	}
	return t.exec(ctx, t.putLease, string(l.Run), int64(l.Fence), string(executor), l.Expires.UnixNano(), released) //nolint:gosec // a counter
}

func scanLease(id ripcord.RunID, row *sql.Row) (l ripcord.Lease, ok bool, err error) {
	var executor []byte
	var expires int64
	var released bool
	l.Run = id
	err = row.Scan(&l.Fence, &executor, &expires, &released)
	if errors.Is(err, sql.ErrNoRows) {
		return ripcord.Lease{}, false, nil
	}
	if err != nil {
		return ripcord.Lease{}, false, err
	}
	if err := json.Unmarshal(executor, &l.Executor); err != nil {
		return ripcord.Lease{}, false, err
	}
	l.Expires = time.Unix(0, expires).UTC()
	return l, !released, nil
}
