package keeper

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord/procfs"
)

// TestExecutorsEndWithTheMachineOnly: stopping the keeper leaves executors alone,
// unless the machine is being shut down.
func TestExecutorsEndWithTheMachineOnly(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.unfinished("run-1")
	first := p.ensure()
	p.waitFor("the executor", func() bool { return len(p.executed("run-1")) == 1 })
	pid, err := strconv.Atoi(p.executed("run-1")[0])
	if err != nil {
		t.Fatal(err)
	}
	lives := func(pid int) bool { return unix.Kill(pid, 0) == nil }
	end := func(keeper procfs.Identity) {
		if err := unix.Kill(keeper.PID, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.waitFor("the keeper's end", func() bool {
			info, err := Status(p.dir)
			return err == nil && !info.Running
		})
	}
	end(first)
	if !lives(pid) {
		t.Fatal("the executor ended with its keeper")
	}
	second := p.ensure()
	if err := os.WriteFile(filepath.Join(p.dir, "down"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	end(second)
	p.waitFor("the executor's end", func() bool { return !lives(pid) })
}
