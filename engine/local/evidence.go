package local

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// evidenceWithin is how long all evidence together may take; steps are told to end
// a moment earlier. evidenceAtOnce is how many are asked side by side.
const (
	evidenceWithin = 5 * time.Second
	evidenceAtOnce = 32
)

// gathered is what one step shows.
type gathered struct {
	pieces []ripcord.Evidence
	err    error
}

// gatherEvidence freezes what the executed steps can show, before undo destroys
// it. A gap is recorded and never blocks: a step that does not come back in time,
// because its machine is gone perhaps, is left to itself. It only reads.
func (x *Executor) gatherEvidence(ctx context.Context) error {
	limited, done := x.Runtime.Within(ctx, evidenceWithin)
	defer done()
	ids := x.startedSteps()
	all := x.askForEvidence(limited, ids)
	blobs, gaps := make(map[string]ripcord.BlobRef), []string(nil)
	for _, id := range ids {
		g, came := all[id]
		if !came {
			g.err = fmt.Errorf("no answer within %s", evidenceWithin)
		}
		if g.err != nil {
			gaps = append(gaps, fmt.Sprintf("%s: %v", id, g.err))
		}
		for _, piece := range g.pieces {
			name := string(id) + "/" + piece.Name
			ref, err := x.Scope.Blobs.Put(ctx, x.run, "evidence/"+name, bytes.NewReader(piece.Data))
			if err != nil {
				gaps = append(gaps, fmt.Sprintf("%s: %v", name, err))
				continue
			}
			blobs[name] = ref
		}
	}
	if ctx.Err() != nil {
		return nil // this executor ends; the next one gathers anew
	}
	return x.append(ctx, ripcord.Entry{Kind: ripcord.RunEvidence, Blobs: blobs, Reason: strings.Join(gaps, "; ")})
}

// askForEvidence asks steps side by side, so that one whose machine is gone takes
// no time from the others, and returns what came before ctx ended.
func (x *Executor) askForEvidence(ctx context.Context, ids []ripcord.StepID) map[ripcord.StepID]gathered {
	asked, done := x.Runtime.Within(ctx, evidenceWithin-evidenceWithin/10)
	defer done()
	var mu sync.Mutex
	all, arrived := make(map[ripcord.StepID]gathered), make(chan struct{}, len(ids))
	ask := func(id ripcord.StepID) {
		x.Runtime.Go(engine.Command{Op: engine.OpEvidence, Step: id}, func() {
			pieces, err := x.evidenceOf(asked, id)
			mu.Lock()
			all[id] = gathered{pieces, err}
			mu.Unlock()
			arrived <- struct{}{}
		})
	}
	for i, id := range ids {
		if i >= evidenceAtOnce {
			x.Runtime.Wait(ctx, arrived, evidenceWithin)
		}
		if ctx.Err() != nil {
			break
		}
		ask(id)
	}
	came := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(all)
	}
	for came() < len(ids) && ctx.Err() == nil {
		x.Runtime.Wait(ctx, arrived, evidenceWithin)
	}
	mu.Lock()
	defer mu.Unlock()
	return maps.Clone(all) // those that come later write into all
}

func (x *Executor) startedSteps() []ripcord.StepID {
	x.mu.Lock()
	defer x.mu.Unlock()
	var ids []ripcord.StepID
	for _, spec := range x.state.Plan.Steps {
		if x.state.Steps[spec.ID].Started {
			ids = append(ids, spec.ID)
		}
	}
	return ids
}

func (x *Executor) evidenceOf(ctx context.Context, id ripcord.StepID) ([]ripcord.Evidence, error) {
	t := x.newTask(ctx, engine.Command{Op: engine.OpEvidence, Step: id})
	step, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	if e, ok := step.(ripcord.Evidencer); ok {
		return e.Evidence(ctx)
	}
	return nil, nil
}
