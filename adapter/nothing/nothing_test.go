package nothing_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/nothing"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{
		Without: map[adaptertest.Part]string{
			adaptertest.PartCheck: "nothing is there to be found", adaptertest.PartChange: "it changes nothing",
			adaptertest.PartUndo: "nothing changes", adaptertest.PartUndoAgain: "nothing changes",
		},
		New: func(t *testing.T) adaptertest.Fixture {
			t.Helper()
			return adaptertest.Fixture{
				Adapter: nothing.New(), Scope: adaptertest.NewScope(t),
				Spec:        ripcord.StepSpec{ID: "go", Kind: "approve", Adapter: nothing.Kind, Settings: []byte(`{}`), Ask: &ripcord.Ask{Apply: "Go?"}},
				Fingerprint: func(*testing.T) string { return "one world" },
			}
		},
	})
}
