package sim

import (
	"context"
	"reflect"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
	"github.com/ripcord-dev/ripcord/engine/local"
)

// end judges a run as a whole, once nobody works on it any more.
func (j *judge) end() {
	s := j.sim
	ctx := context.Background()
	var own []ripcord.Entry
	prev := ""
	for e, err := range s.store.Entries(ctx, s.run, 0) {
		if err != nil {
			j.violate("chain", "the journal cannot be read: %v", err)
			return
		}
		if s.sealed {
			sealed, err := ripcord.Seal(e, uint64(len(own))+1, prev)
			if err != nil || sealed.Hash != e.Hash {
				j.violate("chain", "entry %d does not follow from the one before", e.Seq)
			}
			prev = e.Hash
		}
		own = append(own, e)
	}
	all, err := local.Load(ctx, s.process, s.run)
	if err != nil {
		j.violate("journal", "the run cannot be loaded: %v", err)
		return
	}
	state := engine.Fold(all)
	j.agrees(own, state)
	if p := s.process; p.state != nil && !same(*p.state, *state) {
		j.violate("fold", "the executor's last state is not what its entries lead to")
	}
	s.coverage.count("ended " + string(state.State))
}

// same compares what entries lead to. The newest entry itself was numbered and
// hashed by the store, which the executor does not wait for.
func same(a, b engine.State) bool {
	a.Last, b.Last = ripcord.Entry{}, ripcord.Entry{}
	return reflect.DeepEqual(a, b)
}

// agrees: the row that lists show says what the entries say.
func (j *judge) agrees(own []ripcord.Entry, state *engine.State) {
	var row ripcord.Summary
	for i := range own {
		row.Apply(own[i])
	}
	if row.State != state.State || row.Committed != state.Committed || row.FailedStep != state.Failed ||
		(row.Failure == nil) != (state.Failure == nil) || row.BackAt.IsZero() == state.Back {
		j.violate("summary", "the row says %s %v %q, the entries %s %v %q",
			row.State, row.Committed, row.FailedStep, state.State, state.Committed, state.Failed)
	}
	unverified := 0
	for _, t := range state.Steps {
		if t.Left || t.State == ripcord.StepIsUndoneUnverified {
			unverified++
		}
	}
	if unverified != len(row.Unverified) {
		j.violate("summary", "the row lists %v as unverified, the entries %d steps", row.Unverified, unverified)
	}
}
