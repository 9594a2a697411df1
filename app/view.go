package app

import (
	"context"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// View is a run as `show`, `status` and `history` give it. Its JSON names are a
// surface: they do not change.
type View struct {
	Run         ripcord.RunID    `json:"run"`
	Application string           `json:"application"`
	Environment string           `json:"environment"`
	Version     string           `json:"version"`
	Purpose     ripcord.Purpose  `json:"purpose"`
	State       ripcord.RunState `json:"state"`
	StartedAt   time.Time        `json:"started_at"`
	EndedAt     *time.Time       `json:"ended_at"`
	FailedStep  ripcord.StepID   `json:"failed_step,omitempty"`
	Cause       *Cause           `json:"cause,omitempty"`
	// RecoverySeconds is how long the way back took.
	RecoverySeconds *float64 `json:"recovery_seconds,omitempty"`
	// Verified says that the way back was proved in full; absent unless the run
	// went back.
	Verified        *bool            `json:"verified,omitempty"`
	UnverifiedSteps []ripcord.StepID `json:"unverified_steps,omitempty"`
	LeftSteps       []ripcord.StepID `json:"left_steps,omitempty"`
	CleanupPending  []ripcord.StepID `json:"cleanup_pending,omitempty"`
	// Interrupted says that the run has not ended and nobody carries it out.
	Interrupted bool       `json:"interrupted,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	HeldUntil   *time.Time `json:"held_until,omitempty"`
	StartedBy   string     `json:"started_by,omitempty"`
	LastGood    bool       `json:"last_good,omitempty"`
	Steps       []StepView `json:"steps,omitempty"`
}

// Cause is why a run failed.
type Cause struct {
	Class      ripcord.FailureClass `json:"class"`
	Summary    string               `json:"summary"`
	Confidence float64              `json:"confidence"`
	Lines      []string             `json:"lines"`
}

// StepView is one step of a View.
type StepView struct {
	ID        ripcord.StepID    `json:"id"`
	Kind      string            `json:"kind"`
	State     ripcord.StepState `json:"state"`
	Attempts  int               `json:"attempts"`
	StartedAt *time.Time        `json:"started_at"`
	EndedAt   *time.Time        `json:"ended_at"`
	// WayBack is how the step can go back; Undoable says that it still can.
	WayBack  ripcord.Way      `json:"way_back"`
	Undoable bool             `json:"undoable"`
	Failure  *ripcord.Failure `json:"failure,omitempty"`
	Reason   string           `json:"reason,omitempty"`
}

// View returns a run's view without its steps.
func (a *App) View(ctx context.Context, s ripcord.Summary) (View, error) {
	v := View{
		Run: s.Run, Application: s.Application, Environment: s.Environment, Version: s.Version, Purpose: s.Purpose,
		State: s.State, StartedAt: s.StartedAt.UTC(), EndedAt: when(s.EndedAt), FailedStep: s.FailedStep, Cause: cause(s.Failure),
		UnverifiedSteps: s.Unverified, LeftSteps: s.Left, CleanupPending: s.Cleanup, Reason: s.Why,
		HeldUntil: when(s.Until), StartedBy: s.Who,
	}
	if !s.BackAt.IsZero() && s.State.Ended() {
		seconds := s.RecoverySeconds()
		v.RecoverySeconds, v.Verified = &seconds, &s.Verified
	}
	good, err := a.store.LastGood(ctx, s.Application, s.Environment)
	v.LastGood = err == nil && good.Run == s.Run
	if s.State.Ended() || s.State == ripcord.StateHeld {
		return v, nil
	}
	living, err := a.living(ctx, s.Run)
	v.Interrupted = !living && !(s.Detached && s.State == ripcord.StatePlanned)
	return v, err
}

// Show returns a run's view with its steps.
func (a *App) Show(ctx context.Context, s ripcord.Summary) (View, error) {
	v, err := a.View(ctx, s)
	if err != nil {
		return v, err
	}
	state, err := a.State(ctx, s.Run)
	if err != nil {
		return v, err
	}
	for i := range state.Plan.Steps {
		v.Steps = append(v.Steps, stepView(state, state.Steps[state.Plan.Steps[i].ID]))
	}
	return v, nil
}

func stepView(s *engine.State, t *engine.Step) StepView {
	way := t.Spec.Traits.Reversal.Way
	applied := t.State == ripcord.StepIsApplied
	return StepView{
		ID: t.Spec.ID, Kind: t.Spec.Kind, State: t.State, Attempts: t.Attempts,
		StartedAt: when(t.StartedAt), EndedAt: when(t.EndedAt), WayBack: way,
		Undoable: applied && way != ripcord.WayNone && !(s.Committed && t.Finished), Failure: t.Failure, Reason: t.Spec.Skip,
	}
}

func cause(f *ripcord.Failure) *Cause {
	if f == nil {
		return nil
	}
	return &Cause{Class: f.Class, Summary: f.Summary, Confidence: 1, Lines: f.Lines}
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
