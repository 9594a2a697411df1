package canary_test

import (
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/analysis/canary"
)

func without() map[adaptertest.Part]string {
	return map[adaptertest.Part]string{
		adaptertest.PartCheck: "nothing is there to be found", adaptertest.PartChange: "it only looks",
		adaptertest.PartUndo: "nothing changes", adaptertest.PartUndoAgain: "nothing changes",
	}
}

func TestConformanceOfAnalysis(t *testing.T) {
	t.Parallel()
	settings := `{"new":{"colour":"green"},"old":{"colour":"blue"},"interval":0.01,"shift":"all","shares":[5,100],
		"metrics":[{"name":"errors","kind":"errors","source":"world"}]}`
	adaptertest.Run(t, adaptertest.Config{Without: without(), New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		w := shop()
		w.new, w.old, w.last = load{20000, .001}, load{180000, .001}, time.Now().Add(-time.Second)
		analyze, _ := canary.New(w)
		return adaptertest.Fixture{
			Adapter: analyze, Scope: adaptertest.NewScope(t), References: []string{"shift"},
			Spec:        ripcord.StepSpec{ID: "judge", Kind: "analyze", Adapter: canary.Kind, Settings: []byte(settings)},
			Fingerprint: func(*testing.T) string { return "one world" },
		}
	}})
}

func TestConformanceOfBake(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{Without: without(), New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		_, bake := canary.New()
		return adaptertest.Fixture{
			Adapter: bake, Scope: adaptertest.NewScope(t), References: []string{"old"},
			Spec:        ripcord.StepSpec{ID: "stage", Kind: "bake", Adapter: canary.BakeKind, Settings: []byte(`{"for":0.02,"old":"blue"}`)},
			Fingerprint: func(*testing.T) string { return "one world" },
		}
	}})
}
