// Package memory is a ripcord.Store that lives in the process and dies with it:
// for simulations and tests. It starts no goroutine and writes nothing to disk.
//
// Entries are handed out as they were handed in, so neither side may change what
// an entry points to.
package memory

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Options say how a store works.
type Options struct {
	// Now is the clock that leases expire by. It must be given.
	Now func() time.Time
	// StateID is what the store calls itself; empty is "memory".
	StateID string
	// Unsealed leaves out the hash chain, which takes most of the time of an
	// append. Entries then have no Prev and no Hash, and are not proved to have
	// a form as JSON.
	Unsealed bool
}

// Store keeps a journal in memory. All its methods may be called at once.
type Store struct {
	options Options

	lock     sync.Mutex
	runs     map[ripcord.RunID]*run
	order    []*run
	owners   map[place]*run
	good     map[place]ripcord.RunID
	requests int64
}

type place struct{ application, environment string }

type run struct {
	summary  ripcord.Summary
	entries  []ripcord.Entry
	requests []ripcord.Request
	lease    ripcord.Lease
	released bool
}

// The compiler sees to it that the contract is kept.
var _ ripcord.Store = (*Store)(nil)

// New returns an empty store.
func New(o Options) *Store {
	if o.StateID == "" {
		o.StateID = "memory"
	}
	return &Store{
		options: o, runs: map[ripcord.RunID]*run{}, owners: map[place]*run{}, good: map[place]ripcord.RunID{},
	}
}

// StateID identifies the store.
func (s *Store) StateID() string { return s.options.StateID }

// Close does nothing: what is in memory stays, so that a simulated process can
// open the store again.
func (s *Store) Close() error { return nil }

// find returns a run. The lock is held.
func (s *Store) find(id ripcord.RunID) (*run, error) {
	if r, ok := s.runs[id]; ok {
		return r, nil
	}
	return nil, ripcord.Errorf(ripcord.CodeNotFound, "there is no run %s", id)
}

// Append adds the entries, all or none. See ripcord.Journal.
func (s *Store) Append(ctx context.Context, entries ...ripcord.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	for i := range entries {
		if entries[i].Run != entries[0].Run {
			return ripcord.Errorf(ripcord.CodeInternal, "entries of the runs %s and %s in one append", entries[0].Run, entries[i].Run)
		}
		if entries[i].Kind == ripcord.RunPlanned {
			return ripcord.Errorf(ripcord.CodeInternal, "run %s: only Begin plans a run", entries[i].Run)
		}
	}
	r, err := s.find(entries[0].Run)
	if err != nil {
		return err
	}
	for i := range entries {
		if err := s.admit(r, &entries[i]); err != nil {
			return err
		}
	}
	return s.add(r, entries)
}

// admit refuses late writers, entries that would open an ended run again, and
// commits of a release that is not of this environment.
func (s *Store) admit(r *run, e *ripcord.Entry) error {
	if e.Fence < r.lease.Fence {
		return ripcord.Errorf(ripcord.CodeRefused, "run %s, fence %d (the newest is %d): %w", e.Run, e.Fence, r.lease.Fence, ripcord.ErrFenced)
	}
	if e.Fence > r.lease.Fence {
		return ripcord.Errorf(ripcord.CodeInternal, "run %s: fence %d was never given out, the newest is %d", e.Run, e.Fence, r.lease.Fence)
	}
	if state, ok := e.RunState(); ok && r.summary.State.Ended() && !state.Ended() {
		return ripcord.Errorf(ripcord.CodeRefused, "run %s has ended (%s); %s cannot follow", e.Run, r.summary.State, e.Kind)
	}
	if e.Kind != ripcord.RunCommitted || e.LastGood == "" || e.LastGood == e.Run {
		return nil
	}
	good, err := s.find(e.LastGood)
	if err == nil && good.place() != r.place() {
		err = ripcord.Errorf(ripcord.CodeInternal, "run %s is not of %s in %s and cannot be last good there",
			e.LastGood, r.summary.Application, r.summary.Environment)
	}
	return err
}

func (r *run) place() place { return place{r.summary.Application, r.summary.Environment} }

// add seals the entries and only then makes them visible.
func (s *Store) add(r *run, entries []ripcord.Entry) error {
	next, chain := r.summary, r.entries
	for i := range entries {
		e := entries[i]
		if e.Version == 0 {
			e.Version = ripcord.EntryVersion
		}
		if next.State.Ended() {
			if state, ok := e.RunState(); ok && !state.Ended() {
				return ripcord.Errorf(ripcord.CodeRefused, "run %s has ended (%s); %s cannot follow", e.Run, next.State, e.Kind)
			}
		}
		sealed, err := s.seal(e, next.Entries+1, next.Head)
		if err != nil {
			return ripcord.Errorf(ripcord.CodeInternal, "run %s: %w", e.Run, err)
		}
		chain = append(chain, sealed)
		next.Apply(sealed)
	}
	r.summary, r.entries = next, chain
	for i := range entries {
		s.setGood(r, &entries[i])
	}
	if next.State.Ended() && s.owners[r.place()] == r {
		delete(s.owners, r.place())
	}
	return nil
}

func (s *Store) seal(e ripcord.Entry, seq uint64, prev string) (ripcord.Entry, error) {
	if s.options.Unsealed {
		e.Seq, e.Prev, e.Hash, e.At = seq, "", "", e.At.UTC()
		return e, nil
	}
	return ripcord.Seal(e, seq, prev)
}

func (s *Store) setGood(r *run, e *ripcord.Entry) {
	switch {
	case e.Kind != ripcord.RunCommitted:
	case e.LastGood != "":
		s.good[r.place()] = e.LastGood
	case r.summary.Purpose == ripcord.PurposeRollback:
		delete(s.good, r.place())
	}
}

// Entries yields the run's entries with Seq > after. See ripcord.Journal.
func (s *Store) Entries(_ context.Context, id ripcord.RunID, after uint64) iter.Seq2[ripcord.Entry, error] {
	return func(yield func(ripcord.Entry, error) bool) {
		for next := after; ; next++ {
			e, ok, err := s.entry(id, next)
			if err != nil {
				yield(e, err)
				return
			}
			if !ok || !yield(e, nil) {
				return
			}
		}
	}
}

// entry returns the run's entry at an index. The lock is not held while a reader
// works on it, so it may append.
func (s *Store) entry(id ripcord.RunID, index uint64) (e ripcord.Entry, ok bool, err error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	r, err := s.find(id)
	if err != nil || index >= uint64(len(r.entries)) {
		return ripcord.Entry{}, false, err
	}
	return r.entries[index], true, nil
}
