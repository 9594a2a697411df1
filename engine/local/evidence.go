package local

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// evidenceWithin is how long all evidence together may take.
const evidenceWithin = 5 * time.Second

// gatherEvidence freezes what the executed steps can show, before undo destroys
// it. A gap is recorded and never blocks.
func (x *Executor) gatherEvidence(ctx context.Context) error {
	limited, done := x.Runtime.Within(ctx, evidenceWithin)
	defer done()
	blobs, gaps := make(map[string]ripcord.BlobRef), []string(nil)
	for _, id := range x.startedSteps() {
		pieces, err := x.evidenceOf(limited, id)
		if err != nil {
			gaps = append(gaps, fmt.Sprintf("%s: %v", id, err))
		}
		for _, piece := range pieces {
			name := string(id) + "/" + piece.Name
			ref, err := x.Scope.Blobs.Put(limited, x.run, "evidence/"+name, bytes.NewReader(piece.Data))
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
