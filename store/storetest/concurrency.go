package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

func concurrencyTests() map[string]func(*testing.T, *bench) {
	return map[string]func(*testing.T, *bench){
		"many append to one run":                many,
		"many runs append at once":              manyRuns,
		"one of many begins":                    oneBegins,
		"a bad append does not harm neighbours": neighbours,
		"one of many takes the lease":           oneLease,
	}
}

// inParallel calls do n times at once, over two openings of the home.
func (b *bench) inParallel(t *testing.T, n int, do func(s ripcord.Store, i int) error) []error {
	t.Helper()
	stores := []ripcord.Store{b.Store, b.again(t)}
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = do(stores[i%len(stores)], i) })
	}
	group.Wait()
	return errs
}

func many(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	const writers, each = 8, 20
	errs := b.inParallel(t, writers, func(s ripcord.Store, i int) error {
		for k := range each {
			first, second := b.entry("r1", lease.Fence, ripcord.StepProgress), b.entry("r1", lease.Fence, ripcord.StepProgress)
			first.Step = ripcord.StepID(strconv.Itoa(i))
			second.Step, first.Attempt, second.Attempt = first.Step, 2*k, 2*k+1
			if err := s.Append(ctx, first, second); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	next := map[ripcord.StepID]int{}
	entries := all(ctx, t, b.Store, "r1", 1)
	for i, e := range entries {
		if e.Attempt != next[e.Step] {
			t.Fatalf("writer %s: attempt %d, want %d", e.Step, e.Attempt, next[e.Step])
		}
		if e.Attempt%2 == 1 && entries[i-1].Step != e.Step {
			t.Fatalf("entry %d came between two of one append", e.Seq)
		}
		next[e.Step]++
	}
	if len(entries) != 2*writers*each {
		t.Fatalf("%d entries, want %d", len(entries), 2*writers*each)
	}
}

func manyRuns(t *testing.T, b *bench) {
	ctx := t.Context()
	errs := b.inParallel(t, 40, func(s ripcord.Store, i int) error {
		id := ripcord.RunID(fmt.Sprintf("r%02d", i))
		lease, err := s.Begin(ctx, Planned(id, "shop", string(id), b.clock.Now()), Somebody("ada"), ttl)
		if err != nil {
			return err
		}
		for _, kind := range []ripcord.EntryKind{ripcord.RunStarted, ripcord.StepIntent, ripcord.StepApplied} {
			if err := s.Append(ctx, b.entry(id, lease.Fence, kind)); err != nil {
				return err
			}
		}
		return s.Append(ctx, commit(b, lease, id), b.entry(id, lease.Fence, ripcord.RunSucceeded))
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	runs, err := b.Runs(ctx, ripcord.Filter{})
	if err != nil || len(runs) != 40 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for i := range runs {
		if runs[i].State != ripcord.StateSucceeded || runs[i].Entries != 6 {
			t.Fatalf("run %+v", runs[i])
		}
	}
}

func oneBegins(t *testing.T, b *bench) {
	ctx := t.Context()
	errs := b.inParallel(t, 16, func(s ripcord.Store, i int) error {
		id := ripcord.RunID(fmt.Sprintf("r%02d", i))
		_, err := s.Begin(ctx, Planned(id, "shop", "prod", b.clock.Now()), Somebody(string(id)), ttl)
		return err
	})
	began := 0
	for _, err := range errs {
		if err == nil {
			began++
			continue
		}
		refused(t, err, ripcord.CodeRefused)
	}
	if began != 1 {
		t.Fatalf("%d runs began, want 1", began)
	}
}

func neighbours(t *testing.T, b *bench) {
	ctx := t.Context()
	for i := range 20 {
		b.begin(ctx, t, ripcord.RunID(fmt.Sprintf("r%02d", i)), "shop", strconv.Itoa(i))
	}
	errs := b.inParallel(t, 60, func(s ripcord.Store, i int) error {
		e := b.entry(ripcord.RunID(fmt.Sprintf("r%02d", i%20)), 1, ripcord.StepIntent)
		switch i % 3 {
		case 1:
			e.Fence = 0
		case 2:
			e.Data = []byte("{")
		}
		return s.Append(ctx, e)
	})
	for i, err := range errs {
		if good := i%3 == 0; good != (err == nil) {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	total := 0
	for i := range 20 {
		total += len(all(ctx, t, b.Store, ripcord.RunID(fmt.Sprintf("r%02d", i)), 1))
	}
	if total != 20 {
		t.Fatalf("%d entries, want 20", total)
	}
}

func oneLease(t *testing.T, b *bench) {
	ctx := t.Context()
	b.begin(ctx, t, "r1", "shop", "prod")
	b.clock.Advance(ttl)
	taken := 0
	for _, err := range b.inParallel(t, 16, func(s ripcord.Store, i int) error {
		_, err := s.Acquire(ctx, "r1", Somebody(strconv.Itoa(i)), ttl, 0)
		return err
	}) {
		if err == nil {
			taken++
		}
	}
	if taken != 1 {
		t.Fatalf("%d executors took the lease, want 1", taken)
	}
}
