// Package storetest is the contract of a ripcord.Store as tests. A store joins
// in a few lines:
//
//	storetest.Run(t, func(t *testing.T) storetest.Home {
//		dir := t.TempDir()
//		return func(t *testing.T, now func() time.Time) ripcord.Store { ... open dir ... }
//	})
package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Home opens one and the same journal, as often as it is called, also several
// times at once, as different processes would. Its leases expire by now.
type Home func(t *testing.T, now func() time.Time) ripcord.Store

// Run tests a store. newHome makes an empty home.
func Run(t *testing.T, newHome func(t *testing.T) Home) {
	t.Helper()
	for _, group := range []map[string]func(*testing.T, *bench){
		journalTests(), runTests(), leaseTests(), requestTests(), concurrencyTests(),
	} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, newBench(t, newHome(t)))
			})
		}
	}
}

// bench is what each test works on.
type bench struct {
	ripcord.Store
	home  Home
	clock *Clock
}

func newBench(t *testing.T, home Home) *bench {
	t.Helper()
	clock := NewClock()
	return &bench{Store: open(t, home, clock), home: home, clock: clock}
}

func open(t *testing.T, home Home, clock *Clock) ripcord.Store {
	t.Helper()
	s := home(t, clock.Now)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// again opens the same home once more.
func (b *bench) again(t *testing.T) ripcord.Store {
	t.Helper()
	return open(t, b.home, b.clock)
}

// Clock is a clock that tests move by hand.
type Clock struct {
	lock sync.Mutex
	now  time.Time
}

// NewClock returns a clock that stands at a time of its own.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.now = c.now.Add(d)
}

const ttl = 10 * time.Second

// Planned is a planned entry as tests use it.
func Planned(run ripcord.RunID, application, environment string, at time.Time) ripcord.Entry {
	return ripcord.Entry{
		Version: ripcord.EntryVersion, Run: run, At: at, Kind: ripcord.RunPlanned, Who: "ada",
		Plan: &ripcord.Plan{
			PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease,
			Application: application, Environment: environment, Version: "v-" + string(run), Parallel: 1,
		},
	}
}

// Somebody is an executor with this id.
func Somebody(id string) ripcord.Executor {
	return ripcord.Executor{ID: id, Host: "host-1", PID: 4711, Start: 99, Boot: "b007"}
}

func (b *bench) entry(run ripcord.RunID, fence uint64, kind ripcord.EntryKind) ripcord.Entry {
	return ripcord.Entry{Version: ripcord.EntryVersion, Run: run, Fence: fence, At: b.clock.Now(), Kind: kind}
}

// begin plans a run for "ada" and returns its lease.
func (b *bench) begin(ctx context.Context, t *testing.T, run ripcord.RunID, application, environment string) ripcord.Lease {
	t.Helper()
	lease, err := b.Begin(ctx, Planned(run, application, environment, b.clock.Now()), Somebody("ada"), ttl)
	if err != nil {
		t.Fatalf("begin %s: %v", run, err)
	}
	return lease
}

func (b *bench) append(ctx context.Context, t *testing.T, entries ...ripcord.Entry) {
	t.Helper()
	if err := b.Append(ctx, entries...); err != nil {
		t.Fatalf("append: %v", err)
	}
}

// all returns the run's entries after the one with number after.
func all(ctx context.Context, t *testing.T, s ripcord.Store, run ripcord.RunID, after uint64) []ripcord.Entry {
	t.Helper()
	var entries []ripcord.Entry
	for e, err := range s.Entries(ctx, run, after) {
		if err != nil {
			t.Fatalf("entries of %s: %v", run, err)
		}
		entries = append(entries, e)
	}
	return entries
}

// refused fails the test unless err has the code.
func refused(t *testing.T, err error, want ripcord.Code) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with code %q", want)
	}
	if got := ripcord.CodeOf(err); got != want {
		t.Fatalf("code %q, want %q: %v", got, want, err)
	}
}

// fenced fails the test unless err says that another took over.
func fenced(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ripcord.ErrFenced) {
		t.Fatalf("error %v, want ErrFenced", err)
	}
}
