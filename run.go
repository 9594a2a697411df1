package ripcord

import "time"

// RunState is where a run stands.
type RunState string

// The run states. The last three are ends.
const (
	StatePlanned     RunState = "planned"
	StateRunning     RunState = "running"
	StatePaused      RunState = "paused"
	StateHeld        RunState = "held"
	StateWatching    RunState = "watching"
	StateCommitted   RunState = "committed"
	StateRollingBack RunState = "rolling_back"
	StateSucceeded   RunState = "succeeded"
	StateRolledBack  RunState = "rolled_back"
	StateClosed      RunState = "closed"
)

// Ended reports whether s is an end.
func (s RunState) Ended() bool {
	return s == StateSucceeded || s == StateRolledBack || s == StateClosed
}

// StepState is where a step stands.
type StepState string

// The step states.
const (
	StepIsPending          StepState = "pending"
	StepIsRunning          StepState = "running"
	StepIsApplied          StepState = "applied"
	StepIsFound            StepState = "found"
	StepIsUndoing          StepState = "undoing"
	StepIsUndone           StepState = "undone"
	StepIsUndoneUnverified StepState = "undone_unverified"
	StepIsFailed           StepState = "failed"
	StepIsSkipped          StepState = "skipped"
)

// Summary is a run in one row, derived from its entries alone. A store keeps it
// beside them so that lists need not read the journal.
type Summary struct {
	Run         RunID     `json:"run"`
	Application string    `json:"application"`
	Environment string    `json:"environment"`
	Version     string    `json:"version"`
	Purpose     Purpose   `json:"purpose"`
	State       RunState  `json:"state"`
	StartedAt   time.Time `json:"started_at"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	FailedStep  StepID    `json:"failed_step,omitempty"`
	Failure     *Failure  `json:"failure,omitempty"`
	// BackAt is when the run began to go back.
	BackAt time.Time `json:"back_at,omitzero"`
	// Committed says that the release became last good.
	Committed bool `json:"committed,omitempty"`
	// Verified says that the way back was proved in full.
	Verified bool `json:"verified,omitempty"`
	// Unverified lists steps that went back without proof, or not at all.
	Unverified []StepID `json:"unverified,omitempty"`
	// Left lists the steps among Unverified that did not go back.
	Left []StepID `json:"left,omitempty"`
	// Why is the newest reason given for the state.
	Why string `json:"why,omitempty"`
	// Until is the deadline of the hold.
	Until time.Time `json:"until,omitzero"`
	// Cleanup lists steps whose Finish did not succeed.
	Cleanup []StepID `json:"cleanup,omitempty"`
	Who     string   `json:"who,omitempty"`
	Entries uint64   `json:"entries"`
	Head    string   `json:"head,omitempty"`
	// Detached says that the keeper carries the run out.
	Detached bool `json:"detached,omitempty"`
	// Reverts and Returns are those of the plan.
	Reverts []RunID `json:"reverts,omitempty"`
	Returns RunID   `json:"returns,omitempty"`
}

// Apply brings the summary up to date with the run's next entry.
func (s *Summary) Apply(e Entry) {
	s.Entries, s.Head = e.Seq, e.Hash
	if next, ok := e.RunState(); ok {
		s.State, s.Why, s.Until = next, e.Reason, time.Time{}
	}
	switch e.Kind {
	case RunPlanned:
		s.plan(e)
	case RunAttached:
		s.Detached = s.Detached || e.Executor != nil && e.Executor.Keeper
	case RunHeld:
		s.fail(e)
		if e.Until != nil {
			s.Until = *e.Until
		}
	case RunReleased:
		if s.BackAt.IsZero() { // what failed is tried again
			s.Failure, s.FailedStep = nil, ""
		}
	case RunRollingBack:
		s.fail(e)
		if s.BackAt.IsZero() {
			s.BackAt = e.At
		}
	case RunCommitted:
		s.Committed, s.Verified = true, e.Verified
	case StepUndone:
		if !e.Verified {
			s.Unverified = append(s.Unverified, e.Step)
		}
	case StepLeft:
		s.Unverified = append(s.Unverified, e.Step)
		s.Left = append(s.Left, e.Step)
	case RunSucceeded:
		s.Cleanup, s.EndedAt = e.Cleanup, e.At
	case RunRolledBack:
		s.Verified, s.EndedAt = e.Verified, e.At
	case RunClosed:
		s.EndedAt = e.At
	default:
	}
}

func (s *Summary) plan(e Entry) {
	s.Run, s.StartedAt, s.Who = e.Run, e.At, e.Who
	s.Detached = e.Executor != nil && e.Executor.Keeper
	if p := e.Plan; p != nil {
		s.Application, s.Environment, s.Version = p.Application, p.Environment, p.Version
		s.Purpose, s.Reverts, s.Returns = p.Purpose, p.Reverts, p.Returns
	}
}

func (s *Summary) fail(e Entry) {
	if e.Failure != nil && s.Failure == nil {
		s.Failure, s.FailedStep = e.Failure, e.Step
	}
}

// RecoverySeconds is how long the way back took, 0 before its end.
func (s *Summary) RecoverySeconds() float64 {
	if s.BackAt.IsZero() || s.EndedAt.IsZero() {
		return 0
	}
	return s.EndedAt.Sub(s.BackAt).Seconds()
}

// RunState is the run state that the entry sets; ok is false when it sets none.
func (e *Entry) RunState() (next RunState, ok bool) {
	switch e.Kind {
	case RunResumed, RunReleased:
		return e.State, true
	case RunPlanned:
		return StatePlanned, true
	case RunStarted:
		return StateRunning, true
	case RunPaused:
		return StatePaused, true
	case RunHeld:
		return StateHeld, true
	case RunWatching:
		return StateWatching, true
	case RunCommitted:
		return StateCommitted, true
	case RunRollingBack:
		return StateRollingBack, true
	case RunSucceeded:
		return StateSucceeded, true
	case RunRolledBack:
		return StateRolledBack, true
	case RunClosed:
		return StateClosed, true
	default:
		return "", false
	}
}
