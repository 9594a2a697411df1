package app

import (
	"path/filepath"
	"testing"
	"time"
)

// TestClockJump: an executor whose lease seems to have expired, because the clock
// jumped, is not taken for one that hangs when it renews the lease.
func TestClockJump(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	lease, err := a.begin(t.Context(), load(t, a, filepath.Join(t.TempDir(), "made")), Begin{Who: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	a.options.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if got := a.lifeOf(lease); got != hanging {
		t.Fatalf("after the jump the executor is %s", got)
	}
	waiting, answer := make(chan struct{}), make(chan bool, 1)
	go func() {
		close(waiting)
		renewed, err := a.renewed(t.Context(), lease)
		answer <- renewed && err == nil
	}()
	<-waiting
	if _, err := a.store.Renew(t.Context(), lease, leaseTTL); err != nil {
		t.Fatal(err)
	}
	if !<-answer {
		t.Error("its renewal was not seen")
	}
}
