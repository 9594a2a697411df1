package canary_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/analysis/canary"
)

func (b *bench) stage(ctx context.Context, settings string) error {
	b.t.Helper()
	return b.stageOf(ctx, settings, adaptertest.NewJournal("k", ripcord.Observation{}))
}

func (b *bench) stageOf(ctx context.Context, settings string, j *adaptertest.Journal) error {
	b.t.Helper()
	step, err := b.bake.Open(ctx, ripcord.StepSpec{ID: "stage", Kind: "bake", Adapter: canary.BakeKind, Settings: []byte(settings)}, b.scope)
	if err != nil {
		b.t.Fatal(err)
	}
	return step.Apply(ctx, j.Attempt(1))
}

func TestStageLastsItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := b.begin(ctx)
		began := time.Now()
		if err := b.stage(t.Context(), `{"for":93.5,"analysis":"judge","old":"blue"}`); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 93500*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestStageGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, j := newBench(t), adaptertest.NewJournal("k", ripcord.Observation{})
		ctx, cancel := context.WithTimeout(t.Context(), 42*time.Second)
		defer cancel()
		if err := b.stageOf(ctx, `{"for":60}`, j); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		began := time.Now()
		if err := b.stageOf(t.Context(), `{"for":60}`, j); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("the rest took %s", took)
		}
	})
}

// TestStageWaitsForTheAnalysis: the time passes, and nothing was heard; then
// something is.
func TestStageWaitsForTheAnalysis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.silent = true
		time.AfterFunc(95*time.Second, func() { b.world.change(func(w *world) { w.silent = false }) })
		ctx, cancel := context.WithCancel(t.Context())
		ended := b.begin(ctx)
		began := time.Now()
		if err := b.stage(t.Context(), `{"for":30,"analysis":"judge","old":"blue"}`); err != nil {
			t.Error(err)
		}
		// What is heard then must be heard for a while: a first word is no evidence.
		if took := time.Since(began); took < (95+22)*time.Second || took > 130*time.Second {
			t.Errorf("it took %s", took)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestStageNeverEndsOnSilence(t *testing.T) {
	t.Parallel()
	worlds := map[string]func(w *world){
		"nothing is known":   func(w *world) { w.silent = true },
		"nobody answers":     func(w *world) { w.down = errors.New("connection refused") },
		"nobody comes":       func(w *world) { w.new = load{} },
		"nobody comes there": func(w *world) { w.old = load{} },
	}
	for name, change := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				change(b.world)
				ctx, cancel := context.WithCancel(t.Context())
				ended := b.begin(ctx)
				limited, done := context.WithTimeout(t.Context(), 10*time.Minute)
				defer done()
				f := failure(t, b.stage(limited, `{"for":30,"analysis":"judge","old":"blue"}`))
				if !strings.Contains(f.Summary, "the stage lasted 30s, and then errors still had nothing to say: no evidence is no success") || len(f.Lines) != 1 {
					t.Errorf("the failure is %q %q", f.Summary, f.Lines)
				}
				cancel()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}

// TestStageWithoutItsAnalysis: one that has not begun, or has ended, says nothing.
func TestStageWithoutItsAnalysis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		close(b.enough)
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		f := failure(t, b.stage(ctx, `{"for":30,"analysis":"judge","old":"blue"}`))
		if !strings.Contains(f.Summary, "the analysis still had nothing to say") {
			t.Errorf("the failure is %q", f.Summary)
		}
	})
}
