package sqlite_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

// What a store remembers of a run is a guess: entries that another process
// appends in between, under the same lease, are never written over, and the chain
// stays whole.
func TestTwoStoresAppendInTurns(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	lease := s.release(t, "r1", "prod", ripcord.RunStarted)
	other := s.open(t, sqlite.Options{})
	for i := range 12 {
		store := s.Store
		if i%3 == 1 {
			store = other
		}
		e := ripcord.Entry{Run: "r1", Fence: lease.Fence, At: s.clock.Now(), Kind: ripcord.StepProgress, Step: "a", Data: []byte("1")}
		if err := store.Append(t.Context(), e, e); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	var last uint64
	for e, err := range s.Entries(t.Context(), "r1", 0) {
		if err != nil {
			t.Fatal(err)
		}
		last = e.Seq
	}
	summary, err := other.Run(t.Context(), "r1")
	if err != nil || last != 26 || summary.Entries != last {
		t.Fatalf("%d entries, the row says %d, %v", last, summary.Entries, err)
	}
	if report, err := s.Verify(t.Context(), "r1"); err != nil || len(report.Findings) > 0 {
		t.Fatalf("verify: %+v, %v", report, err)
	}
}

// A lease that went to another process is noticed by the very next append, also
// where that process has written nothing else.
func TestFencedByAnotherStore(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	lease := s.release(t, "r1", "prod", ripcord.RunStarted)
	other := s.open(t, sqlite.Options{})
	entry := ripcord.Entry{Run: "r1", Fence: lease.Fence, At: s.clock.Now(), Kind: ripcord.StepIntent, Step: "a", Attempt: 1}
	if err := s.Append(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Acquire(t.Context(), "r1", storetest.Somebody("bob"), time.Hour, lease.Fence); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), entry); !errors.Is(err, ripcord.ErrFenced) {
		t.Fatalf("a fenced append: %v", err)
	}
	// So does an end that another process has written.
	entry.Fence, entry.Kind = 2, ripcord.RunRolledBack
	if err := other.Append(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	entry.Kind = ripcord.RunStarted
	refused(t, s.Append(t.Context(), entry), ripcord.CodeRefused, "has ended")
}
