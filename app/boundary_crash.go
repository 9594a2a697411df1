//go:build crashpoint

package app

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine/local"
)

// crashVariable says where this process kills itself: "before N" or "after N" is
// at its Nth append to the journal, counted from 1.
const crashVariable = "RIPCORD_CRASH_AT"

// crashFileVariable names a file that says the same. Who dies of it removes it
// first, so that of the executors that a keeper starts one dies, not all.
const crashFileVariable = "RIPCORD_CRASH_FILE"

// graceVariable is how long an interrupted run waits for a person, after its
// lease, before the keeper goes on with it; less than 0 is not even the lease.
const graceVariable = "RIPCORD_ORPHAN_GRACE"

// boundary kills this process at one boundary of the journal.
type boundary struct {
	when string
	at   int64
	file string
	seen *atomic.Int64
	wait time.Duration
}

func newBoundary(o Options) boundary {
	b := boundary{seen: new(atomic.Int64), wait: orphanGrace}
	text, ok := o.LookupEnv(crashVariable)
	if !ok {
		if b.file, ok = o.LookupEnv(crashFileVariable); ok {
			data, err := os.ReadFile(b.file)
			text, ok = string(data), err == nil
		}
	}
	if ok {
		if _, err := fmt.Sscanf(text, "%s %d", &b.when, &b.at); err != nil {
			o.warn(crashVariable + " is not understood: " + err.Error())
		}
	}
	if text, ok := o.LookupEnv(graceVariable); ok {
		wait, err := time.ParseDuration(text)
		if err != nil {
			o.warn(graceVariable + " is not understood: " + err.Error())
		}
		b.wait = wait
	}
	return b
}

// grace is how long an interrupted run waits for a person.
func (b boundary) grace() time.Duration { return b.wait }

func (b boundary) before() { b.reach("before", b.seen.Add(1)) }

func (b boundary) after() { b.reach("after", b.seen.Load()) }

func (b boundary) reach(when string, n int64) {
	if b.when == when && b.at == n {
		if b.file != "" {
			_ = os.Remove(b.file)
		}
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
