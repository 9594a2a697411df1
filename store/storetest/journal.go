package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func journalTests() map[string]func(*testing.T, *bench) {
	return map[string]func(*testing.T, *bench){
		"entries come back as they were written":    entriesComeBack,
		"entries keep their order, also from after": entriesKeepOrder,
		"append is all or nothing":                  appendIsAtomic,
		"append belongs to one run":                 appendBelongsToOneRun,
		"the chain is sealed":                       chainIsSealed,
		"an older fence is refused":                 olderFenceIsRefused,
		"a fence that was never given is refused":   futureFenceIsRefused,
		"an ended run does not open again":          endedRunStaysEnded,
		"unknown runs have no entries":              unknownRunHasNoEntries,
		"reading stops when asked to":               readingStops,
		"reading and appending do not block":        readWhileAppending,
		"reopening keeps everything":                reopeningKeepsEverything,
	}
}

// full is an entry with every field set.
func (b *bench) full(run ripcord.RunID, fence uint64) ripcord.Entry {
	until := b.clock.Now().Add(time.Minute)
	executor := Somebody("ada")
	ref := ripcord.BlobRef{Path: "r/1", Digest: "d", Size: 3}
	e := b.entry(run, fence, ripcord.StepFailed)
	e.Step, e.Attempt, e.Who, e.Reason = "migrate <&> ünïcode\u2028", 3, "ada", "because \"so\"\n"
	e.Executor, e.Until, e.Then = &executor, &until, ripcord.FailRollback
	e.Request = &ripcord.Request{ID: 7, Run: run, Verb: ripcord.VerbAbort, Who: "bob", At: until}
	e.Seen = &ripcord.Sighting{Presence: ripcord.Partial, Exact: true, Detail: "half", Digest: "x", Image: &ref}
	e.Failure = &ripcord.Failure{
		Class: ripcord.FailedCommand, Summary: "exit 1", Lines: []string{"a", "b"},
		Exit: &ripcord.Exit{Code: 1, StartedAt: until, EndedAt: until},
	}
	e.Outputs = map[string]ripcord.Output{"k": {Value: "v"}, "s": {Sensitive: true, Value: "id"}}
	e.Blobs = map[string]ripcord.BlobRef{"log": ref}
	e.Data = json.RawMessage(`{"statements":["<select>",1.50]}`)
	e.Verified, e.Back, e.State, e.Cleanup = true, true, ripcord.StateRunning, []ripcord.StepID{"a"}
	return e
}

func entriesComeBack(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	want := b.full("r1", lease.Fence)
	b.append(ctx, t, want)
	got := all(ctx, t, b.Store, "r1", 1)
	if len(got) != 1 {
		t.Fatalf("%d entries, want 1", len(got))
	}
	want.Seq, want.Prev, want.Hash = 2, got[0].Prev, got[0].Hash
	asText := cmp.Transformer("text", func(m json.RawMessage) string {
		var v any
		if err := json.Unmarshal(m, &v); err != nil {
			return string(m)
		}
		return fmt.Sprint(v)
	})
	if diff := cmp.Diff(want, got[0], asText); diff != "" {
		t.Fatalf("the entry changed (-want +got):\n%s", diff)
	}
}

func entriesKeepOrder(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.begin(ctx, t, "r2", "shop", "staging")
	const count = 700
	var batch []ripcord.Entry
	for i := range count {
		e := b.entry("r1", lease.Fence, ripcord.StepProgress)
		e.Attempt = i + 2
		if batch = append(batch, e); len(batch) == 1+i%7 {
			b.append(ctx, t, batch...)
			batch = nil
		}
	}
	b.append(ctx, t, batch...)
	for _, after := range []int{0, 1, 255, 256, 257, 699, 700, 701, 5000} {
		want := max(0, count+1-after)
		got := all(ctx, t, b.Store, "r1", uint64(after)) //nolint:gosec // one of the numbers above
		if len(got) != want {
			t.Fatalf("%d entries after %d, want %d", len(got), after, want)
		}
		for i := range got {
			number := after + i + 1
			if got[i].Seq != uint64(number) || number > 1 && got[i].Attempt != number { //nolint:gosec // an index
				t.Fatalf("entry %d after %d has number %d and attempt %d", i, after, got[i].Seq, got[i].Attempt)
			}
		}
	}
}

func appendIsAtomic(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	before, err := b.Run(ctx, "r1")
	if err != nil {
		t.Fatal(err)
	}
	broken := b.entry("r1", lease.Fence, ripcord.StepProgress)
	broken.Data = json.RawMessage(`{"never ends"`)
	stale := b.entry("r1", lease.Fence-1, ripcord.StepIntent)
	for name, bad := range map[string]ripcord.Entry{"broken JSON": broken, "stale fence": stale} {
		if err := b.Append(ctx, b.entry("r1", lease.Fence, ripcord.RunStarted), bad); err == nil {
			t.Fatalf("%s: no error", name)
		}
	}
	if got := all(ctx, t, b.Store, "r1", 0); len(got) != 1 {
		t.Fatalf("%d entries, want the planned one alone", len(got))
	}
	after, err := b.Run(ctx, "r1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("the summary changed:\n%s", diff)
	}
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunStarted))
}

func appendBelongsToOneRun(t *testing.T, b *bench) {
	ctx := t.Context()
	b.begin(ctx, t, "r1", "shop", "prod")
	b.begin(ctx, t, "r2", "shop", "staging")
	if err := b.Append(ctx, b.entry("r1", 1, ripcord.RunStarted), b.entry("r2", 1, ripcord.RunStarted)); err == nil {
		t.Fatal("entries of two runs were taken")
	}
	if err := b.Append(ctx); err != nil {
		t.Fatalf("append of nothing: %v", err)
	}
	refused(t, b.Append(ctx, b.entry("r9", 1, ripcord.RunStarted)), ripcord.CodeNotFound)
	if err := b.Append(ctx, Planned("r1", "shop", "prod", b.clock.Now())); err == nil {
		t.Fatal("a second plan was taken")
	}
}

func chainIsSealed(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.append(ctx, t, b.full("r1", lease.Fence), b.entry("r1", lease.Fence, ripcord.RunStarted))
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunPaused))
	prev := ""
	for _, e := range all(ctx, t, b.Store, "r1", 0) {
		sealed, err := ripcord.Seal(e, e.Seq, prev)
		if err != nil {
			t.Fatal(err)
		}
		if sealed.Hash != e.Hash || sealed.Prev != e.Prev {
			t.Fatalf("entry %d: hash %s after %s, want %s after %s", e.Seq, e.Hash, e.Prev, sealed.Hash, sealed.Prev)
		}
		prev = e.Hash
	}
	summary, err := b.Run(ctx, "r1")
	if err != nil {
		t.Fatal(err)
	}
	if summary.Head != prev || summary.Entries != 4 || summary.State != ripcord.StatePaused {
		t.Fatalf("summary has head %s, %d entries, state %s", summary.Head, summary.Entries, summary.State)
	}
}

func olderFenceIsRefused(t *testing.T, b *bench) {
	ctx := t.Context()
	old := b.begin(ctx, t, "r1", "shop", "prod")
	lease, err := b.Acquire(ctx, "r1", Somebody("bob"), ttl, old.Fence)
	if err != nil {
		t.Fatal(err)
	}
	fenced(t, b.Append(ctx, b.entry("r1", old.Fence, ripcord.RunStarted)))
	fenced(t, b.Append(ctx, b.entry("r1", lease.Fence, ripcord.RunStarted), b.entry("r1", old.Fence, ripcord.StepIntent)))
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunAttached))
	if got := all(ctx, t, b.Store, "r1", 1); len(got) != 1 || got[0].Kind != ripcord.RunAttached {
		t.Fatalf("entries %v, want run.attached alone", got)
	}
}

func futureFenceIsRefused(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	if err := b.Append(ctx, b.entry("r1", lease.Fence+1, ripcord.RunStarted)); err == nil {
		t.Fatal("an invented fence was taken")
	}
}

func endedRunStaysEnded(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunRolledBack))
	b.begin(ctx, t, "r2", "shop", "prod")
	refused(t, b.Append(ctx, b.entry("r1", lease.Fence, ripcord.RunStarted)), ripcord.CodeRefused)
	// What does not open it again is welcome: late evidence, a later cleanup.
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunEvidence))
}

func unknownRunHasNoEntries(t *testing.T, b *bench) {
	for _, err := range b.Entries(t.Context(), "nope", 0) {
		refused(t, err, ripcord.CodeNotFound)
		return
	}
	t.Fatal("no error for a run that does not exist")
}

func readingStops(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.append(ctx, t, b.entry("r1", lease.Fence, ripcord.RunStarted), b.entry("r1", lease.Fence, ripcord.RunPaused))
	seen := 0
	for _, err := range b.Entries(ctx, "r1", 0) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Fatalf("%d entries seen", seen)
	}
	ended, stop := context.WithCancel(ctx)
	stop()
	if err := b.Append(ended, b.entry("r1", lease.Fence, ripcord.RunPaused)); err == nil {
		t.Fatal("an append whose context had ended was taken")
	}
}

func readWhileAppending(t *testing.T, b *bench) {
	ctx := t.Context()
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	seen := 0
	for _, err := range b.Entries(ctx, "r1", 0) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen > 3 {
			break
		}
		next := b.entry("r1", lease.Fence, ripcord.StepProgress)
		next.Reason = strings.Repeat("x", seen)
		b.append(ctx, t, next)
	}
}

func reopeningKeepsEverything(t *testing.T, b *bench) {
	ctx := t.Context()
	first := b.home(t, b.clock.Now)
	id := first.StateID()
	if id == "" {
		t.Fatal("no state id")
	}
	lease := b.begin(ctx, t, "r1", "shop", "prod")
	b.append(ctx, t, b.full("r1", lease.Fence), commit(b, lease, "r1"))
	if _, err := b.Ask(ctx, ripcord.Request{Run: "r1", Verb: ripcord.VerbPause, Who: "bob"}); err != nil {
		t.Fatal(err)
	}
	before := everything(ctx, t, first, "r1")
	for range 2 {
		if err := first.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	second := b.again(t)
	if second.StateID() != id {
		t.Fatalf("state id %s, was %s", second.StateID(), id)
	}
	if diff := cmp.Diff(before, everything(ctx, t, second, "r1")); diff != "" {
		t.Fatalf("reopening changed (-before +after):\n%s", diff)
	}
}

// world is all that a store tells about a run.
type world struct {
	Entries  []ripcord.Entry
	Runs     []ripcord.Summary
	Good     ripcord.Summary
	Lease    ripcord.Lease
	Requests []ripcord.Request
}

func everything(ctx context.Context, t *testing.T, s ripcord.Store, run ripcord.RunID) world {
	t.Helper()
	w := world{Entries: all(ctx, t, s, run, 0)}
	var err error
	var held bool
	if w.Runs, err = s.Runs(ctx, ripcord.Filter{}); err != nil {
		t.Fatal(err)
	}
	if w.Good, err = s.LastGood(ctx, "shop", "prod"); err != nil {
		t.Fatal(err)
	}
	if w.Lease, held, err = s.Holder(ctx, run); err != nil || !held {
		t.Fatalf("holder: %v, %v", held, err)
	}
	if w.Requests, err = s.Requests(ctx, run, 0); err != nil {
		t.Fatal(err)
	}
	return w
}
