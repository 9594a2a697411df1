package process_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/keeper"
)

// kept returns the real supervisor with a keeper that restarts what dies.
func kept(t *testing.T) ripcord.Supervisor {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	dir, blobs := t.TempDir(), adaptertest.NewBlobs()
	supervisor := keeper.NewSupervisor(keeper.SupervisorOptions{Dir: dir, Self: self, Blobs: blobs})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- keeper.Main(ctx, keeper.Options{
			Dir: dir, Self: self, Blobs: blobs, Now: time.Now, Idle: -1, Tick: 10 * time.Millisecond,
		})
	}()
	t.Cleanup(func() {
		all, err := supervisor.List(context.Background(), "")
		if err != nil {
			t.Error(err)
		}
		for _, i := range all {
			if err := supervisor.Stop(context.Background(), i.ID); err != nil {
				t.Error(err)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return supervisor
}

// The same suite with the supervisor of real life, which restarts instances.
func TestConformanceKept(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{New: fixture(settings, true, kept)})
}
