package engine_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// story tells a run entry by entry and asks the decider in between. What the
// decider has recorded is added as an executor would.
type story struct {
	t       *testing.T
	plan    *ripcord.Plan
	entries []ripcord.Entry
	now     time.Time
	asked   int64
}

// begun is a story whose run has been planned, attached to, bundled and started.
func begun(t *testing.T, steps ...ripcord.StepSpec) *story {
	t.Helper()
	s := planned(t, steps...)
	s.tell(ripcord.Entry{Kind: ripcord.RunAttached})
	s.wants("bundle")
	s.tell(ripcord.Entry{Kind: ripcord.RunBundled})
	return s
}

func planned(t *testing.T, steps ...ripcord.StepSpec) *story {
	t.Helper()
	s := &story{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), plan: &ripcord.Plan{
		PlanVersion: ripcord.PlanVersion, Purpose: ripcord.PurposeRelease, Application: "shop", Environment: "test",
		Version: "v2", Parallel: 2, Steps: steps, OnFailure: ripcord.FailurePolicy{Action: ripcord.FailRollback},
	}}
	s.tell(ripcord.Entry{Kind: ripcord.RunPlanned, Run: "r1", Plan: s.plan, Who: "ann"})
	return s
}

// step is a step that keeps the whole contract; changes adapt it.
func step(id ripcord.StepID, changes ...func(*ripcord.StepSpec)) ripcord.StepSpec {
	spec := ripcord.StepSpec{ID: id, Kind: "fake", Adapter: "fake", Traits: ripcord.DefaultTraits(), Retry: ripcord.Retry{Attempts: 1}}
	for _, change := range changes {
		change(&spec)
	}
	return spec
}

func needs(ids ...ripcord.StepID) func(*ripcord.StepSpec) {
	return func(s *ripcord.StepSpec) { s.Needs = ids }
}

func traits(change func(*ripcord.Traits)) func(*ripcord.StepSpec) {
	return func(s *ripcord.StepSpec) { change(&s.Traits) }
}

func way(w ripcord.Way) func(*ripcord.StepSpec) {
	return traits(func(t *ripcord.Traits) { t.Reversal.Way = w })
}

// blind is a command without check that is not idempotent.
func blind(s *ripcord.StepSpec) {
	s.Traits.Checkable, s.Traits.Idempotent, s.Traits.UndoIdempotent = false, false, false
	s.Traits.Reversal.Way = ripcord.WayUnverified
}

// tell adds entries as the journal would.
func (s *story) tell(entries ...ripcord.Entry) {
	for _, e := range entries {
		e.Version, e.Run, e.Seq, e.At = ripcord.EntryVersion, "r1", uint64(len(s.entries))+1, s.now
		s.entries = append(s.entries, e)
	}
}

func (s *story) state() *engine.State { return engine.Fold(s.entries) }

// wants plays the decider's entries and compares the commands that remain.
func (s *story) wants(want ...string) engine.Decision {
	s.t.Helper()
	for range 50 {
		d := engine.Decide(s.plan, s.entries, s.now)
		var got []string
		recorded := false
		for _, c := range d.Commands {
			if c.Op == engine.OpRecord {
				s.tell(c.Entry)
				recorded = true
				continue
			}
			got = append(got, describe(c))
		}
		if recorded {
			continue
		}
		if d.Ended {
			got = append(got, string(s.state().State))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.t.Fatalf("commands differ (-want +got):\n%s\nafter\n%s", diff, s)
		}
		return d
	}
	s.t.Fatalf("the decider never stops to record:\n%s", s)
	return engine.Decision{}
}

func describe(c engine.Command) string {
	words := []string{string(c.Op)}
	if c.Step != "" {
		words = append(words, string(c.Step))
	}
	if c.Attempt > 0 {
		words = append(words, strconv.Itoa(c.Attempt))
	}
	if c.Stop {
		words = append(words, "stop")
	}
	return strings.Join(words, " ")
}

// String is the journal, a line an entry.
func (s *story) String() string {
	var b strings.Builder
	for _, e := range s.entries {
		fmt.Fprintf(&b, "%3d %s %s %s\n", e.Seq, e.Kind, e.Step, e.Reason)
	}
	return b.String()
}

// has reports whether the newest entries include one of the kind.
func (s *story) has(kind ripcord.EntryKind, id ripcord.StepID) ripcord.Entry {
	s.t.Helper()
	for _, e := range slices.Backward(s.entries) {
		if e.Kind == kind && e.Step == id {
			return e
		}
	}
	s.t.Fatalf("no %s %s in\n%s", kind, id, s)
	return ripcord.Entry{}
}

// runs compares the run's state.
func (s *story) runs(want ripcord.RunState) {
	s.t.Helper()
	if got := s.state().State; got != want {
		s.t.Fatalf("the run is %s, want %s:\n%s", got, want, s)
	}
}

// ask tells a request that the executor has taken; it returns why it was refused.
func (s *story) ask(verb ripcord.Verb, id ripcord.StepID) string {
	s.asked++
	r := ripcord.Request{ID: s.asked, Run: "r1", Verb: verb, Step: id, Who: "bob", Reason: "so be it"}
	r.Refused = s.state().Refuse(r)
	s.tell(ripcord.Entry{Kind: ripcord.RunControl, Request: &r, Who: r.Who})
	return r.Refused
}

// must is ask for requests that are taken.
func (s *story) must(verb ripcord.Verb, id ripcord.StepID) {
	s.t.Helper()
	if refused := s.ask(verb, id); refused != "" {
		s.t.Fatalf("%s %s is refused: %s\n%s", verb, id, refused, s)
	}
}

func (s *story) after(d time.Duration) { s.now = s.now.Add(d) }

// What executors tell.

func sighting(p ripcord.Presence, image string) *ripcord.Sighting {
	return &ripcord.Sighting{Presence: p, Exact: image != "", Digest: image}
}

func checked(id ripcord.StepID) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepChecked, Step: id, Seen: sighting(ripcord.Absent, "old")}
}

func intent(id ripcord.StepID, n int) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepIntent, Step: id, Attempt: n}
}

func applied(id ripcord.StepID) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepApplied, Step: id}
}

func failed(id ripcord.StepID) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepFailed, Step: id, Failure: &ripcord.Failure{Class: ripcord.FailedCommand, Summary: "exit status 1"}}
}

func settled(id ripcord.StepID, p ripcord.Presence, image string) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepSettled, Step: id, Seen: sighting(p, image)}
}

func undoIntent(id ripcord.StepID, n int) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepUndoIntent, Step: id, Attempt: n}
}

func undone(id ripcord.StepID) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepUndone, Step: id, Seen: sighting(ripcord.Absent, "old"), Verified: true}
}

func undoFailed(id ripcord.StepID) ripcord.Entry {
	return ripcord.Entry{Kind: ripcord.StepUndoFailed, Step: id, Failure: &ripcord.Failure{Class: ripcord.FailedCommand, Summary: "exit status 2"}}
}

var attached = ripcord.Entry{Kind: ripcord.RunAttached}

// apply tells a whole step.
func (s *story) apply(ids ...ripcord.StepID) {
	for _, id := range ids {
		s.tell(checked(id), intent(id, 1), applied(id))
	}
}
