package sqlite

import (
	"sync"

	"github.com/ripcord-dev/ripcord"
)

// known remembers runs as they were after their newest append through this
// store, so that entries can be sealed before it is their turn to be written,
// beside one another. It is only a guess: whether a run is still as it was
// remembered is seen in the transaction, and what is not is sealed anew.
type known struct {
	lock sync.Mutex
	runs map[ripcord.RunID]run
}

// addition seals entries onto what is known of their run. Where nothing is, or
// they would be refused, that is left to the transaction, which knows for sure.
func (k *known) addition(entries []ripcord.Entry) addition {
	a := addition{entries: entries}
	k.lock.Lock()
	r, ok := k.runs[entries[0].Run]
	k.lock.Unlock()
	if ok && a.extend(r) != nil {
		a = addition{entries: entries}
	}
	return a
}

func (k *known) put(r run) {
	k.lock.Lock()
	defer k.lock.Unlock()
	if r.ended {
		delete(k.runs, r.summary.Run)
		return
	}
	if k.runs == nil || len(k.runs) > cacheLimit {
		k.runs = make(map[ripcord.RunID]run)
	}
	k.runs[r.summary.Run] = r
}

// same reports whether entries sealed onto r are sealed onto o as well: the head
// of the chain stands for all that was journaled, fence and pruned for the rest.
func (r *run) same(o *run) bool {
	return r.n != 0 && r.n == o.n && r.fence == o.fence && r.pruned == o.pruned && r.ended == o.ended &&
		r.summary.Entries == o.summary.Entries && r.summary.Head == o.summary.Head
}
