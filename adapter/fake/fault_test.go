package fake_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/fake"
)

func open(tb testing.TB, w *fake.World, settings string) *fake.Step {
	tb.Helper()
	step, err := fake.New(w).Open(tb.Context(), ripcord.StepSpec{ID: "set", Settings: json.RawMessage(settings)}, ripcord.Scope{})
	if err != nil {
		tb.Fatal(err)
	}
	return step.(*fake.Step)
}

func look(tb testing.TB, step *fake.Step) ripcord.Observation {
	tb.Helper()
	seen, err := step.Check(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return seen
}

func newWorld() *fake.World {
	w := fake.NewWorld()
	w.Set("x", "v1")
	return w
}

const plain = `{"target":"x","value":"v2"}`

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		op   fake.Op
		mode fake.Mode
		want ripcord.Presence
		how  string // of the call's end: "failed", "blocked" or "well"
	}{
		{"fail", fake.Apply, fake.Fail, ripcord.Absent, "failed"},
		{"final", fake.Apply, fake.FailFinal, ripcord.Absent, "failed"},
		{"half", fake.Apply, fake.FailHalf, ripcord.Partial, "failed"},
		{"result lost", fake.Apply, fake.FailDone, ripcord.Present, "failed"},
		{"block", fake.Apply, fake.Block, ripcord.Absent, "blocked"},
		{"block half-way", fake.Apply, fake.BlockHalf, ripcord.Partial, "blocked"},
		{"block when done", fake.Apply, fake.BlockDone, ripcord.Present, "blocked"},
		{"no effect", fake.Apply, fake.NoEffect, ripcord.Absent, "well"},
		{"undo fails", fake.Undo, fake.Fail, ripcord.Present, "failed"},
		{"undo half", fake.Undo, fake.FailHalf, ripcord.Partial, "failed"},
		{"undo's result lost", fake.Undo, fake.FailDone, ripcord.Absent, "failed"},
		{"undo without effect", fake.Undo, fake.NoEffect, ripcord.Present, "well"},
		{"undo blocks", fake.Undo, fake.BlockHalf, ripcord.Partial, "blocked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.Inject(fake.Fault{Step: "set", Op: test.op, Mode: test.mode})
				step := open(t, w, plain)
				a := adaptertest.NewJournal("run/set", look(t, step)).Attempt(1)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				result := make(chan error, 1)
				go func() {
					err := step.Apply(ctx, a)
					if test.op == fake.Undo {
						err = step.Undo(ctx, a)
					}
					result <- err
				}()
				synctest.Wait()
				if blocked := len(result) == 0; blocked != (test.how == "blocked") {
					t.Errorf("blocked: %t", blocked)
				}
				cancel()
				if err := <-result; (err == nil) != (test.how == "well") || errors.Is(err, context.Canceled) != (test.how == "blocked") {
					t.Errorf("error %v", err)
				}
				if seen := look(t, step); seen.Presence != test.want {
					t.Errorf("%s, want %s", seen.Presence, test.want)
				}
				if err := errors.Join(step.Apply(t.Context(), a), step.Undo(t.Context(), a)); err != nil {
					t.Error(err) // the fault is over
				}
				if got := w.Fingerprint(); got != "x=v1\n" {
					t.Errorf("the world is %q", got)
				}
			})
		})
	}
}

func TestFaultyChecks(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.Inject(
		fake.Fault{Step: "set", Op: fake.Check, Call: 2, Mode: fake.SayUnknown},
		fake.Fault{Step: "set", Op: fake.Check, Call: 3, Mode: fake.Lie},
		fake.Fault{Step: "set", Op: fake.Check, Call: 4, Count: 2, Mode: fake.Fail},
		fake.Fault{Step: "other", Op: fake.Check, Count: -1, Mode: fake.Fail},
	)
	step := open(t, w, plain)
	var got []string
	for range 6 {
		seen, err := step.Check(t.Context())
		word := string(seen.Presence) + " " + string(seen.Image)
		if err != nil {
			word = "error"
		}
		got = append(got, word)
	}
	want := []string{"absent =v1", "unknown ", "present lie=v1", "error", "error", "absent =v1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// errDeath is what a hook says at the moment of a death.
var errDeath = errors.New("dead")

// dieAt makes the executor die at one moment of an operation.
func dieAt(w *fake.World, op fake.Op, phase fake.Phase) {
	w.OnMoment(func(_ context.Context, m fake.Moment) error {
		if m.Op == op && m.Phase == phase {
			return errDeath
		}
		return nil
	})
}

func TestResume(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		phase     fake.Phase
		resumable bool
		want      error
		present   ripcord.Presence
	}{
		{"before", fake.Begin, true, ripcord.ErrLost, ripcord.Absent},
		{"half-way", fake.Middle, true, nil, ripcord.Present},
		{"at the end", fake.End, true, nil, ripcord.Present},
		{"half-way, not resumable", fake.Middle, false, ripcord.ErrLost, ripcord.Partial},
		{"at the end, not resumable", fake.End, false, ripcord.ErrLost, ripcord.Present},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			settings := plain
			if test.resumable {
				settings = `{"target":"x","value":"v2","resumable":true}`
			}
			step := open(t, w, settings)
			a := adaptertest.NewJournal("run/set", look(t, step)).Attempt(1)
			dieAt(w, fake.Apply, test.phase)
			if err := step.Apply(t.Context(), a); !errors.Is(err, errDeath) {
				t.Fatalf("error %v", err)
			}
			w.OnMoment(nil)
			if err := open(t, w, settings).Resume(t.Context(), a, false); !errors.Is(err, test.want) {
				t.Errorf("Resume: %v, want %v", err, test.want)
			}
			if seen := look(t, step); seen.Presence != test.present {
				t.Errorf("%s, want %s", seen.Presence, test.present)
			}
		})
	}
}

// What must not be repeated leaves traces when it is.
func TestDamage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	step := open(t, w, `{"target":"x","value":"v2","idempotent":false,"undo_idempotent":false}`)
	a := adaptertest.NewJournal("run/set", look(t, step)).Attempt(1)
	do := func(want string, err error) {
		t.Helper()
		if got := w.Fingerprint(); err != nil || got != want {
			t.Errorf("%q (%v), want %q", got, err, want)
		}
	}
	do("x=v2\n", step.Apply(t.Context(), a))
	do("x=v2+v2\n", step.Apply(t.Context(), a))
	do("x=v1\n", step.Undo(t.Context(), a))
	do("x=v1-undo\n", step.Undo(t.Context(), a))
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	w := newWorld()
	step := open(t, w, `{"target":"x","value":"v2","prepares":true,"finishes":true}`)
	a := adaptertest.NewJournal("run/set", look(t, step)).Attempt(1)
	if err := errors.Join(step.Prepare(t.Context(), a), step.Apply(t.Context(), a)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"copy run/set", "old run/set"}, w.Leftovers()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := errors.Join(step.Finish(t.Context(), a), step.Discard(t.Context(), a)); err != nil || len(w.Leftovers()) > 0 {
		t.Errorf("left %v (%v)", w.Leftovers(), err)
	}
	if err := step.Undo(t.Context(), a); err == nil {
		t.Error("Undo works without its copy")
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	step := open(t, newWorld(), plain)
	if got, err := step.Stamp(t.Context()); err != nil || got != nil {
		t.Errorf("stamp %v (%v)", got, err)
	}
	want := ripcord.Stamp{State: "s", Run: "r", Fence: 3}
	if err := step.SetStamp(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, err := step.Stamp(t.Context()); err != nil || *got != want {
		t.Errorf("stamp %v (%v)", got, err)
	}
}

// BenchmarkRelease is what the fakes cost one seed of the simulator: ten steps
// there and back.
func BenchmarkRelease(b *testing.B) {
	scope := ripcord.Scope{}
	spec := ripcord.StepSpec{ID: "set", Settings: json.RawMessage(plain)}
	record := func(context.Context, any) error { return nil }
	for b.Loop() {
		w := newWorld()
		adapter := fake.New(w)
		for range 10 {
			step, err := adapter.Open(b.Context(), spec, scope)
			if err != nil {
				b.Fatal(err)
			}
			before, err := step.Check(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			a := ripcord.Attempt{Key: "run/set", Number: 1, Before: before, Record: record}
			if err := errors.Join(step.Apply(b.Context(), a), step.Undo(b.Context(), a)); err != nil {
				b.Fatal(err)
			}
		}
	}
}
