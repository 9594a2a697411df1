//go:build crashpoint

package app

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine/local"
)

// crashVariable says where this process kills itself: "before N" or "after N" is
// at its Nth append to the journal, counted from 1.
const crashVariable = "RIPCORD_CRASH_AT"

// boundary kills this process at one boundary of the journal.
type boundary struct {
	when string
	at   int64
	seen *atomic.Int64
}

func newBoundary(o Options) boundary {
	b := boundary{seen: new(atomic.Int64)}
	if text, ok := o.LookupEnv(crashVariable); ok {
		if _, err := fmt.Sscanf(text, "%s %d", &b.when, &b.at); err != nil {
			o.warn(crashVariable + " is not understood: " + err.Error())
		}
	}
	return b
}

func (b boundary) before() { b.reach("before", b.seen.Add(1)) }

func (b boundary) after() { b.reach("after", b.seen.Load()) }

func (b boundary) reach(when string, n int64) {
	if b.when == when && b.at == n {
		_ = unix.Kill(unix.Getpid(), unix.SIGKILL)
		select {}
	}
}

func (b boundary) journal(j local.Journal) local.Journal { return crashing{Journal: j, boundary: b} }

// crashing is a journal with boundaries.
type crashing struct {
	local.Journal
	boundary boundary
}

// Append appends between two boundaries.
func (c crashing) Append(ctx context.Context, entries ...ripcord.Entry) error {
	c.boundary.before()
	err := c.Journal.Append(ctx, entries...)
	c.boundary.after()
	return err
}
