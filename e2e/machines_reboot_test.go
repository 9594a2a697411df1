package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// units is a box whose service are units of systemd.
type units struct{ *box }

func newUnits(t *testing.T) *units {
	t.Helper()
	u := &units{newBox(t, "units")}
	data, err := os.ReadFile(filepath.Join(bin, service))
	if err != nil {
		t.Fatal(err)
	}
	u.Write(t, "/srv/app/service", data, 0o755)
	return u
}

// arrive begins a release, and returns when it waits at the gate.
func (u *units) arrive(version, gate string) {
	u.Helper()
	u.Machine.Run(u.T, "rm", "-f", "/srv/app/open")
	u.ripcord(0, "release", "--version", version, "--set", "gate="+gate, "--detach")
	u.until("the run is at the gate", func() bool {
		return u.Command(u.Context(), "test", "-e", "/srv/app/"+gate+"-"+version).Run() == nil
	})
}

// answers fails the test unless the version answers as soon as somebody does, and
// nobody else before it.
func (u *units) answers(version string) {
	u.Helper()
	var said []string
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) && (len(said) == 0 || said[len(said)-1] != version) {
		if now := u.answer(); !strings.Contains(now, "connection refused") && !slices.Contains(said, now) {
			said = append(said, now)
		}
	}
	// The proxy may listen a moment before the units that start beside it.
	said = slices.DeleteFunc(said, func(text string) bool {
		return strings.HasPrefix(text, "Bad Gateway") || strings.HasPrefix(text, "Service Unavailable")
	})
	if len(said) != 1 || said[0] != version {
		u.Errorf("after the boot there answered %q, want %s", said, version)
	}
}

// ends opens the gates and fails the test unless the run ends so.
func (u *units) ends(state ripcord.RunState, version string) {
	u.Helper()
	u.Write(u.T, "/srv/app/open", nil, 0o644)
	u.until("the run has ended", func() bool { return u.state().Ended() })
	if got := u.state(); got != state {
		u.Errorf("the run is %s, want %s\n%s", got, state, u.ripcord(0, "show"))
	}
	if got := u.answer(); got != version {
		u.Errorf("%q answers, want %s", got, version)
	}
	there := u.Machine.Run(u.T, "sh", "-c", `cd /etc/systemd/system; for u in ripcord-units-*; do echo $(systemctl show --value -p ActiveState,UnitFileState "$u") $(grep -c -- '"--version" "`+version+`"' "$u"); done`)
	if there != "active enabled 1\nactive enabled 1\n" {
		u.Errorf("units of %s, and no others, should run, and at boot:\n%s", version, there)
	}
}

// TestRebootMidRelease: a machine that loses its power, or is rebooted, in the middle
// of a release of units finds both versions and the traffic as they were, and the
// boot unit's keeper goes on with the run, or back; an orderly reboot does not wait
// for the run. A version that needs more memory
// than it may have is ended, and told to be.
func TestRebootMidRelease(t *testing.T) {
	t.Parallel()
	u := newUnits(t)
	u.ripcord(0, "release", "--version", "v1")
	u.ripcord(0, "init", "--boot")

	u.arrive("v2", "before")
	u.cut()
	u.answers("v1")
	u.ends(ripcord.StateSucceeded, "v2")

	u.arrive("v3", "after")
	u.cut()
	u.answers("v3")
	u.ends(ripcord.StateSucceeded, "v3")

	// An orderly shutdown ends the command that the run waits for as well.
	u.arrive("v4", "after")
	if err := u.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	u.ends(ripcord.StateRolledBack, "v3")

	said := u.ripcord(3, "release", "--version", "hungry")
	if !strings.Contains(said, "because it needed more memory than its limit of 64M") {
		t.Errorf("of its memory the release says\n%s", said)
	}
	u.ends(ripcord.StateRolledBack, "v3")
}
