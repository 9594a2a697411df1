package local

import (
	"context"
	"time"

	"github.com/ripcord-dev/ripcord/engine"
)

// System is the real Runtime: goroutines and a clock.
type System struct{ Clock func() time.Time }

// Now returns the clock's time.
func (s System) Now() time.Time { return s.Clock() }

// Go starts a goroutine.
func (System) Go(_ engine.Command, f func()) { go f() }

// Wait waits with a timer.
func (System) Wait(ctx context.Context, ready <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ready:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Within uses the timers of package context.
func (System) Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
