package wait_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/wait"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{
		Without: map[adaptertest.Part]string{
			adaptertest.PartCheck: "nothing is there to be found", adaptertest.PartChange: "a wait changes nothing",
			adaptertest.PartUndo: "nothing changes", adaptertest.PartUndoAgain: "nothing changes",
		},
		New: func(t *testing.T) adaptertest.Fixture {
			t.Helper()
			return adaptertest.Fixture{
				Adapter: wait.New(), Scope: adaptertest.NewScope(t),
				Spec:        ripcord.StepSpec{ID: "calm", Kind: "wait", Adapter: wait.Kind, Settings: []byte(`{"for":0.02}`)},
				Fingerprint: func(*testing.T) string { return "one world" },
			}
		},
	})
}

func TestGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := adaptertest.NewJournal("k", ripcord.Observation{})
		waitFor := func(d time.Duration) error {
			step, err := wait.New().Open(t.Context(), ripcord.StepSpec{Settings: []byte(`{"for":32.5}`)}, ripcord.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(d, cancel)
			return step.Apply(ctx, j.Attempt(1))
		}
		if err := waitFor(12 * time.Second); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		started := time.Now()
		if err := waitFor(time.Hour); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took != 22500*time.Millisecond {
			t.Errorf("the rest took %s", took)
		}
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		step, err := wait.New().Open(t.Context(), ripcord.StepSpec{Settings: []byte(`{"for":60}`)}, ripcord.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = step.Apply(ctx, adaptertest.NewJournal("k", ripcord.Observation{}).Attempt(1))
		if f, ok := errors.AsType[*ripcord.Failure](err); !ok || f.Class != ripcord.FailedTimeout {
			t.Fatalf("error %v", err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `{"for":0}`, `{"for":-3}`, `{"for":1e12}`, `{"for":"x"}`, `{"until":1}`} {
		if _, err := wait.New().Open(t.Context(), ripcord.StepSpec{Settings: []byte(text)}, ripcord.Scope{}); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%s: %v", text, err)
		}
	}
}
