package canary_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/canary"
)

// release is a canary that lasts so long and ends well.
func (b *bench) release(lasts time.Duration) {
	b.t.Helper()
	b.journal = adaptertest.NewJournal("k", ripcord.Observation{})
	b.enough = make(chan struct{})
	time.AfterFunc(lasts, func() { close(b.enough) })
	if err := b.judge(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// choice is the method that the newest release was judged by.
func (b *bench) choice() analysis.Choice {
	b.t.Helper()
	return *b.last().Decision.Evidence[0].Choice
}

// TestReleasesLearnHowFailuresCluster: after a quarter of an hour of independent
// failures canaries are judged by requests; clusters bring the windows back.
func TestReleasesLearnHowFailuresCluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range 5 {
			b.release(4 * time.Minute)
			if got := b.choice().Method; (got == analysis.MethodCounts) != (i == 4) {
				t.Fatalf("release %d was judged by %s: %s", i, got, b.choice().Reason)
			}
		}
		if got := b.choice(); got.Guard != analysis.DefaultGuard || !strings.Contains(got.Reason, "close to independent") {
			t.Errorf("%+v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { // a cluster each minute
			for ctx.Err() == nil {
				b.world.change(func(w *world) { w.old.failing = .05 })
				time.Sleep(4 * time.Second)
				b.world.change(func(w *world) { w.old.failing = 0 })
				time.Sleep(56 * time.Second)
			}
		}()
		b.release(10 * time.Minute)
		b.release(4 * time.Minute)
		cancel()
		if got := b.choice(); got.Method != analysis.MethodFractions || got.Dispersion < 1.2 {
			t.Errorf("%+v", got)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
	})
}

// TestChoiceOutlivesACrash: what was learned meanwhile changes nothing for a canary
// that is judged already.
func TestChoiceOutlivesACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			if err := b.judge(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			b.restart()
		}
		if got := b.choice(); got.Method != analysis.MethodFractions {
			t.Errorf("it went over to %+v", got)
		}
	})
}

func TestWhatThePlanSaysIsNotLearned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.settings = strings.Replace(b.settings, `"source"`, `"choice":{"method":"fractions","window":60},"source"`, 1)
		b.release(20 * time.Minute)
		b.release(time.Minute)
		if got := b.choice(); got.Method != analysis.MethodFractions || got.Window != 60 {
			t.Errorf("%+v", got)
		}
	})
}

// TestDamagedPastIsNotUsed: nobody is kept from releasing by it, and it is replaced.
func TestDamagedPastIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.release(20 * time.Minute)
		found, err := filepath.Glob(filepath.Join(b.scope.StateDir, "past", "*", "*", "judge.json"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%q, %v", found, err)
		}
		if err := os.WriteFile(found[0], []byte(`{"errors":[{"spans":[{"seconds":-1}]}]`), 0o600); err != nil {
			t.Fatal(err)
		}
		b.release(time.Minute)
		if got := b.choice(); got.Method != analysis.MethodFractions || got.Dispersion != 0 {
			t.Errorf("%+v", got)
		}
		b.release(20 * time.Minute)
		if b.release(time.Minute); b.choice().Method != analysis.MethodCounts {
			t.Errorf("what was seen since is not used: %+v", b.choice())
		}
	})
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.change(func(w *world) { w.new, w.old = load{}, load{200, .001} })
		var out strings.Builder
		known, err := b.open().(*canary.Step).Measure(t.Context(), 20*time.Minute, &out)
		if err != nil {
			t.Fatal(err)
		}
		if len(known) != 1 || known[0].Choice.Method != analysis.MethodCounts || known[0].Seconds < 1180 || known[0].Failures < 230 {
			t.Errorf("%+v", known)
		}
		if !strings.HasPrefix(out.String(), "errors: 0 of 0 requests have failed so far; 20m0s left\n") {
			t.Errorf("it says %q", out.String())
		}
		// An interrupt keeps what was seen.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if known, err = b.open().(*canary.Step).Measure(ctx, time.Hour, &out); err != nil || known[0].Seconds < 1230 {
			t.Errorf("%+v, %v", known, err)
		}
		b.world.change(func(w *world) { w.new, w.old = load{20, .001}, load{180, .001} })
		b.release(time.Minute)
		if got := b.choice(); got.Method != analysis.MethodCounts {
			t.Errorf("%+v", got)
		}
		if text := b.explain(); !strings.Contains(text, "\n  errors: by requests: failures of the old version are close to independent: dispersion ") {
			t.Errorf("it says %q", text)
		}
	})
}
