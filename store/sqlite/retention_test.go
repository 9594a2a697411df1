package sqlite_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

// TestRetain: failures push no release out, other environments are left alone,
// and what the oldest kept release would return to stays.
func TestRetain(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for _, id := range []ripcord.RunID{"r1", "r2", "r3", "r4"} {
		s.release(t, id, "prod", ripcord.RunStarted, ripcord.RunCommitted, ended)
		s.release(t, "other-"+id, "staging", ripcord.RunStarted, ripcord.RunCommitted, ended)
	}
	for _, id := range []ripcord.RunID{"f1", "f2", "f3"} {
		s.release(t, id, "prod", ripcord.RunStarted, ripcord.RunRolledBack)
	}
	retain(t, s, 2, "r1", "f1") // r2 is beneath r3
	retain(t, s, 2)
	s.release(t, "held", "prod", ripcord.RunStarted, ripcord.RunHeld)
	retain(t, s, 1, "r2", "f2") // what has not ended stays, and pushes nothing out
	if checked := verify(t, s.Store, ""); !checked.OK() || checked.Pruned != 4 {
		t.Fatalf("report %+v", checked)
	}
}

// TestRetainAfterAgain: an earlier plan that was executed again stands on what
// lay beneath that release, which stays as long as it may be needed.
func TestRetainAfterAgain(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for _, id := range []ripcord.RunID{"r1", "r2", "r3", "r4"} {
		s.release(t, id, "prod", ripcord.RunStarted, ripcord.RunCommitted, ended)
	}
	again := storetest.Planned("again", "shop", "prod", s.clock.Now())
	again.Plan.Purpose, again.Plan.From, again.Plan.Returns = ripcord.PurposeRollback, "r2", "r2"
	s.begin(t, again, ripcord.RunStarted, ripcord.RunCommitted, ended)
	retain(t, s, 1, "r3", "r4")
}

func retain(t *testing.T, s *stand, keep int, want ...ripcord.RunID) {
	t.Helper()
	surplus, err := s.Surplus(t.Context(), "shop", "prod", keep)
	if err != nil || surplus != (len(want) > 0) {
		t.Fatalf("surplus %v, %v", surplus, err)
	}
	report, err := s.Retain(t.Context(), "shop", "prod", keep)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sqlite.PruneReport{Runs: want, Blobs: want}, report); diff != "" {
		t.Fatalf("pruned (-want +got):\n%s", diff)
	}
	if err := s.BlobsGone(t.Context(), report.Blobs...); err != nil {
		t.Fatal(err)
	}
}
