// Package engine decides what a run does next. It is pure: the state of a run
// is folded from its journal entries, and Decide gives the next commands for a
// state and a time. Executors (package engine/local) carry commands out and
// append what happened; nothing else changes a run.
package engine

import (
	"encoding/json"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Effect is what is going on at a step, as far as the journal knows.
type Effect string

// The effects.
const (
	NoEffect  Effect = ""
	Preparing Effect = "prepare"
	Applying  Effect = "apply"
	Undoing   Effect = "undo"
)

// Step is what the entries say of one step.
type Step struct {
	Spec  *ripcord.StepSpec
	State ripcord.StepState
	// Before is the before-image; nil until the first Check.
	Before *ripcord.Sighting
	// Seen is the newest sighting that settled the step; Lost says that it
	// followed an interruption whose result is not proved.
	Seen *ripcord.Sighting
	Lost bool
	// Effect is begun and has no result yet; Interrupted says that the executor
	// that began it is gone.
	Effect      Effect
	Interrupted bool
	// Started says that an intent exists; Order is the first one's number.
	Started bool
	Order   uint64
	// Attempts and Undos count intents, Failures and UndoFailures the results
	// since the last retry by a person, Unknowns the checks that saw nothing.
	Attempts, Undos        int
	Failures, UndoFailures int
	Unknowns               int
	// AwaySince is when the step's target was first found out of reach, since it
	// was reached last.
	AwaySince time.Time `json:",omitzero"`
	RetryAt   time.Time
	Failure   *ripcord.Failure
	// Made says that Prepare began, so that there may be something to discard.
	// Undiscarded says that it could not be discarded.
	Made, Prepared, Discarded, Undiscarded bool
	// Settled says that a Check followed the end of the effect on the way back.
	Settled bool
	// UndoBad says that the newest undo has failed.
	UndoBad bool
	// Forced says that a person ordered to go on with the step without proof.
	Forced bool
	// Loss is the data that the newest undo was refused for; empty when it was not.
	// LossAccepted says that a person accepted it.
	Loss         string `json:",omitempty"`
	LossAccepted bool   `json:",omitempty"`
	// Left says that going back leaves the step as it is.
	Left                       bool
	Verified                   bool
	Asked, AskedBack           bool
	AskUntil                   time.Time
	Approved, ApprovedBack     bool
	Finished                   bool
	Unfinished                 int
	Outputs                    map[string]ripcord.Output
	Progress                   []json.RawMessage
	Logs                       []ripcord.BlobRef
	StartedAt, EndedAt         time.Time
	UndoStartedAt, UndoEndedAt time.Time
	// UndoTriedAt is when the newest try of the undo began.
	UndoTriedAt time.Time `json:"-"`
}

// Hold is why and until when a run waits for a person.
type Hold struct {
	Reason string
	Step   ripcord.StepID
	Until  time.Time
	Then   ripcord.FailureAction
	// Back says that the run was going back when it was held.
	Back bool
	// Stop says that effects in progress are to be stopped.
	Stop bool
}

// State is a run as its entries tell it.
type State struct {
	Run  ripcord.RunID
	Plan *ripcord.Plan
	// Version is that of the release whose steps these are; a rollback run's plan
	// has the version that comes back.
	Version string
	State   ripcord.RunState
	Steps   map[ripcord.StepID]*Step
	// Back says that the run goes back.
	Back    bool
	Paused  bool
	Hold    *Hold
	Bundled bool
	Blobs   map[string]ripcord.BlobRef
	Started bool
	// Attached is the number of executors that the run had.
	Attached      int
	Committed     bool
	Evidence      bool
	EvidenceBlobs map[string]ripcord.BlobRef
	// Failed is the step that made the run fail, with its failure.
	Failed  ripcord.StepID
	Failure *ripcord.Failure
	// BackReason says why the run goes back.
	BackReason string
	// Want is what people asked for and what is not done yet.
	Want        ripcord.Verb
	WantBy      *ripcord.Request
	LastRequest int64
	Last        ripcord.Entry
	seq         uint64
	handled     map[int64]bool
}

// Handled reports whether a request has become a control. Requests are handled
// by strength, so one that is older than LastRequest may still wait.
func (s *State) Handled(id int64) bool { return s.handled[id] }

// Fold returns the state that the entries lead to. A rollback run's entries
// follow those of the release that it takes back.
func Fold(entries []ripcord.Entry) *State {
	s := &State{}
	for i := range entries {
		s.Apply(entries[i])
	}
	return s
}

// Apply brings the state up to date with the next entry.
func (s *State) Apply(e ripcord.Entry) {
	s.seq++
	if e.Kind == ripcord.RunPlanned {
		s.plan(e)
	}
	s.Last = e
	if next, ok := e.RunState(); ok {
		s.State = next
	}
	if e.Step != "" && s.applyStep(e) {
		return
	}
	s.applyRun(e)
}

// plan begins a run. A rollback run keeps the steps of the release before it.
func (s *State) plan(e ripcord.Entry) {
	before, version := s.Steps, e.Plan.Version
	reverts := len(e.Plan.Reverts) > 0 && s.Run != "" && e.Plan.Reverts[0] == s.Run
	if reverts {
		version = s.Version
	}
	*s = State{Run: e.Run, Plan: e.Plan, Version: version, seq: s.seq, Steps: make(map[ripcord.StepID]*Step, len(e.Plan.Steps))}
	for i := range e.Plan.Steps {
		spec := &e.Plan.Steps[i]
		s.Steps[spec.ID] = &Step{Spec: spec, State: ripcord.StepIsPending}
		if old := before[spec.ID]; reverts && old != nil {
			s.Steps[spec.ID] = old.inherited(spec)
		}
	}
}

// inherited is a committed release's step, as the run that takes it back begins
// with it.
func (t *Step) inherited(spec *ripcord.StepSpec) *Step {
	return &Step{
		Spec: spec, State: t.State, Before: t.Before, Started: t.Started, Order: t.Order, Prepared: t.Prepared, Made: t.Made,
		Discarded: t.Discarded, Finished: t.Finished, Outputs: t.Outputs, Progress: t.Progress, Attempts: t.Attempts,
	}
}

func (s *State) applyRun(e ripcord.Entry) {
	switch e.Kind {
	case ripcord.RunStarted:
		s.Started = true
	case ripcord.RunBundled:
		s.Bundled, s.Blobs = true, e.Blobs
	case ripcord.RunAttached:
		s.attach()
	case ripcord.RunPaused:
		s.Paused = true
		s.clearWant()
	case ripcord.RunResumed:
		s.Paused = false
		s.clearWant()
	case ripcord.RunHeld:
		s.hold(e)
	case ripcord.RunReleased:
		s.release(e)
	case ripcord.RunRollingBack:
		s.Back, s.Hold, s.Paused = true, nil, false
		if s.BackReason == "" {
			s.BackReason = e.Reason
		}
		s.fail(e)
		s.clearWant()
		for _, t := range s.Steps { // pauses of the way forward do not delay the way back
			t.RetryAt, t.Unknowns, t.AwaySince = time.Time{}, 0, time.Time{}
		}
	case ripcord.RunEvidence:
		s.Evidence, s.EvidenceBlobs = true, e.Blobs
	case ripcord.RunCommitted:
		s.Committed = true
	case ripcord.RunControl:
		s.control(e)
	default:
	}
}

func (s *State) fail(e ripcord.Entry) {
	if e.Failure != nil && s.Failure == nil {
		s.Failed, s.Failure = e.Step, e.Failure
	}
}

func (s *State) clearWant() { s.Want, s.WantBy = "", nil }

// attach marks all effects in progress as interrupted: a new executor is here.
func (s *State) attach() {
	s.Attached++
	for _, t := range s.Steps {
		if t.Effect != NoEffect {
			t.Interrupted = true
		}
	}
}

func (s *State) hold(e ripcord.Entry) {
	s.Hold = &Hold{Reason: e.Reason, Step: e.Step, Then: e.Then, Back: s.Back, Stop: e.Request != nil}
	if e.Until != nil {
		s.Hold.Until = *e.Until
	}
	s.Paused = false
	s.fail(e)
	s.clearWant()
}

// release ends a hold: what failed may be tried again.
func (s *State) release(e ripcord.Entry) {
	s.Hold, s.Paused = nil, e.State == ripcord.StatePaused
	s.clearWant()
	for _, t := range s.Steps {
		t.retry(s.Back, e.Step == t.Spec.ID)
	}
	if !s.Back {
		s.Failed, s.Failure = "", nil
	}
}

// retry forgets the failures that led to a hold.
func (t *Step) retry(back, named bool) {
	t.RetryAt, t.Unknowns, t.AwaySince = time.Time{}, 0, time.Time{}
	if !t.Approved {
		t.Asked, t.AskUntil = false, time.Time{}
	}
	if back {
		t.UndoFailures = 0
		t.Forced = t.Forced || named
		return
	}
	t.Failures = 0
	if t.State == ripcord.StepIsFailed {
		t.State, t.Failure = ripcord.StepIsPending, nil
	}
	if t.Lost && named {
		t.Forced = true
	}
}

func (s *State) control(e ripcord.Entry) {
	r := e.Request
	if r == nil {
		return
	}
	s.LastRequest = max(s.LastRequest, r.ID)
	if s.handled == nil {
		s.handled = make(map[int64]bool)
	}
	s.handled[r.ID] = true
	if r.Refused != "" {
		return
	}
	switch r.Verb {
	case ripcord.VerbApprove, ripcord.VerbReject:
		s.answer(r)
	case ripcord.VerbPause, ripcord.VerbResume, ripcord.VerbAbort, ripcord.VerbRollback, ripcord.VerbClose,
		ripcord.VerbHold, ripcord.VerbRetry, ripcord.VerbSkip:
		s.Want, s.WantBy = r.Verb, r
	}
}

func (s *State) answer(r *ripcord.Request) {
	t := s.Steps[r.Step]
	if t == nil {
		return
	}
	yes := r.Verb == ripcord.VerbApprove
	switch {
	case s.Back && yes && t.losing():
		t.LossAccepted = true
	case s.Back && yes:
		t.ApprovedBack = true
	case yes:
		t.Approved = true
	default:
		t.AskedBack = t.AskedBack && !s.Back // asked anew after the hold
		s.Want, s.WantBy = ripcord.VerbReject, r
	}
}
