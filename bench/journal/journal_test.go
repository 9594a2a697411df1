// Package journal measures the journal against the disk that it lies on.
//
// Absolute numbers say more about the disk than about the journal. So each
// measurement is a ratio to appending 8 KiB to a file and flushing it, in turns
// with it, on the same disk: that of the temporary folder, which TMPDIR names.
//
//	go test -bench . -benchtime 5x ./bench/journal
package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

// rawFlushes is how many flushes one turn of the raw measurement takes.
const rawFlushes = 400

// folder is where to measure: TMPDIR chooses the disk.
func folder(b *testing.B) string {
	b.Helper()
	return b.TempDir()
}

func open(b *testing.B, dir string) *sqlite.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), filepath.Join(dir, "state"), sqlite.Options{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// raw returns flushes per second of 8 KiB appended to a file.
func raw(b *testing.B, dir string) float64 {
	b.Helper()
	file, err := os.CreateTemp(dir, "raw")
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 8<<10)
	start := time.Now()
	for range rawFlushes {
		_, err := file.Write(block)
		if err := errors.Join(err, file.Sync()); err != nil {
			b.Fatal(err)
		}
	}
	rate := rawFlushes / time.Since(start).Seconds()
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		b.Fatal(err)
	}
	return rate
}

// release carries out a run of steps that do nothing: intent and result of each
// step are durable before the next begins.
func release(b *testing.B, s *sqlite.Store, run ripcord.RunID, steps int) error {
	b.Helper()
	ctx := b.Context()
	lease, err := s.Begin(ctx, storetest.Planned(run, "shop", string(run), time.Now()), storetest.Somebody("bench"), time.Hour)
	if err != nil {
		return err
	}
	for i := range steps {
		step := ripcord.StepID(fmt.Sprintf("step-%d", i))
		for _, kind := range []ripcord.EntryKind{ripcord.StepIntent, ripcord.StepApplied} {
			e := ripcord.Entry{Version: ripcord.EntryVersion, Run: run, Fence: lease.Fence, At: time.Now(), Kind: kind, Step: step, Attempt: 1}
			if err := s.Append(ctx, e); err != nil {
				return err
			}
		}
	}
	return s.Append(ctx, ripcord.Entry{Run: run, Fence: lease.Fence, At: time.Now(), Kind: ripcord.RunSucceeded})
}

// ratio takes turns between the disk and the journal, so that a slower minute of
// the machine weighs on both.
func ratio(b *testing.B, work func(b *testing.B, s *sqlite.Store, round int) (steps int)) {
	b.Helper()
	dir := folder(b)
	s := open(b, dir)
	var flushes, steps []float64
	for round := 0; b.Loop(); round++ {
		before := raw(b, dir)
		start := time.Now()
		n := work(b, s, round)
		steps = append(steps, float64(n)/time.Since(start).Seconds())
		flushes = append(flushes, (before+raw(b, dir))/2)
	}
	b.ReportMetric(mean(steps), "steps/s")
	b.ReportMetric(mean(flushes), "flushes/s")
	b.ReportMetric(mean(steps)/mean(flushes), "ratio")
	b.ReportMetric(0, "ns/op")
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// BenchmarkOneRun is one run of 200 steps, one after the other. Aim: 0.30.
func BenchmarkOneRun(b *testing.B) {
	ratio(b, func(b *testing.B, s *sqlite.Store, round int) int {
		b.Helper()
		if err := release(b, s, ripcord.RunID(fmt.Sprintf("r%d", round)), 200); err != nil {
			b.Fatal(err)
		}
		return 200
	})
}

// BenchmarkManyRuns is 200 runs of 5 steps at once, each in an environment of its
// own. Aim: 1.5.
func BenchmarkManyRuns(b *testing.B) {
	ratio(b, func(b *testing.B, s *sqlite.Store, round int) int {
		b.Helper()
		var group sync.WaitGroup
		errs := make([]error, 200)
		for i := range errs {
			group.Go(func() { errs[i] = release(b, s, ripcord.RunID(fmt.Sprintf("r%d-%d", round, i)), 5) })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			b.Fatal(err)
		}
		return 5 * len(errs)
	})
}

// large makes a journal with 100,000 entries in 1,000 runs.
func large(b *testing.B, dir string) {
	b.Helper()
	s, err := sqlite.Open(b.Context(), filepath.Join(dir, "state"), sqlite.Options{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		run := ripcord.RunID(fmt.Sprintf("r%04d", i))
		lease, err := s.Begin(b.Context(), storetest.Planned(run, "shop", strconv.Itoa(i%10), time.Now()), storetest.Somebody("bench"), time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		batch := make([]ripcord.Entry, 99)
		for k := range batch {
			batch[k] = ripcord.Entry{Run: run, Fence: lease.Fence, At: time.Now(), Kind: ripcord.StepProgress, Reason: "a line of some length, as they are"}
		}
		batch[98].Kind = ripcord.RunSucceeded
		if err := s.Append(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStatus opens a journal with 100,000 entries and lists what goes on and
// the newest runs. Aim: below 100 ms.
func BenchmarkStatus(b *testing.B) {
	dir := folder(b)
	large(b, dir)
	for b.Loop() {
		s, err := sqlite.Open(b.Context(), filepath.Join(dir, "state"), sqlite.Options{Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range []ripcord.Filter{{Unfinished: true}, {}} {
			if _, err := s.Runs(b.Context(), f); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens and closes a journal that exists. Aim: below 20 ms.
func BenchmarkOpen(b *testing.B) {
	dir := folder(b)
	large(b, dir)
	for b.Loop() {
		s, err := sqlite.Open(b.Context(), filepath.Join(dir, "state"), sqlite.Options{Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
