package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

// newRunID returns an id that sorts by time and is short enough to say aloud.
func newRunID(now time.Time) ripcord.RunID {
	return ripcord.RunID(fmt.Sprintf("%s-%.4s", now.UTC().Format("20060102-150405"), lower(rand.Text())))
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// identify names this process as an executor.
func (a *App) identify(keeper bool) (ripcord.Executor, error) {
	id, err := procfs.Self()
	if err != nil {
		return ripcord.Executor{}, fmt.Errorf("who this process is: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return ripcord.Executor{}, fmt.Errorf("the name of this machine: %w", err)
	}
	return ripcord.Executor{
		ID: rand.Text(), Host: host, PID: id.PID, Start: id.Start, Boot: id.Boot, Namespace: procfs.System().Namespace(),
		Binary: a.options.Version, Keeper: keeper,
	}, nil
}

// life is what is known of a lease's holder.
type life string

const (
	alive   life = "alive"   // it runs and its lease is valid
	hanging life = "hanging" // it runs, but its lease has expired
	dead    life = "dead"    // it is proved not to run any more
	gone    life = "expired" // out of our sight, and its lease has expired
)

// lifeOf finds out about a holder: by its process where we can see that, else by
// its lease. We see it on this machine and in our own pid namespace: in another
// container its pid may be nobody's, or somebody else's.
func (a *App) lifeOf(l ripcord.Lease) life {
	host, err := os.Hostname()
	expired := a.options.Now().After(l.Expires)
	if err != nil || host != l.Executor.Host {
		if expired {
			return gone
		}
		return alive
	}
	id := procfs.Identity{PID: l.Executor.PID, Start: l.Executor.Start, Boot: l.Executor.Boot}
	if boot, err := procfs.System().Boot(); err == nil && boot == id.Boot {
		switch own := procfs.System().Namespace(); {
		case !expired && (own == "" || own != l.Executor.Namespace):
			return alive // nothing proves that it is not
		case expired && own != l.Executor.Namespace && l.Executor.Namespace != "":
			return gone
		}
	}
	switch {
	case !procfs.Alive(id):
		return dead
	case expired:
		return hanging
	}
	return alive
}

// patience is how long an executor that seems to hang has to show that it lives,
// by the monotonic clock: more than the time between two renewals.
const patience = leaseTTL / 2

// renewed waits whether a holder whose lease has expired renews it yet. A clock
// that jumped forward, or a machine that slept, makes every executor seem to hang
// for a moment.
func (a *App) renewed(ctx context.Context, l ripcord.Lease) (bool, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		holder, held, err := a.store.Holder(ctx, l.Run)
		if err != nil || !held || holder.Fence != l.Fence || !holder.Expires.Equal(l.Expires) {
			return err == nil, err
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-limit.C:
			return false, nil
		case <-ticker.C:
		}
	}
}

// stopHanging ends an executor on this machine whose lease has expired although
// its process is there: nobody may write twice.
func (a *App) stopHanging(l ripcord.Lease) error {
	id := procfs.Identity{PID: l.Executor.PID, Start: l.Executor.Start, Boot: l.Executor.Boot}
	if err := procfs.Signal(id, unix.SIGKILL); err != nil && procfs.Alive(id) {
		return ripcord.Errorf(ripcord.CodeRefused, "the executor of run %s hangs (process %d) and cannot be stopped: %w", l.Run, l.Executor.PID, err).
			WithFix("stop process %d, then call recover again", l.Executor.PID)
	}
	return nil
}
