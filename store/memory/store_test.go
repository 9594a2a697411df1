package memory_test

import (
	"context"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/memory"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Home {
		var store *memory.Store
		return func(_ *testing.T, now func() time.Time) ripcord.Store {
			if store == nil {
				store = memory.New(memory.Options{Now: now})
			}
			return store
		}
	})
}

func TestUnsealedKeepsOrder(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock()
	s := memory.New(memory.Options{Now: clock.Now, Unsealed: true, StateID: "here"})
	lease := begin(t.Context(), t, s, clock)
	for range 3 {
		if err := s.Append(t.Context(), ripcord.Entry{Run: "r1", Fence: lease.Fence, At: clock.Now(), Kind: ripcord.RunStarted}); err != nil {
			t.Fatal(err)
		}
	}
	var last uint64
	for e, err := range s.Entries(t.Context(), "r1", 0) {
		if err != nil || e.Seq != last+1 || e.Hash != "" {
			t.Fatalf("entry %+v, %v", e, err)
		}
		last = e.Seq
	}
	if last != 4 || s.StateID() != "here" {
		t.Fatalf("%d entries in %s", last, s.StateID())
	}
}

func begin(ctx context.Context, tb testing.TB, s *memory.Store, clock *storetest.Clock) ripcord.Lease {
	tb.Helper()
	lease, err := s.Begin(ctx, storetest.Planned("r1", "shop", "prod", clock.Now()), storetest.Somebody("ada"), time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	return lease
}

func BenchmarkAppend(b *testing.B) {
	for name, unsealed := range map[string]bool{"sealed": false, "unsealed": true} {
		b.Run(name, func(b *testing.B) {
			clock := storetest.NewClock()
			s := memory.New(memory.Options{Now: clock.Now, Unsealed: unsealed})
			lease := begin(b.Context(), b, s, clock)
			for b.Loop() {
				if err := s.Append(b.Context(), ripcord.Entry{Run: "r1", Fence: lease.Fence, At: clock.Now(), Kind: ripcord.StepIntent, Step: "a", Attempt: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
