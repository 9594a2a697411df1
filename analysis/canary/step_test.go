package canary_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/canary"
)

func TestHealthyVersionPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		time.AfterFunc(10*time.Minute, func() { close(b.enough) })
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := b.last().Decision
		if !d.MayAdvance || d.Verdict == analysis.VerdictRollBack || b.last().State == nil {
			t.Errorf("the last record is %+v", d)
		}
		if got := d.Evidence[0].Total.New.Requests; got != b.world.requests() {
			t.Errorf("%v requests are judged of %v", got, b.world.requests())
		}
	})
}

func TestWorseVersionFailsWithEvidence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.new.failing = .2
		began := time.Now()
		f := failure(t, b.judge(t.Context()))
		if took := time.Since(began); took > 5*time.Minute {
			t.Errorf("it took %s", took)
		}
		if !strings.HasPrefix(f.Summary, "errors: ") || len(f.Lines) != 1 || !strings.Contains(f.Lines[0], "of the") && !strings.Contains(f.Lines[0], "evidence") {
			t.Errorf("the failure is %q %q", f.Summary, f.Lines)
		}
		d := b.last().Decision
		if d.Verdict != analysis.VerdictRollBack || !slices.Equal(d.Culprits, []string{"errors"}) || b.last().State == nil {
			t.Errorf("the last record is %+v", d)
		}
	})
}

func TestFirstVersionHasNothingToBeComparedWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.settings = strings.Replace(b.settings, `"old":{"colour":"blue"}`, `"old":{}`, 1)
		b.world.down = errors.New("nobody may ask")
		ended := b.begin(t.Context())
		if err := b.stage(t.Context(), `{"for":7,"analysis":"judge","old":"x"}`); err != nil {
			t.Errorf("the stage: %v", err)
		}
		if err := b.stage(t.Context(), `{"for":86400,"analysis":"judge","old":""}`); err != nil {
			t.Errorf("the stage of a first version: %v", err)
		}
		close(b.enough)
		if err := <-ended; err != nil || len(b.records()) > 0 || len(b.world.began) > 0 {
			t.Errorf("%v, %d records, %d readings", err, len(b.records()), len(b.world.began))
		}
	})
}

// TestEndAsksOnceMore: what was read while the steps beside were passing is not the
// last word.
func TestEndAsksOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var closed time.Time
		b.world.during = func() {
			time.Sleep(time.Second)
			if len(b.world.began) == 5 {
				closed = time.Now()
				close(b.enough)
			}
		}
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if last := b.world.began[len(b.world.began)-1]; last.Before(closed) || len(b.world.began) > 8 {
			t.Errorf("closed at %s, the last of %d readings began at %s", closed, len(b.world.began), last)
		}
	})
}

func TestEndDoesNotPassOnSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		time.AfterFunc(time.Minute, func() {
			b.world.change(func(w *world) { w.silent = true })
			close(b.enough)
		})
		began := time.Now()
		f := failure(t, b.judge(t.Context()))
		if !strings.Contains(f.Summary, "errors said nothing for 3m") {
			t.Errorf("the failure is %q", f.Summary)
		}
		if took := time.Since(began); took < 4*time.Minute || took > 5*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestEndWaitsForWhoSpeaksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		time.AfterFunc(time.Minute, func() {
			b.world.change(func(w *world) { w.down = errors.New("connection refused") })
			close(b.enough)
		})
		time.AfterFunc(90*time.Second, func() { b.world.change(func(w *world) { w.down = nil }) })
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.last().Decision.Evidence[0].Total.New.Requests; got != b.world.requests() {
			t.Errorf("%v requests are judged of %v", got, b.world.requests())
		}
	})
}

func TestAloneAfterTheLastShift(t *testing.T) {
	t.Parallel()
	for _, failing := range []float64{.001, .2} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			alone := false
			b.passed = func(step ripcord.StepID) bool {
				b.world.mu.Lock()
				defer b.world.mu.Unlock()
				return alone && step == "all"
			}
			time.AfterFunc(10*time.Minute, func() {
				b.world.change(func(w *world) { w.new, w.old, alone = load{200, failing}, load{}, true })
			})
			time.AfterFunc(20*time.Minute, func() { close(b.enough) })
			err := b.judge(t.Context())
			if failing < .01 {
				if err != nil {
					t.Errorf("a healthy one: %v", err)
				}
				return
			}
			if f := failure(t, err); len(f.Lines) != 1 {
				t.Errorf("it quotes %q", f.Lines)
			}
		})
	}
}

// TestGoesOnAfterACrash: nothing is counted twice or left out, and what is recorded
// decides as it did.
func TestGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 95*time.Second)
			if err := b.judge(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			time.Sleep(7 * time.Minute)
			b.restart()
		}
		b.restores()
		time.AfterFunc(time.Minute, func() { close(b.enough) })
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.last().Decision.Evidence[0].Total.New.Requests; got != b.world.requests() {
			t.Errorf("%v requests are judged of %v", got, b.world.requests())
		}
		for i, r := range b.records() {
			if i > 0 && !r.Decision.At.After(b.records()[i-1].Decision.At) {
				t.Errorf("record %d is of %s", i, r.Decision.At)
			}
		}
	})
}

// restores compares what restored judges decide with what was recorded.
func (b *bench) restores() {
	b.t.Helper()
	spec := analysis.Spec{Metrics: []analysis.Metric{{Name: "errors", Kind: analysis.KindErrors}}}
	for _, r := range b.records() {
		if r.State == nil {
			continue
		}
		j, err := analysis.Restore(spec, r.State)
		if err != nil {
			b.t.Fatal(err)
		}
		if diff := cmp.Diff(r.Decision, j.Decide()); diff != "" {
			b.t.Errorf("recorded -, restored +:\n%s", diff)
		}
	}
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.judge(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		before := len(b.records())
		b.scope.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		time.AfterFunc(time.Minute, func() { close(b.enough) })
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.last().Decision.Evidence[0].Total.New.Requests; len(b.records()) < before+5 || got != b.world.requests() {
			t.Errorf("%d records, then %d; %v requests are judged of %v", before, len(b.records()), got, b.world.requests())
		}
	})
}

// TestClockThatStandsStill has no monotonic part: it is set back all the time.
func TestClockThatStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		at := time.Now().Round(0)
		b.scope.Now = func() time.Time {
			at = at.Add(-time.Second)
			return at
		}
		time.AfterFunc(time.Minute, func() { close(b.enough) })
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDamagedStateIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		a := b.journal.Attempt(1)
		record := canary.Record{Decision: analysis.Decision{At: time.Now()}, State: []byte(`{"x":1}`)}
		if err := a.Record(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		if err := b.judge(t.Context()); ripcord.CodeOf(err) != ripcord.CodeInternal {
			t.Errorf("%v", err)
		}
	})
}
