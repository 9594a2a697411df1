package local_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
	"github.com/ripcord-dev/ripcord/engine/local"
)

// deaf is an adapter whose steps tell their evidence only when they are let, like
// those on a machine that is gone.
type deaf struct {
	ripcord.Adapter
	step ripcord.StepID
	let  chan struct{}
}

// Open opens a step.
func (d deaf) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	step, err := d.Adapter.Open(ctx, spec, scope)
	if err != nil || spec.ID != d.step {
		return step, err
	}
	return deafStep{step.(*fake.Step), d.let}, nil
}

type deafStep struct {
	*fake.Step
	let chan struct{}
}

// Evidence hears nothing, not even that its time is over.
func (d deafStep) Evidence(context.Context) ([]ripcord.Evidence, error) {
	<-d.let
	return nil, nil
}

// TestEvidenceNeverBlocks: a step that does not come back with its evidence leaves
// a gap, and takes no time from the others.
func TestEvidenceNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, set("a", ""), set("b", "", "a"), set("c", "", "b"))
		w.world.Inject(fake.Fault{Step: "c", Op: fake.Apply, Mode: fake.FailHalf})
		let := make(chan struct{})
		defer close(let)
		began := time.Now()
		state := w.run(func(o *local.Options) {
			o.Adapters = map[string]ripcord.Adapter{fake.Kind: deaf{o.Adapters[fake.Kind], "a", let}}
		})
		if state.State != ripcord.StateRolledBack {
			t.Fatalf("the run is %s:\n%s", state.State, w.journal())
		}
		if lasted := time.Since(began); lasted > 6*time.Second {
			t.Errorf("going back took %s", lasted)
		}
		e := w.has(ripcord.RunEvidence)
		if len(e.Blobs) != 2 || !strings.Contains(e.Reason, "a: no answer within 5s") {
			t.Errorf("evidence %v, gaps %q", e.Blobs, e.Reason)
		}
	})
}
