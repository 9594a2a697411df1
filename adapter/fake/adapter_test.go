package fake_test

import (
	"encoding/json"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/fake"
)

func fixture(settings string) func(t *testing.T) adaptertest.Fixture {
	return func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		world := fake.NewWorld()
		world.Set("x", "v1")
		world.Set("other", "stays")
		scope := adaptertest.NewScope(t)
		scope.Secrets = adaptertest.Secrets{"KEY": "s3cr3t-value"}
		broken := func(name string, mode fake.Mode) adaptertest.Break {
			return adaptertest.Break{
				Name:  name,
				Break: func(*testing.T) { world.Inject(fake.Fault{Step: "set", Op: fake.Apply, Mode: mode}) },
				Mend:  func(*testing.T) { world.Heal() },
			}
		}
		return adaptertest.Fixture{
			Adapter:     fake.New(world),
			Spec:        ripcord.StepSpec{ID: "set", Kind: "fake", Adapter: fake.Kind, Settings: json.RawMessage(settings)},
			Scope:       scope,
			Fingerprint: func(*testing.T) string { return world.Fingerprint() },
			References:  []string{"value", "target"},
			Secrets:     []string{"s3cr3t-value"},
			Breaks:      []adaptertest.Break{broken("fail", fake.Fail), broken("half", fake.FailHalf), broken("done", fake.FailDone)},
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	none := map[adaptertest.Part]string{}
	tests := []struct {
		name, settings string
		without        map[adaptertest.Part]string
	}{
		{"plain", `{"target":"x","value":"v2"}`, none},
		{"new target", `{"target":"y","value":"v2"}`, none},
		{"everything", `{"target":"x","value":"v2 ${secret:KEY}","resumable":true,"records":true,"prepares":true,"finishes":true,"outputs":{"a":"b"},"sensitive_outputs":["a"]}`, none},
		{"inexact", `{"target":"x","value":"v2","exact":false}`, none},
		{"restorable", `{"target":"x","value":"v2","way":"restorable","loss":"a little"}`, none},
		{"unverified", `{"target":"x","value":"v2","checkable":false}`, map[adaptertest.Part]string{
			adaptertest.PartCheck: "the settings say so",
		}},
		{"not idempotent", `{"target":"x","value":"v2","checkable":false,"idempotent":false,"undo_idempotent":false}`, map[adaptertest.Part]string{
			adaptertest.PartCheck: "the settings say so", adaptertest.PartAgain: "the settings say so", adaptertest.PartUndoAgain: "the settings say so",
		}},
		{"no way back", `{"target":"x","value":"v2","way":"none"}`, map[adaptertest.Part]string{
			adaptertest.PartUndo: "the settings say so", adaptertest.PartUndoAgain: "the settings say so",
		}},
		{"nothing", `{"target":"x","value":"v2","way":"nothing"}`, map[adaptertest.Part]string{
			adaptertest.PartUndo: "nothing changes", adaptertest.PartUndoAgain: "nothing changes", adaptertest.PartChange: "nothing changes",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: fixture(test.settings), Without: test.without})
		})
	}
}
