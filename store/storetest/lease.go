package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func leaseTests() map[string]func(*testing.T, *bench) {
	return map[string]func(*testing.T, *bench){
		"a living lease is respected":      livingLease,
		"an expired lease is given away":   expiredLease,
		"a dead executor's lease is taken": deadExecutor,
		"one's own lease is given again":   ownLease,
		"renewing extends":                 renewing,
		"a lost lease is not renewed":      lostLease,
		"a dead executor was replaced":     deadAndReplaced,
		"release ends a lease":             releasing,
		"leases need a run":                leasesNeedRun,
		"another process sees the lease":   leaseAcross,
	}
}

func livingLease(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.clock.Advance(ttl - time.Nanosecond)
	_, err := b.Acquire(ctx, "r1", Somebody("bob"), ttl, 0)
	refused(t, err, ripcord.CodeRefused)
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunStarted))
}

func expiredLease(t *testing.T, b *bench) {
	ctx := t.Context()
	old := b.begin(ctx, t, "r1", "shop", "prod")
	b.clock.Advance(ttl)
	// An expired lease that nobody took still serves.
	b.append(ctx, t, b.entry("r1", old.Fence, ripcord.RunStarted))
	lease, err := b.Acquire(ctx, "r1", Somebody("bob"), 2*ttl, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := ripcord.Lease{Run: "r1", Executor: Somebody("bob"), Fence: old.Fence + 1, Expires: b.clock.Now().Add(2 * ttl)}
	if diff := cmp.Diff(want, lease); diff != "" {
		t.Fatalf("lease (-want +got):\n%s", diff)
	}
	fenced(t, b.Append(ctx, b.entry("r1", old.Fence, ripcord.RunPaused)))
}

func deadExecutor(t *testing.T, b *bench) {
	ctx := t.Context()
	old := b.begin(ctx, t, "r1", "shop", "prod")
	lease, err := b.Acquire(ctx, "r1", Somebody("bob"), ttl, old.Fence)
	if err != nil || lease.Fence <= old.Fence {
		t.Fatalf("lease %+v, %v", lease, err)
	}
}

// deadAndReplaced: two have seen the same executor dead, and one of them was first.
func deadAndReplaced(t *testing.T, b *bench) {
	ctx := t.Context()
	old := b.begin(ctx, t, "r1", "shop", "prod")
	lease, err := b.Acquire(ctx, "r1", Somebody("bob"), ttl, old.Fence)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Acquire(ctx, "r1", Somebody("eve"), ttl, old.Fence)
	refused(t, err, ripcord.CodeRefused)
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunStarted))
}

func ownLease(t *testing.T, b *bench) {
	ctx := t.Context()
	old := b.begin(ctx, t, "r1", "shop", "prod")
	lease, err := b.Acquire(ctx, "r1", Somebody("ada"), ttl, 0)
	if err != nil || lease.Fence <= old.Fence {
		t.Fatalf("lease %+v, %v", lease, err)
	}
}

func renewing(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	for range 3 {
		b.clock.Advance(ttl / 2)
		renewed, err := b.Renew(ctx, lease, ttl)
		if err != nil || renewed.Fence != lease.Fence || !renewed.Expires.Equal(b.clock.Now().Add(ttl)) {
			t.Fatalf("renewed %+v, %v", renewed, err)
		}
	}
	_, err := b.Acquire(ctx, "r1", Somebody("bob"), ttl, 0)
	refused(t, err, ripcord.CodeRefused)
}

func lostLease(t *testing.T, b *bench) {
	ctx := t.Context()
	old := b.begin(ctx, t, "r1", "shop", "prod")
	lease, err := b.Acquire(ctx, "r1", Somebody("bob"), ttl, old.Fence)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Renew(ctx, old, ttl)
	fenced(t, err)
	if err := b.Release(ctx, old); err != nil {
		t.Fatalf("release of a lost lease: %v", err)
	}
	if held, ok, err := b.Holder(ctx, "r1"); err != nil || !ok || held.Fence != lease.Fence {
		t.Fatalf("holder %+v, %v, %v", held, ok, err)
	}
}

func releasing(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	for range 2 {
		if err := b.Release(ctx, lease); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := b.Holder(ctx, "r1"); ok || err != nil {
		t.Fatalf("holder %v, %v", ok, err)
	}
	_, err := b.Renew(ctx, lease, ttl)
	fenced(t, err)
	next, err := b.Acquire(ctx, "r1", Somebody("bob"), ttl, 0)
	if err != nil || next.Fence <= lease.Fence {
		t.Fatalf("lease %+v, %v", next, err)
	}
}

func leasesNeedRun(t *testing.T, b *bench) {
	ctx := t.Context()
	_, err := b.Acquire(ctx, "nope", Somebody("bob"), ttl, 1)
	refused(t, err, ripcord.CodeNotFound)
	if _, ok, err := b.Holder(ctx, "nope"); ok || err != nil {
		t.Fatalf("holder %v, %v", ok, err)
	}
}

func leaseAcross(t *testing.T, b *bench) {
	ctx := t.Context()
	other := b.again(t)
	old := b.begin(ctx, t, "r1", "shop", "prod")
	b.append(ctx, t, b.entry("r1", old.Fence, ripcord.RunStarted))
	lease, err := other.Acquire(ctx, "r1", Somebody("bob"), ttl, old.Fence)
	if err != nil {
		t.Fatal(err)
	}
	fenced(t, b.Append(ctx, b.entry("r1", old.Fence, ripcord.RunPaused)))
	if err := other.Append(ctx, b.entry("r1", lease.Fence, ripcord.RunAttached)); err != nil {
		t.Fatal(err)
	}
	if got := all(ctx, t, b.Store, "r1", 0); len(got) != 3 || got[2].Kind != ripcord.RunAttached {
		t.Fatalf("entries %+v", got)
	}
}
