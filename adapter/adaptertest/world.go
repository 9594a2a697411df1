package adaptertest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// world is a fixture in use: it plays the engine's part.
type world struct {
	Fixture
	traits  ripcord.Traits
	journal *Journal
	before  string // the fingerprint
	applies int
	undoes  int
}

// world makes a fixture, checks it and takes its before-image.
func (s suite) world(t *testing.T) *world {
	t.Helper()
	w := &world{Fixture: s.config.New(t), traits: s.traits}
	w.before = w.Fingerprint(t)
	seen := w.check(t)
	if w.traits.Checkable && seen.Presence == ripcord.Unknown {
		t.Fatalf("Check of a new world: unknown (%s)", seen.Detail)
	}
	w.journal = NewJournal(ripcord.Key(w.Scope.Run, w.Spec.ID), seen)
	return w
}

// open opens the step as a new process does.
func (w *world) open(t *testing.T) ripcord.Step {
	t.Helper()
	return w.openIn(t, w.Scope)
}

func (w *world) openIn(t *testing.T, scope ripcord.Scope) ripcord.Step {
	t.Helper()
	step, err := w.Adapter.Open(t.Context(), w.Spec, scope)
	if err != nil {
		t.Fatalf("Open: %v", describe(err))
	}
	return step
}

func (w *world) check(t *testing.T) ripcord.Observation {
	t.Helper()
	seen, err := w.open(t).Check(t.Context())
	if err != nil && w.traits.Checkable {
		t.Fatalf("Check: %v", describe(err))
	}
	return seen
}

func (w *world) prepare(t *testing.T) {
	t.Helper()
	if preparer, ok := w.open(t).(ripcord.Preparer); ok && w.traits.Prepares {
		if err := preparer.Prepare(t.Context(), w.journal.Attempt(1)); err != nil {
			t.Fatalf("Prepare: %v", describe(err))
		}
	}
}

// apply prepares and applies; ctx may be one that ends.
func (w *world) applyIn(ctx context.Context, t *testing.T, scope ripcord.Scope, wrap func(*ripcord.Attempt)) error {
	t.Helper()
	w.prepare(t) //nolint:contextcheck // ctx is Apply's alone
	w.applies++
	a := w.journal.Attempt(w.applies)
	if wrap != nil {
		wrap(&a)
	}
	return w.openIn(t, scope).Apply(ctx, a) //nolint:contextcheck // ctx is Apply's alone
}

func (w *world) apply(t *testing.T) {
	t.Helper()
	if err := w.applyIn(t.Context(), t, w.Scope, nil); err != nil {
		t.Fatalf("Apply: %v\noutput:\n%s", describe(err), w.journal.Output())
	}
}

func (w *world) undo(t *testing.T) {
	t.Helper()
	w.undoes++
	if err := w.open(t).Undo(t.Context(), w.journal.Attempt(w.undoes)); err != nil {
		t.Fatalf("Undo: %v\noutput:\n%s", describe(err), w.journal.Output())
	}
}

// present fails the test unless the effect is there.
func (w *world) present(t *testing.T) {
	t.Helper()
	if !w.traits.Checkable {
		return
	}
	if seen := w.check(t); seen.Presence != ripcord.Present && applies(PartChange, w.traits) {
		t.Fatalf("after Apply the effect is %s (%s)", seen.Presence, seen.Detail)
	}
}

// back fails the test unless the world is as it was.
func (w *world) back(t *testing.T) {
	t.Helper()
	if w.traits.Reversal.Way != ripcord.WayRestorable {
		if now := w.Fingerprint(t); now != w.before {
			t.Fatalf("the world is not as before:\nbefore %s\nnow    %s", w.before, now)
		}
	}
	if !w.traits.Checkable {
		return
	}
	seen, was := w.check(t), w.journal.Before
	if seen.Presence != was.Presence || !bytes.Equal(seen.Image, was.Image) {
		t.Fatalf("the image is not as before:\nbefore %s %q\nnow    %s %q", was.Presence, was.Image, seen.Presence, seen.Image)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func codeIs(t *testing.T, err error, want ripcord.Code) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one of code %s", want)
	}
	if _, ok := errors.AsType[*ripcord.Error](err); !ok || ripcord.CodeOf(err) != want {
		t.Fatalf("error %q has code %s, want %s", err, ripcord.CodeOf(err), want)
	}
}
