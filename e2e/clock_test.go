package e2e_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

const clockPlan = `
application: gate
release:
  - files: {content: "${version}", destination: site/one}
    name: one
  - watch: {for: 600ms, interval: 50ms, checks: [{command: "true"}]}
`

// TestClockJump: the wall clock jumps while the release is watched. The watch is
// as long as it was to be, and nobody takes the run for dead. A process of its own
// cannot be given a wrong clock, so this one executes the run itself.
func TestClockJump(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "gate")
			w.write("ripcord.yaml", clockPlan)
			var offset atomic.Int64
			a, err := app.Open(t.Context(), app.Options{
				StateDir: w.state, KeyFile: w.key, Self: filepath.Join(bin, userBinary), NoKeeper: true,
				LookupEnv: os.LookupEnv, Environ: os.Environ,
				// Round drops the monotonic part, which does not jump.
				Now: func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) },
			}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			}()
			plan, err := a.Load(t.Context(), app.Selection{File: filepath.Join(w.app, "ripcord.yaml"), Version: "v1"})
			if err != nil {
				t.Fatal(err)
			}
			var began time.Time
			var watched time.Duration
			state, err := a.Release(t.Context(), plan, app.Begin{Who: "tester"}, app.Listener{Entry: func(e ripcord.Entry) {
				switch e.Kind {
				case ripcord.RunWatching:
					began = time.Now()
					offset.Store(int64(jump))
				case ripcord.RunCommitted:
					watched = time.Since(began)
				default:
				}
			}})
			if err != nil || state.State != ripcord.StateSucceeded {
				t.Fatalf("the run is %v (%v)", state, err)
			}
			if watched < 600*time.Millisecond {
				t.Errorf("it was watched for %s only", watched)
			}
			w.verified()
			w.must(0, "show")
			w.release(0, "v2") // by the right clock again
		})
	}
}
