package app

import (
	"context"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
	"github.com/ripcord-dev/ripcord/keeper"
)

// View is a run as `show`, `status` and `history` give it. Its JSON names are a
// surface: they do not change.
type View struct {
	Run         ripcord.RunID `json:"run"`
	Application string        `json:"application"`
	Environment string        `json:"environment"`
	// Version is empty where a rollback left nothing released.
	Version    string           `json:"version"`
	Purpose    ripcord.Purpose  `json:"purpose"`
	State      ripcord.RunState `json:"state"`
	StartedAt  time.Time        `json:"started_at"`
	EndedAt    *time.Time       `json:"ended_at"`
	FailedStep *ripcord.StepID  `json:"failed_step"`
	Cause      *Cause           `json:"cause"`
	// RecoverySeconds is how long the way back took.
	RecoverySeconds *float64 `json:"recovery_seconds"`
	// Verified says that the way back was proved in full; null unless the run
	// went back.
	Verified        *bool            `json:"verified"`
	UnverifiedSteps []ripcord.StepID `json:"unverified_steps"`
	LeftSteps       []ripcord.StepID `json:"left_steps,omitempty"`
	CleanupPending  []ripcord.StepID `json:"cleanup_pending,omitempty"`
	// Interrupted says that the run has not ended and nobody carries it out.
	Interrupted bool       `json:"interrupted,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	HeldUntil   *time.Time `json:"held_until,omitempty"`
	StartedBy   string     `json:"started_by,omitempty"`
	LastGood    bool       `json:"last_good,omitempty"`
	// Canaries are in `show` and, while the run goes on, in `status`.
	Canaries []CanaryView `json:"canaries,omitempty"`
	// Steps, Requests and Evidence are in `show` only.
	Steps    []StepView        `json:"steps,omitempty"`
	Requests []ripcord.Request `json:"requests,omitempty"`
	Evidence []string          `json:"evidence,omitempty"`
}

// Cause is why a run failed.
type Cause struct {
	Class   ripcord.FailureClass `json:"class"`
	Summary string               `json:"summary"`
	// Confidence is how sure it is that Summary names the cause, 0 to 1.
	Confidence float64  `json:"confidence"`
	Lines      []string `json:"lines"`
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
		Run: s.Run, Application: s.Application, Environment: s.Environment, Version: version(s.Version), Purpose: s.Purpose,
		State: s.State, StartedAt: s.StartedAt.UTC(), EndedAt: when(s.EndedAt), FailedStep: failedStep(s), Cause: cause(s.Failure),
		UnverifiedSteps: append([]ripcord.StepID{}, s.Unverified...), LeftSteps: s.Left, CleanupPending: s.Cleanup, Reason: s.Why,
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
	if err == nil && !living {
		v.Interrupted, err = a.abandoned(s)
	}
	return v, err
}

// abandoned says of a run without an executor that none is on its way: a keeper
// that lives begins with a detached run in a moment, unless it has tried already.
func (a *App) abandoned(s ripcord.Summary) (bool, error) {
	if !s.Detached || s.State != ripcord.StatePlanned {
		return true, nil
	}
	info, err := a.KeeperInfo()
	if err != nil || !info.Running {
		return true, err
	}
	return keeper.Ended(a.dir, s.Run)
}

// Show returns a run's view with its steps; without them when they were pruned.
func (a *App) Show(ctx context.Context, s ripcord.Summary) (View, error) {
	v, err := a.View(ctx, s)
	if err != nil {
		return v, err
	}
	state, err := a.State(ctx, s.Run)
	if ripcord.CodeOf(err) == ripcord.CodeNotFound {
		return v, nil // its entries were pruned
	}
	if err != nil {
		return v, err
	}
	for i := range state.Plan.Steps {
		v.Steps = append(v.Steps, stepView(state, state.Steps[state.Plan.Steps[i].ID]))
	}
	v.Evidence, v.Canaries = evidenceNames(state), canaries(state, true)
	v.Requests, err = a.requests(ctx, s.Run, state)
	return v, err
}

// requests lists what people asked of the run: what was handled, then what waits.
func (a *App) requests(ctx context.Context, run ripcord.RunID, state *engine.State) ([]ripcord.Request, error) {
	var list []ripcord.Request
	for e, err := range a.store.Entries(ctx, run, 0) {
		if err != nil {
			return nil, err
		}
		if e.Kind == ripcord.RunControl && e.Request != nil {
			list = append(list, *e.Request)
		}
	}
	if state.State.Ended() {
		return list, nil
	}
	waiting, err := a.store.Requests(ctx, run, 0)
	for _, r := range waiting {
		if !state.Handled(r.ID) {
			list = append(list, r)
		}
	}
	return list, err
}

// version is empty where a rollback left nothing; journals once had a word for it.
func version(text string) string {
	if text == "(none)" {
		return ""
	}
	return text
}

func failedStep(s ripcord.Summary) *ripcord.StepID {
	if s.FailedStep == "" {
		return nil
	}
	return &s.FailedStep
}

// Interrupted returns the unfinished runs that nobody carries out.
func (a *App) Interrupted(ctx context.Context) ([]View, error) {
	views, err := a.History(ctx, ripcord.Filter{Unfinished: true})
	return slices.DeleteFunc(views, func(v View) bool { return !v.Interrupted }), err
}

func stepView(s *engine.State, t *engine.Step) StepView {
	way := t.Spec.Traits.Reversal.Way
	applied := t.State == ripcord.StepIsApplied
	return StepView{
		ID: t.Spec.ID, Kind: t.Spec.Kind, State: t.State, Attempts: t.Attempts,
		StartedAt: when(t.StartedAt), EndedAt: when(t.EndedAt), WayBack: way,
		Undoable: applied && way != ripcord.WayNone && (!s.Committed || !dropped(t)), Failure: t.Failure, Reason: t.Spec.Skip,
	}
}

func cause(f *ripcord.Failure) *Cause {
	if f == nil {
		return nil
	}
	return &Cause{Class: f.Class, Summary: f.Summary, Confidence: confidence(f), Lines: append([]string{}, f.Lines...)}
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
