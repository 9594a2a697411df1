package local_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
	"github.com/ripcord-dev/ripcord/engine/local"
)

func TestRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", `,"prepares":true,"finishes":true`), set("b", ""), set("c", "", "a", "b"))
		state := w.run()
		if state.State != ripcord.StateSucceeded {
			t.Fatalf("the run is %s:\n%s", state.State, w.journal())
		}
		w.is("new", "a", "b", "c")
		if left := w.world.Leftovers(); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		good, err := w.store.LastGood(t.Context(), "shop", "test")
		if err != nil || good.Run != "r1" {
			t.Errorf("last good is %q (%v)", good.Run, err)
		}
	})
}

func TestFailureGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""), set("b", `,"records":true`, "a"), set("c", "", "b"))
		before := w.world.Fingerprint()
		w.world.Inject(fake.Fault{Step: "c", Op: fake.Apply, Mode: fake.FailHalf})
		state := w.run()
		if state.State != ripcord.StateRolledBack || !w.has(ripcord.RunRolledBack).Verified {
			t.Fatalf("the run is %s:\n%s", state.State, w.journal())
		}
		if now := w.world.Fingerprint(); now != before {
			t.Errorf("the world is\n%s, and was\n%s", now, before)
		}
		if e := w.has(ripcord.RunEvidence); len(e.Blobs) != 3 {
			t.Errorf("evidence: %v", e.Blobs)
		}
		if state.Failed != "c" {
			t.Errorf("failed is %q", state.Failed)
		}
	})
}

// TestBeside: a step that stands beside others ends when they have passed, and
// is stopped when one of them fails.
func TestBeside(t *testing.T) {
	t.Parallel()
	beside := func() []ripcord.StepSpec {
		guard := set("guard", `,"way":"nothing","checkable":false`)
		guard.Until = []ripcord.StepID{"b"}
		return []ripcord.StepSpec{guard, set("a", ""), set("b", "", "a")}
	}
	t.Run("passes", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorkbench(t, beside()...)
			w.plan.Parallel = 1
			if state := w.run(); state.State != ripcord.StateSucceeded {
				t.Fatalf("the run is %s:\n%s", state.State, w.journal())
			}
			if last := w.has(ripcord.StepApplied); last.Step != "guard" {
				t.Errorf("%s ended last", last.Step)
			}
		})
	})
	t.Run("another fails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorkbench(t, beside()...)
			w.world.Inject(fake.Fault{Step: "b", Op: fake.Apply, Mode: fake.FailHalf})
			if state := w.run(); state.State != ripcord.StateRolledBack || state.Failed != "b" {
				t.Fatalf("the run is %s:\n%s", state.State, w.journal())
			}
			w.is("old", "a", "b")
		})
	})
}

// TestOutputs: later steps get the values of earlier ones; sensitive values
// stay out of the journal.
func TestOutputs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		user := set("user", `,"outputs":{"name":"shop","key":"s3cr3t"},"sensitive_outputs":["key"]`)
		uses := set("uses", "", "user")
		uses.Settings = []byte(`{"target":"t-uses","value":"${steps.user.outputs.name}:${steps.user.outputs.key}"}`)
		w := newWorkbench(t, user, uses)
		w.run()
		w.is("shop:s3cr3t", "uses")
		if o := w.has(ripcord.StepApplied); o.Step != "uses" {
			t.Fatalf("last applied is %s", o.Step)
		}
		for _, e := range w.entries() {
			for _, o := range e.Outputs {
				if strings.Contains(o.Value, "s3cr3t") {
					t.Errorf("the secret stands in %s", e.Kind)
				}
			}
		}
	})
}

func TestMissingOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		uses := set("uses", "", "user")
		uses.Settings = []byte(`{"target":"t-uses","value":"${steps.user.outputs.name}"}`)
		w := newWorkbench(t, set("user", ""), uses)
		if state := w.run(); state.State != ripcord.StateRolledBack {
			t.Errorf("the run is %s", state.State)
		}
		if f := w.has(ripcord.StepFailed).Failure; !strings.Contains(f.Summary, `output "name" of step user`) {
			t.Errorf("the failure says %q", f.Summary)
		}
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := set("a", "")
		a.Timeout = ripcord.Duration(3 * time.Second)
		w := newWorkbench(t, a)
		w.world.Inject(fake.Fault{Step: "a", Op: fake.Apply, Mode: fake.BlockHalf})
		began := time.Now()
		w.run()
		if f := w.has(ripcord.StepFailed).Failure; f.Class != ripcord.FailedTimeout {
			t.Errorf("the failure is %+v", f)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("took %s", took)
		}
		w.is("old", "a")
	})
}

// TestAbort reaches an effect that blocks, and its sibling.
func TestAbort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""), set("b", ""))
		w.world.Inject(fake.Fault{Step: "a", Op: fake.Apply, Mode: fake.BlockHalf}, fake.Fault{Step: "b", Op: fake.Apply, Mode: fake.BlockDone})
		w.begin()
		done := make(chan error)
		go func() {
			_, err := w.executor().Run(t.Context())
			done <- err
		}()
		synctest.Wait()
		w.ask(ripcord.VerbAbort)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w.is("old", "a", "b")
		if f := w.has(ripcord.StepFailed).Failure; f.Class != ripcord.FailedCancelled {
			t.Errorf("the failure is %+v", f)
		}
	})
}

// TestFencedOff: an executor that lost its lease stops its effects, writes
// nothing more and says so; the next one brings the run home.
func TestFencedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""))
		w.world.Inject(fake.Fault{Step: "a", Op: fake.Apply, Mode: fake.BlockHalf})
		w.begin()
		done := make(chan error)
		go func() {
			_, err := w.executor().Run(t.Context())
			done <- err
		}()
		synctest.Wait()
		var err error
		if w.lease, err = w.store.Acquire(t.Context(), "r1", ripcord.Executor{ID: "x2"}, ttl, w.lease.Fence); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, ripcord.ErrFenced) {
			t.Errorf("the first executor ended with %v", err)
		}
		state, err := w.executor().Run(t.Context())
		if err != nil || state.State != ripcord.StateSucceeded {
			t.Fatalf("%v\n%s", err, w.journal())
		}
		w.is("new", "a")
	})
}

// withoutRenewal is a journal whose lease table cannot be reached.
type withoutRenewal struct{ local.Journal }

var errAway = errors.New("the store is away")

func (withoutRenewal) Renew(_ context.Context, l ripcord.Lease, _ time.Duration) (ripcord.Lease, error) {
	return l, errAway
}

// TestNothingBeyondTheLease: who cannot renew stops when the lease expires, not
// later.
func TestNothingBeyondTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""))
		w.world.Inject(fake.Fault{Step: "a", Op: fake.Apply, Mode: fake.Block})
		w.begin()
		_, err := w.executor(func(o *local.Options) { o.Journal = withoutRenewal{w.store} }).Run(t.Context())
		if !errors.Is(err, errAway) {
			t.Errorf("ended with %v", err)
		}
		if late := time.Since(w.lease.Expires); late < 0 || late > time.Second {
			t.Errorf("stopped %s after the lease's end", late)
		}
	})
}

// TestStopped: an executor whose context ends leaves the run to the next one,
// which begins where it stopped.
func TestStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", `,"resumable":true`))
		w.world.Inject(fake.Fault{Step: "a", Op: fake.Apply, Mode: fake.BlockHalf})
		w.begin()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := w.executor().Run(ctx)
			done <- err
		}()
		synctest.Wait()
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if last := w.entries()[len(w.entries())-1]; last.Kind != ripcord.StepIntent {
			t.Errorf("the newest entry is %s", last.Kind)
		}
		var err error
		if w.lease, err = w.store.Acquire(t.Context(), "r1", ripcord.Executor{ID: "x2"}, ttl, w.lease.Fence); err != nil {
			t.Fatal(err)
		}
		state, err := w.executor().Run(t.Context())
		if err != nil || !state.State.Ended() {
			t.Fatalf("%v\n%s", err, w.journal())
		}
	})
}

func TestBundle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""))
		w.run(func(o *local.Options) {
			o.Bundle = func(context.Context, *ripcord.Plan) (map[string]ripcord.BlobRef, error) {
				return nil, errors.New("undo.sh is not there")
			}
		})
		e := w.has(ripcord.RunRolledBack)
		if !e.Verified || w.has(ripcord.RunRollingBack).Failure == nil {
			t.Errorf("without a bundle:\n%s", w.journal())
		}
		w.is("old", "a")
	})
}

// TestUnpacksBeforeSteps: a step may fail at once, which cancels everything on
// the way forward; by then the bundle's folder is there.
func TestUnpacksBeforeSteps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""))
		w.run(func(o *local.Options) {
			o.Bundle = func(context.Context, *ripcord.Plan) (map[string]ripcord.BlobRef, error) {
				return map[string]ripcord.BlobRef{"bundle": {Digest: "d"}}, nil
			}
			o.Unpack = func(ctx context.Context, blobs map[string]ripcord.BlobRef) (string, error) {
				if blobs["bundle"].Digest != "d" {
					t.Errorf("unpacks %v", blobs)
				}
				time.Sleep(time.Minute)
				for _, e := range w.entries() { //nolint:contextcheck // the journal is read for the test, not for the run
					if e.Kind == ripcord.RunBundled || e.Step != "" {
						t.Errorf("%s %s while the bundle is unpacked", e.Kind, e.Step)
					}
				}
				return "/bundle", ctx.Err()
			}
		})
		w.has(ripcord.RunSucceeded)
	})
}

// TestForeignTarget: a target of another state directory is not touched.
func TestForeignTarget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""))
		opened, err := fake.New(w.world).Open(t.Context(), w.plan.Steps[0], ripcord.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		stamper, ok := opened.(ripcord.Stamper)
		if !ok {
			t.Fatal("the step carries no stamp")
		}
		if err := stamper.SetStamp(t.Context(), ripcord.Stamp{State: "theirs", Run: "r9", Fence: 7}); err != nil {
			t.Fatal(err)
		}
		w.run()
		if f := w.has(ripcord.StepFailed).Failure; !strings.Contains(f.Summary, "theirs") {
			t.Errorf("the failure says %q", f.Summary)
		}
		w.is("old", "a")
	})
}

// TestRequestsInOrder: the strongest of those that wait is taken first, and none
// is passed over when the executor dies in between.
func TestRequestsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""))
		w.begin()
		w.ask(ripcord.VerbHold)
		w.ask(ripcord.VerbPause)
		stops := &stopAfter{Store: w.store, kind: ripcord.RunPaused}
		if _, err := w.executor(func(o *local.Options) { o.Journal = stops }).Run(t.Context()); !errors.Is(err, errAway) {
			t.Fatalf("ended with %v", err)
		}
		state, err := w.executor(func(o *local.Options) { o.LeaveOnHold = true }).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if state.State != ripcord.StateHeld {
			t.Errorf("the run is %s, so the first request was passed over:\n%s", state.State, w.journal())
		}
	})
}

// stopAfter is a journal that is away once it has an entry of the kind.
type stopAfter struct {
	ripcord.Store
	kind ripcord.EntryKind
	away bool
}

func (s *stopAfter) Append(ctx context.Context, entries ...ripcord.Entry) error {
	if s.away {
		return errAway
	}
	for i := range entries {
		s.away = s.away || entries[i].Kind == s.kind
	}
	return s.Store.Append(ctx, entries...)
}
