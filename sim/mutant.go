package sim

import (
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// Mutant is a way to break the engine on purpose, to show that the judge sees
// it. Each field replaces one part; nil leaves it as it is.
type Mutant struct {
	Name string
	// Decide changes a decision.
	Decide func(s *engine.State, now time.Time, d engine.Decision) engine.Decision
	// State changes the state before it is decided upon.
	State func(s *engine.State)
	// Entries changes what is written to the journal.
	Entries func(entries []ripcord.Entry) []ripcord.Entry
	// Seen changes what a Check tells.
	Seen func(o ripcord.Observation) ripcord.Observation
}

func (m *Mutant) decide(*simulation) func(s *engine.State, now time.Time) engine.Decision {
	if m == nil || m.Decide == nil && m.State == nil {
		return nil
	}
	return func(s *engine.State, now time.Time) engine.Decision {
		if m.State != nil {
			m.State(s)
		}
		d := s.Decide(now)
		if m.Decide != nil {
			d = m.Decide(s, now, d)
		}
		return d
	}
}

func (m *Mutant) entries(_ *process, entries []ripcord.Entry) []ripcord.Entry {
	if m == nil || m.Entries == nil {
		return entries
	}
	return m.Entries(entries)
}

func (m *Mutant) seen(o ripcord.Observation) ripcord.Observation {
	if m == nil || m.Seen == nil {
		return o
	}
	return m.Seen(o)
}
