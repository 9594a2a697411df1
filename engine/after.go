package engine

import (
	"maps"

	"github.com/ripcord-dev/ripcord"
)

// After returns the state that entries would lead to; s stays as it is. An
// executor asks it what follows, to make entries durable together that nothing
// happens between.
func (s *State) After(entries ...ripcord.Entry) *State {
	next := *s
	next.handled = maps.Clone(s.handled)
	next.Steps = maps.Clone(s.Steps)
	for id, t := range s.Steps {
		if concerned(entries, id) {
			own := *t
			next.Steps[id] = &own
		}
	}
	for i := range entries {
		next.Apply(entries[i])
	}
	return &next
}

// concerned reports whether an entry may change the step: those of a run may
// change each.
func concerned(entries []ripcord.Entry, id ripcord.StepID) bool {
	for i := range entries {
		if entries[i].Step == id || !ofStep(entries[i].Kind) {
			return true
		}
	}
	return false
}

// ofStep reports whether entries of this kind change no step but their own.
func ofStep(k ripcord.EntryKind) bool {
	switch k {
	case ripcord.StepChecked, ripcord.StepIntent, ripcord.StepApplied,
		ripcord.RunBundled, ripcord.RunStarted, ripcord.RunCommitted, ripcord.RunSucceeded:
		return true
	default:
		return false
	}
}
