package adaptertest

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func traitsSane(t *testing.T, w *world) {
	t.Helper()
	step, traits := w.open(t), w.traits
	_, prepares := step.(ripcord.Preparer)
	_, finishes := step.(ripcord.Finisher)
	if traits.Prepares && !prepares || traits.Finishes && !finishes {
		t.Errorf("the traits promise Prepare %t, Finish %t; the step has Prepare %t, Finish %t", traits.Prepares, traits.Finishes, prepares, finishes)
	}
	switch traits.Reversal.Way {
	case ripcord.WayExact, ripcord.WayRestorable:
		if !traits.Checkable {
			t.Errorf("the way back is %s, but nothing can check it", traits.Reversal.Way)
		}
	case ripcord.WayUnverified, ripcord.WayNone, ripcord.WayNothing:
	default:
		t.Errorf("the way back is %q", traits.Reversal.Way)
	}
	if traits.Reversal.Way == ripcord.WayRestorable && traits.Reversal.Loss == "" {
		t.Error("the way back loses something, but the traits do not say what")
	}
}

func checkReads(t *testing.T, w *world) {
	t.Helper()
	was := w.before
	if w.applies > 0 {
		was = w.Fingerprint(t)
	}
	w.check(t)
	if now := w.Fingerprint(t); now != was {
		t.Fatalf("Check changed the world:\nbefore %s\nnow    %s", was, now)
	}
}

func checkStable(t *testing.T, w *world) {
	t.Helper()
	first, second := w.journal.Before, w.check(t)
	if w.applies > 0 {
		first = w.check(t)
	}
	if first.Presence != second.Presence || !bytes.Equal(first.Image, second.Image) || first.Exact != second.Exact {
		t.Fatalf("two checks of one world differ:\n%s %q\n%s %q", first.Presence, first.Image, second.Presence, second.Image)
	}
}

func checkAbsent(t *testing.T, w *world) {
	t.Helper()
	if w.journal.Before.Presence != ripcord.Absent {
		t.Fatalf("in a new world the effect is %s", w.journal.Before.Presence)
	}
}

func applyOnce(t *testing.T, w *world) {
	t.Helper()
	w.apply(t)
	w.present(t)
}

func applyTwice(t *testing.T, w *world) {
	t.Helper()
	w.apply(t)
	once := w.Fingerprint(t)
	w.apply(t)
	if twice := w.Fingerprint(t); twice != once {
		t.Fatalf("a second Apply changed the world:\nonce  %s\ntwice %s", once, twice)
	}
	w.present(t)
}

func applyNothing(t *testing.T, w *world) {
	t.Helper()
	if changed := w.Fingerprint(t) != w.before; changed != applies(PartChange, w.traits) {
		t.Fatalf("Apply changed the world: %t; the way back is %s", changed, w.traits.Reversal.Way)
	}
}

func undoAfter(t *testing.T, w *world) {
	t.Helper()
	w.apply(t)
	w.undo(t)
	w.back(t)
}

func undoWithout(t *testing.T, w *world) {
	t.Helper()
	w.prepare(t)
	w.undo(t)
	w.back(t)
}

func undoTwice(t *testing.T, w *world) {
	t.Helper()
	w.apply(t)
	w.undo(t)
	w.undo(t)
	w.back(t)
}

func undoApply(t *testing.T, w *world) {
	t.Helper()
	w.apply(t)
	w.undo(t)
	w.back(t)
	again := &world{Fixture: w.Fixture, traits: w.traits, before: w.before, journal: NewJournal("run-2/"+string(w.Spec.ID), w.check(t))}
	again.Scope.Run = "run-2"
	again.apply(t)
	again.present(t)
	again.undo(t)
	again.back(t)
}

func outputsStable(t *testing.T, w *world) {
	t.Helper()
	outputter, ok := w.open(t).(ripcord.Outputter)
	if !ok {
		return
	}
	a := w.journal.Attempt(w.applies)
	first, err := outputter.Outputs(t.Context(), a)
	if err != nil {
		t.Fatalf("Outputs: %v", describe(err))
	}
	reopened, ok := w.open(t).(ripcord.Outputter)
	if !ok {
		t.Fatal("a second Open gives no Outputter")
	}
	second, err := reopened.Outputs(t.Context(), a)
	if err != nil {
		t.Fatalf("Outputs in a new process: %v", describe(err))
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the outputs differ (-first +second):\n%s", diff)
	}
}

func explainReads(t *testing.T, w *world) {
	t.Helper()
	explainer, ok := w.open(t).(ripcord.Explainer)
	if !ok {
		return
	}
	text, err := explainer.Explain(t.Context())
	if err != nil || text == "" {
		t.Errorf("Explain: %q, %v", text, describe(err))
	}
	if now := w.Fingerprint(t); now != w.before {
		t.Errorf("Explain changed the world:\nbefore %s\nnow    %s", w.before, now)
	}
}

func evidenceReads(t *testing.T, w *world) {
	t.Helper()
	evidencer, ok := w.open(t).(ripcord.Evidencer)
	if !ok {
		return
	}
	applied := w.Fingerprint(t)
	pieces, err := evidencer.Evidence(t.Context())
	if err != nil {
		t.Errorf("Evidence: %v", describe(err))
	}
	names := map[string]bool{}
	for _, piece := range pieces {
		if piece.Name == "" || names[piece.Name] {
			t.Errorf("evidence is named %q twice or not at all", piece.Name)
		}
		names[piece.Name] = true
	}
	if now := w.Fingerprint(t); now != applied {
		t.Errorf("Evidence changed the world:\nbefore %s\nnow    %s", applied, now)
	}
}

func prepareTwice(t *testing.T, w *world) {
	t.Helper()
	if !w.traits.Prepares {
		return
	}
	w.prepare(t)
	w.prepare(t)
	w.apply(t)
	if applies(PartUndo, w.traits) {
		w.undo(t)
	}
	for range 2 {
		preparer, ok := w.open(t).(ripcord.Preparer)
		if !ok {
			t.Fatal("a second Open gives no Preparer")
		}
		if err := preparer.Discard(t.Context(), w.journal.Attempt(1)); err != nil {
			t.Fatalf("Discard: %v", describe(err))
		}
	}
	if applies(PartUndo, w.traits) {
		w.back(t)
	}
}

// prepareUndo takes back a step that was prepared twice, also after its Apply:
// the first copy counts.
func prepareUndo(t *testing.T, w *world) {
	t.Helper()
	w.apply(t)
	w.prepare(t)
	w.undo(t)
	w.back(t)
}

func finishTwice(t *testing.T, w *world) {
	t.Helper()
	if !w.traits.Finishes {
		return
	}
	w.apply(t)
	var once string
	for i := range 2 {
		finisher, ok := w.open(t).(ripcord.Finisher)
		if !ok {
			t.Fatal("a second Open gives no Finisher")
		}
		if err := finisher.Finish(t.Context(), w.journal.Attempt(i+1)); err != nil {
			t.Fatalf("Finish %d: %v", i+1, describe(err))
		}
		if i == 0 {
			once = w.Fingerprint(t)
		}
	}
	if now := w.Fingerprint(t); now != once {
		t.Errorf("a second Finish changed the world:\nonce  %s\ntwice %s", once, now)
	}
	w.present(t)
}

func cancelledBefore(t *testing.T, w *world) {
	t.Helper()
	if !applies(PartChange, w.traits) {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.prepare(t)
	cancel()
	if err := w.open(t).Apply(ctx, w.journal.Attempt(1)); err == nil && w.Fingerprint(t) != w.before {
		t.Error("Apply ignores a context that has ended")
	}
	if applies(PartUndoAgain, w.traits) {
		w.undo(t)
		w.back(t)
	}
}
