package memory

import (
	"context"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Acquire gives the run's lease to by, with the next fence. See ripcord.Leases.
func (s *Store) Acquire(_ context.Context, id ripcord.RunID, by ripcord.Executor, ttl time.Duration, gone uint64) (ripcord.Lease, error) {
	now := s.options.Now()
	s.lock.Lock()
	defer s.lock.Unlock()
	r, err := s.find(id)
	if err != nil {
		return ripcord.Lease{}, err
	}
	if !r.released && r.lease.Fence != gone && r.lease.Executor.ID != by.ID && r.lease.Expires.After(now) {
		return ripcord.Lease{}, ripcord.Errorf(ripcord.CodeRefused, "run %s is being carried out by process %d on %s",
			id, r.lease.Executor.PID, r.lease.Executor.Host)
	}
	r.lease = ripcord.Lease{Run: id, Executor: by, Fence: r.lease.Fence + 1, Expires: now.Add(ttl).UTC()}
	r.released = false
	return r.lease, nil
}

// Renew extends a lease. See ripcord.Leases.
func (s *Store) Renew(_ context.Context, l ripcord.Lease, ttl time.Duration) (ripcord.Lease, error) {
	now := s.options.Now()
	s.lock.Lock()
	defer s.lock.Unlock()
	r, err := s.find(l.Run)
	if err != nil || r.released || r.lease.Fence != l.Fence {
		return l, ripcord.Errorf(ripcord.CodeRefused, "lease %d of run %s: %w", l.Fence, l.Run, ripcord.ErrFenced)
	}
	r.lease.Expires = now.Add(ttl).UTC()
	return r.lease, nil
}

// Release ends a lease early. See ripcord.Leases.
func (s *Store) Release(_ context.Context, l ripcord.Lease) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if r, ok := s.runs[l.Run]; ok && r.lease.Fence == l.Fence {
		r.released = true
	}
	return nil
}

// Holder returns the run's newest lease. See ripcord.Leases.
func (s *Store) Holder(_ context.Context, id ripcord.RunID) (l ripcord.Lease, ok bool, err error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	r, ok := s.runs[id]
	if !ok {
		return ripcord.Lease{}, false, nil
	}
	return r.lease, !r.released, nil
}

// Ask keeps a request. See ripcord.Requests.
func (s *Store) Ask(_ context.Context, r ripcord.Request) (ripcord.Request, error) {
	now := s.options.Now()
	s.lock.Lock()
	defer s.lock.Unlock()
	owner, err := s.find(r.Run)
	if err != nil {
		return r, err
	}
	if r.At.IsZero() {
		r.At = now
	}
	s.requests++
	r.ID, r.At = s.requests, r.At.UTC()
	owner.requests = append(owner.requests, r)
	return r, nil
}

// Requests returns the run's requests with an ID above after. See
// ripcord.Requests.
func (s *Store) Requests(_ context.Context, id ripcord.RunID, after int64) ([]ripcord.Request, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	r, ok := s.runs[id]
	if !ok {
		return nil, nil
	}
	for i := range r.requests {
		if r.requests[i].ID > after {
			return append([]ripcord.Request(nil), r.requests[i:]...), nil
		}
	}
	return nil, nil
}
