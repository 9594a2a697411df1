package local_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
	"github.com/ripcord-dev/ripcord/engine"
	"github.com/ripcord-dev/ripcord/engine/local"
	"github.com/ripcord-dev/ripcord/store/memory"
)

// workbench is a world, a store, and executors on them. Tests run it in a
// synctest bubble, so that time passes by itself.
type workbench struct {
	t     *testing.T
	world *fake.World
	store *memory.Store
	blobs *blobs
	plan  ripcord.Plan
	lease ripcord.Lease
}

const ttl = 6 * time.Second

func newWorkbench(t *testing.T, steps ...ripcord.StepSpec) *workbench {
	t.Helper()
	w := &workbench{
		t: t, world: fake.NewWorld(), store: memory.New(memory.Options{Now: time.Now}), blobs: &blobs{data: map[string][]byte{}},
		plan: ripcord.Plan{
			PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease, Application: "shop", Environment: "test",
			Version: "v2", Parallel: 3, Steps: steps, OnFailure: ripcord.FailurePolicy{Action: ripcord.FailRollback},
		},
	}
	for _, s := range steps {
		w.world.Set("t-"+string(s.ID), "old")
	}
	return w
}

// set is a step that sets its target to "new"; settings are added to its JSON.
func set(id ripcord.StepID, settings string, needs ...ripcord.StepID) ripcord.StepSpec {
	raw := fmt.Sprintf(`{"target":"t-%s","value":"new"%s}`, id, settings)
	opened, err := fake.New(fake.NewWorld()).Open(context.Background(),
		ripcord.StepSpec{ID: id, Settings: json.RawMessage(raw)}, ripcord.Scope{})
	if err != nil {
		panic(err)
	}
	traits := ripcord.DefaultTraits()
	if d, ok := opened.(ripcord.Describer); ok {
		traits = d.Traits()
	}
	return ripcord.StepSpec{
		ID: id, Kind: "fake", Adapter: fake.Kind, Needs: needs, Settings: json.RawMessage(raw),
		Traits: traits, Retry: ripcord.Retry{Attempts: 1},
	}
}

func (w *workbench) begin() {
	w.t.Helper()
	planned := ripcord.Entry{Kind: ripcord.RunPlanned, Run: "r1", At: time.Now(), Plan: &w.plan, Who: "ann", Version: ripcord.EntryVersion}
	var err error
	if w.lease, err = w.store.Begin(w.t.Context(), planned, ripcord.Executor{ID: "x1"}, ttl); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workbench) executor(change ...func(o *local.Options)) *local.Executor {
	o := local.Options{
		Journal: w.store, Adapters: map[string]ripcord.Adapter{fake.Kind: fake.New(w.world)},
		Scope:   ripcord.Scope{Blobs: w.blobs, StateDir: "/state"},
		Runtime: local.System{Clock: time.Now}, StateID: w.store.StateID(), Lease: w.lease, TTL: ttl,
	}
	for _, c := range change {
		c(&o)
	}
	return local.New(o)
}

// run carries the run out to its end.
func (w *workbench) run(change ...func(o *local.Options)) *engine.State {
	w.t.Helper()
	w.begin()
	state, err := w.executor(change...).Run(w.t.Context())
	if err != nil {
		w.t.Fatalf("run: %v\n%s", err, w.journal())
	}
	return state
}

func (w *workbench) ask(verb ripcord.Verb) {
	w.t.Helper()
	if _, err := w.store.Ask(w.t.Context(), ripcord.Request{Run: "r1", Verb: verb, Who: "bob"}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workbench) entries() []ripcord.Entry {
	var all []ripcord.Entry
	for e, err := range w.store.Entries(w.t.Context(), "r1", 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func (w *workbench) journal() string {
	var b strings.Builder
	for _, e := range w.entries() {
		fmt.Fprintf(&b, "%s %s %s\n", e.Kind, e.Step, e.Reason)
	}
	return b.String()
}

// has returns the newest entry of a kind.
func (w *workbench) has(kind ripcord.EntryKind) ripcord.Entry {
	w.t.Helper()
	for _, e := range slices.Backward(w.entries()) {
		if e.Kind == kind {
			return e
		}
	}
	w.t.Fatalf("there is no %s in\n%s", kind, w.journal())
	return ripcord.Entry{}
}

// is compares targets with what they should be.
func (w *workbench) is(want string, steps ...ripcord.StepID) {
	w.t.Helper()
	for _, id := range steps {
		if got := w.world.Image("t-" + string(id)); got != "="+want {
			w.t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
}

// blobs are kept in memory.
type blobs struct {
	lock sync.Mutex
	data map[string][]byte
}

func (b *blobs) Put(_ context.Context, run ripcord.RunID, name string, r io.Reader) (ripcord.BlobRef, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return ripcord.BlobRef{}, err
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	path := fmt.Sprintf("%s/%s/%d", run, name, len(b.data))
	b.data[path] = data
	return ripcord.BlobRef{Path: path, Digest: b.Digest(data), Size: int64(len(data))}, nil
}

func (b *blobs) Open(_ context.Context, ref ripcord.BlobRef) (io.ReadCloser, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	data, ok := b.data[ref.Path]
	if !ok {
		return nil, fmt.Errorf("no blob %s", ref.Path)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (b *blobs) Delete(_ context.Context, ref ripcord.BlobRef) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	delete(b.data, ref.Path)
	return nil
}

func (b *blobs) Digest(data []byte) string { return hex.EncodeToString(data) }
