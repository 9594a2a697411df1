package app

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// TestClockJump: an executor whose lease seems to have expired, because the clock
// jumped, is not taken for one that hangs when it renews the lease.
func TestClockJump(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	lease, _, err := a.begin(t.Context(), load(t, a, filepath.Join(t.TempDir(), "made")), Begin{Who: "ann"})
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

// TestOtherNamespace: an executor in another container, whose pid means nothing
// here, lives until its lease has expired; then it is not hunted by that pid.
func TestOtherNamespace(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	lease, _, err := a.begin(t.Context(), load(t, a, filepath.Join(t.TempDir(), "made")), Begin{Who: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if lease.Executor.Namespace == "" {
		t.Fatal("the lease names no pid namespace")
	}
	late := lease.Expires.Add(time.Second)
	nobody := lease
	nobody.Executor.PID, nobody.Executor.Start = 1<<22+1, 1
	other, unknown, reboot := nobody, nobody, nobody
	other.Executor.Namespace = "pid:[1]"
	unknown.Executor.Namespace = ""
	reboot.Executor.Boot, reboot.Executor.Namespace = "another", "pid:[1]"
	mine := lease
	mine.Executor.Namespace = "pid:[1]" // our own pid, but counted elsewhere
	for _, test := range []struct {
		name       string
		lease      ripcord.Lease
		before, at life
	}{
		{"its own", lease, alive, hanging},
		{"dead here", nobody, dead, dead},
		{"in another namespace", other, alive, gone},
		{"in another namespace with a pid of ours", mine, alive, gone},
		{"of an older binary", unknown, alive, dead},
		{"before a reboot", reboot, dead, dead},
	} {
		a.options.Now = time.Now
		if got := a.lifeOf(test.lease); got != test.before {
			t.Errorf("%s: %s, want %s", test.name, got, test.before)
		}
		a.options.Now = func() time.Time { return late }
		if got := a.lifeOf(test.lease); got != test.at {
			t.Errorf("%s, expired: %s, want %s", test.name, got, test.at)
		}
	}
}
