package adaptertest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// leaks fails the test for each secret that a text shows.
func (w *world) leaks(t *testing.T, where, text string) {
	t.Helper()
	for i, secret := range w.Secrets {
		if strings.Contains(text, secret) {
			t.Errorf("secret %d shows in %s: %q", i, where, text)
		}
	}
}

func (w *world) leaksJSON(t *testing.T, where string, v any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	w.leaks(t, where, string(raw))
}

// secretsHidden looks everywhere that a step's words go.
func secretsHidden(t *testing.T, w *world) {
	t.Helper()
	look := func() {
		step := w.open(t)
		seen, err := step.Check(t.Context())
		w.leaks(t, "Observation.Detail", seen.Detail)
		w.leaks(t, "Check's error", describe(err))
		w.leaksJSON(t, "Traits", w.traits)
		if explainer, ok := step.(ripcord.Explainer); ok {
			text, err := explainer.Explain(t.Context())
			w.leaks(t, "Explain", text+describe(err))
		}
		if evidencer, ok := step.(ripcord.Evidencer); ok {
			pieces, err := evidencer.Evidence(t.Context())
			w.leaks(t, "Evidence's error", describe(err))
			for _, piece := range pieces {
				w.leaks(t, "Evidence", piece.Name+string(piece.Data))
			}
		}
	}
	look()
	w.apply(t)
	look()
	if outputter, ok := w.open(t).(ripcord.Outputter); ok {
		outputs, err := outputter.Outputs(t.Context(), w.journal.Attempt(w.applies))
		w.leaks(t, "Outputs' error", describe(err))
		for name, output := range outputs {
			if !output.Sensitive {
				w.leaks(t, "output "+name, output.Value)
			}
		}
	}
	if applies(PartUndo, w.traits) {
		w.undo(t)
		look()
	}
	w.leaks(t, "Output", w.journal.Output())
	w.leaksJSON(t, "Progress", w.journal.Progress())
}
