package storetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func runTests() map[string]func(*testing.T, *bench) {
	return map[string]func(*testing.T, *bench){
		"begin plans and leases":                     beginPlans,
		"a busy environment is refused":              busyEnvironment,
		"an interrupted run is told apart":           interruptedRun,
		"the end frees the lock":                     endFreesLock,
		"a run begins once":                          beginOnce,
		"begin wants a plan":                         beginWantsPlan,
		"runs are filtered, newest first":            runsAreFiltered,
		"a prefix finds a run":                       prefixFindsRun,
		"last good changes with the commit":          lastGoodChanges,
		"a rollback gives last good back":            rollbackGivesLastGood,
		"last good must be a run of its environment": lastGoodBelongs,
		"the summary follows the entries":            summaryFollows,
	}
}

func commit(b *bench, l ripcord.Lease, good ripcord.RunID) ripcord.Entry {
	e := b.entry(l.Run, l.Fence, ripcord.RunCommitted)
	e.LastGood = good
	return e
}

func beginPlans(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	want := ripcord.Lease{Run: "r1", Executor: Somebody("ada"), Fence: 1, Expires: b.clock.Now().Add(ttl)}
	if diff := cmp.Diff(want, lease); diff != "" {
		t.Fatalf("lease (-want +got):\n%s", diff)
	}
	held, ok, err := b.Holder(ctx, "r1")
	if diff := cmp.Diff(lease, held); err != nil || !ok || diff != "" {
		t.Fatalf("holder %v, %v:\n%s", ok, err, diff)
	}
	entries := all(ctx, t, b.Store, "r1", 0)
	if len(entries) != 1 || entries[0].Kind != ripcord.RunPlanned || entries[0].Fence != lease.Fence || entries[0].Plan.Version != "v-r1" {
		t.Fatalf("entries %+v", entries)
	}
}

func busyEnvironment(t *testing.T, b *bench) {
	ctx := t.Context()
	b.begin(ctx, t, "r1", "shop", "prod")
	_, err := b.again(t).Begin(ctx, Planned("r2", "shop", "prod", b.clock.Now()), Somebody("bob"), ttl)
	refused(t, err, ripcord.CodeRefused)
	if !strings.Contains(err.Error(), "r1") {
		t.Fatalf("the error does not name the run: %v", err)
	}
	_, err = b.Run(ctx, "r2")
	refused(t, err, ripcord.CodeNotFound)
	b.begin(ctx, t, "r3", "shop", "staging")
	b.begin(ctx, t, "r4", "blog", "prod")
}

func interruptedRun(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.clock.Advance(ttl)
	_, err := b.Begin(ctx, Planned("r2", "shop", "prod", b.clock.Now()), Somebody("bob"), ttl)
	refused(t, err, ripcord.CodeInterrupted)
	if !strings.Contains(err.Error(), "r1") {
		t.Fatalf("the error does not name the run: %v", err)
	}
	if lease, err = b.Renew(ctx, lease, ttl); err != nil {
		t.Fatal(err)
	}
	_, err = b.Begin(ctx, Planned("r2", "shop", "prod", b.clock.Now()), Somebody("bob"), ttl)
	refused(t, err, ripcord.CodeRefused)
	if err := b.Release(ctx, lease); err != nil {
		t.Fatal(err)
	}
	_, err = b.Begin(ctx, Planned("r2", "shop", "prod", b.clock.Now()), Somebody("bob"), ttl)
	refused(t, err, ripcord.CodeInterrupted)
}

func endFreesLock(t *testing.T, b *bench) {
	ctx := t.Context()
	for i, end := range []ripcord.EntryKind{ripcord.RunSucceeded, ripcord.RunRolledBack, ripcord.RunClosed} {
		id := ripcord.RunID([]string{"r1", "r2", "r3"}[i])
		lease := b.begin(ctx, t, id, "shop", "prod")
		b.append(ctx, t, b.entry(id, lease.Fence, ripcord.RunStarted), b.entry(id, lease.Fence, end))
	}
	b.begin(ctx, t, "r4", "shop", "prod")
	unfinished, err := b.Runs(ctx, ripcord.Filter{Unfinished: true})
	if err != nil || len(unfinished) != 1 || unfinished[0].Run != "r4" {
		t.Fatalf("unfinished %+v, %v", unfinished, err)
	}
}

func beginOnce(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunClosed))
	if _, err := b.Begin(ctx, Planned("r1", "shop", "prod", b.clock.Now()), Somebody("ada"), ttl); err == nil {
		t.Fatal("the same run began twice")
	}
	if got := all(ctx, t, b.Store, "r1", 0); len(got) != 2 {
		t.Fatalf("%d entries, want 2", len(got))
	}
}

func beginWantsPlan(t *testing.T, b *bench) {
	ctx := t.Context()
	noPlan := Planned("r1", "shop", "prod", b.clock.Now())
	noPlan.Plan = nil
	started := Planned("r1", "shop", "prod", b.clock.Now())
	started.Kind = ripcord.RunStarted
	for _, e := range []ripcord.Entry{noPlan, started, Planned("", "shop", "prod", b.clock.Now()), Planned("r1", "", "prod", b.clock.Now())} {
		if _, err := b.Begin(ctx, e, Somebody("ada"), ttl); err == nil {
			t.Fatalf("a run began with %+v", e)
		}
	}
}

func runsAreFiltered(t *testing.T, b *bench) {
	ctx := t.Context()
	for _, r := range [][3]string{{"r1", "shop", "prod"}, {"r2", "shop", "staging"}, {"r3", "blog", "prod"}, {"r4", "shop", "prod"}, {"r5", "shop", "prod"}} {
		lease := b.begin(ctx, t, ripcord.RunID(r[0]), r[1], r[2])
		if r[0] < "r5" {
			b.append(ctx, t, b.entry(lease.Run, lease.Fence, ripcord.RunClosed))
		}
	}
	for _, c := range []struct {
		filter ripcord.Filter
		want   []ripcord.RunID
	}{
		{ripcord.Filter{}, []ripcord.RunID{"r5", "r4", "r3", "r2", "r1"}},
		{ripcord.Filter{Limit: 2}, []ripcord.RunID{"r5", "r4"}},
		{ripcord.Filter{Application: "shop"}, []ripcord.RunID{"r5", "r4", "r2", "r1"}},
		{ripcord.Filter{Environment: "prod"}, []ripcord.RunID{"r5", "r4", "r3", "r1"}},
		{ripcord.Filter{Application: "shop", Environment: "prod", Limit: 2}, []ripcord.RunID{"r5", "r4"}},
		{ripcord.Filter{Unfinished: true}, []ripcord.RunID{"r5"}},
		{ripcord.Filter{Application: "blog", Unfinished: true}, nil},
		{ripcord.Filter{Application: "nope"}, nil},
	} {
		found, err := b.Runs(ctx, c.filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []ripcord.RunID
		for i := range found {
			got = append(got, found[i].Run)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
		}
	}
}

func prefixFindsRun(t *testing.T, b *bench) {
	ctx := t.Context()
	for i, id := range []ripcord.RunID{"20260301-aa", "20260301-ab", "20260302-%_", "20260301"} {
		b.begin(ctx, t, id, "shop", []string{"a", "b", "c", "d"}[i])
	}
	for prefix, want := range map[ripcord.RunID]ripcord.RunID{
		"20260301-aa": "20260301-aa", "20260301-ab": "20260301-ab", "20260302": "20260302-%_", "20260301": "20260301",
	} {
		if got, err := b.Run(ctx, prefix); err != nil || got.Run != want {
			t.Errorf("%s finds %q, %v; want %s", prefix, got.Run, err, want)
		}
	}
	for _, id := range []ripcord.RunID{"", "nope", "20260301-aaa", "%", "_", "20260301-AA"} {
		_, err := b.Run(ctx, id)
		refused(t, err, ripcord.CodeNotFound)
	}
	_, err := b.Run(ctx, "20260301-")
	refused(t, err, ripcord.CodePlan)
}

func lastGoodChanges(t *testing.T, b *bench) {
	ctx := t.Context()
	_, err := b.LastGood(ctx, "shop", "prod")
	refused(t, err, ripcord.CodeNotFound)
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunStarted))
	_, err = b.LastGood(ctx, "shop", "prod")
	refused(t, err, ripcord.CodeNotFound)
	broken := b.entry("r1", lease.Fence, ripcord.StepProgress)
	broken.Data = []byte("{")
	if err := b.Append(ctx, commit(b, lease, "r1"), broken); err == nil {
		t.Fatal("broken JSON was taken")
	}
	_, err = b.LastGood(ctx, "shop", "prod")
	refused(t, err, ripcord.CodeNotFound)
	b.append(ctx, t, commit(b, lease, "r1"))
	good, err := b.LastGood(ctx, "shop", "prod")
	if err != nil || good.Run != "r1" || !good.Committed {
		t.Fatalf("last good %+v, %v", good, err)
	}
	for _, other := range [][2]string{{"shop", "staging"}, {"blog", "prod"}} {
		_, err = b.LastGood(ctx, other[0], other[1])
		refused(t, err, ripcord.CodeNotFound)
	}
}

func rollbackGivesLastGood(t *testing.T, b *bench) {
	ctx := t.Context()
	for _, id := range []ripcord.RunID{"r1", "r2"} {
		lease := b.begin(ctx, t, id, "shop", "prod")
		b.append(ctx, t, commit(b, lease, id), b.entry(id, lease.Fence, ripcord.RunSucceeded))
	}
	for i, want := range []ripcord.RunID{"r1", ""} {
		id := ripcord.RunID([]string{"b1", "b2"}[i])
		planned := Planned(id, "shop", "prod", b.clock.Now())
		planned.Plan.Purpose, planned.Plan.Returns = ripcord.PurposeRollback, want
		lease, err := b.Begin(ctx, planned, Somebody("ada"), ttl)
		if err != nil {
			t.Fatal(err)
		}
		b.append(ctx, t, commit(b, lease, want), b.entry(id, lease.Fence, ripcord.RunSucceeded))
		good, err := b.LastGood(ctx, "shop", "prod")
		if want == "" {
			refused(t, err, ripcord.CodeNotFound)
		} else if err != nil || good.Run != want {
			t.Fatalf("last good %s, %v; want %s", good.Run, err, want)
		}
	}
}

func lastGoodBelongs(t *testing.T, b *bench) {
	ctx := t.Context()
	b.begin(ctx, t, "r1", "shop", "staging")
	lease := b.begin(ctx, t, "r2", "shop", "prod")
	for _, other := range []ripcord.RunID{"r1", "nope"} {
		if err := b.Append(ctx, commit(b, lease, other)); err == nil {
			t.Fatalf("%s became last good of shop in prod", other)
		}
	}
}

func summaryFollows(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	back := b.entry("r1", lease.Fence, ripcord.RunRollingBack)
	back.Step, back.Reason, back.Failure = "migrate", "it broke", &ripcord.Failure{Class: ripcord.FailedCommand, Summary: "exit 1"}
	left := b.entry("r1", lease.Fence, ripcord.StepLeft)
	left.Step = "mail"
	undone := b.entry("r1", lease.Fence, ripcord.StepUndone)
	undone.Step = "assets"
	end := b.entry("r1", lease.Fence, ripcord.RunRolledBack)
	for _, e := range []ripcord.Entry{b.entry("r1", lease.Fence, ripcord.RunStarted), back, left, undone, end} {
		b.append(ctx, t, e)
	}
	var want ripcord.Summary
	for _, e := range all(ctx, t, b.Store, "r1", 0) {
		want.Apply(e)
	}
	got, err := b.again(t).Run(ctx, "r1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("summary (-from entries +stored):\n%s", diff)
	}
}
