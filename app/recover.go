package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// Selector says which run is meant: by id (or its beginning), or the newest one
// of an application and environment.
type Selector struct {
	Run         ripcord.RunID
	Application string
	Environment string
	// Unfinished asks for a run that has not ended.
	Unfinished bool
}

// Find returns the run that the selector means. Where several match, the error
// lists them.
func (a *App) Find(ctx context.Context, s Selector) (ripcord.Summary, error) {
	if s.Run != "" {
		return a.store.Run(ctx, s.Run)
	}
	runs, err := a.store.Runs(ctx, ripcord.Filter{Application: s.Application, Environment: s.Environment, Unfinished: s.Unfinished, Limit: 20})
	if err != nil {
		return ripcord.Summary{}, err
	}
	switch {
	case len(runs) == 0 && s.Unfinished:
		return ripcord.Summary{}, ripcord.Errorf(ripcord.CodeNotFound, "no run is going on%s", of(s)).WithFix("`ripcord history` lists the runs that ended")
	case len(runs) == 0:
		return ripcord.Summary{}, ripcord.Errorf(ripcord.CodeNotFound, "there is no run%s in %s", of(s), a.dir).WithFix("start one with `ripcord release`, or name another state directory with --state-dir")
	case len(runs) > 1 && s.Unfinished:
		return ripcord.Summary{}, ripcord.Errorf(ripcord.CodePlan, "%d runs are going on: %s", len(runs), names(runs)).WithFix("name one with --run")
	}
	return runs[0], nil
}

func of(s Selector) string {
	if s.Application == "" {
		return ""
	}
	if s.Environment == "" {
		return " of " + s.Application
	}
	return fmt.Sprintf(" of %s in %s", s.Application, s.Environment)
}

func names(runs []ripcord.Summary) string {
	texts := make([]string, 0, len(runs))
	for _, r := range runs {
		texts = append(texts, fmt.Sprintf("%s (%s %s in %s)", r.Run, r.Application, r.Version, r.Environment))
	}
	return strings.Join(texts, ", ")
}

// Recover goes on with a run whose executor is gone; back makes it go back. A
// run that a living executor carries out is followed.
func (a *App) Recover(ctx context.Context, run ripcord.RunID, back bool, who, reason string, l Listener) (*engine.State, error) {
	if !back {
		if err := a.needKeyForward(ctx, run, ""); err != nil {
			return nil, err
		}
	}
	if back {
		if _, err := a.store.Ask(ctx, ripcord.Request{Run: run, Verb: ripcord.VerbAbort, Who: who, Reason: reason, At: a.options.Now()}); err != nil {
			return nil, err
		}
	}
	return a.attend(ctx, run, l)
}

// Control asks something of a run and sees to it that it happens: a living
// executor is waited for, else this process executes. With toEnd it returns at
// the run's end or next hold, else when the request has been handled. refused
// says why the request had no effect. A pause makes no executor of this process:
// where none lives it is left for the next one, and the error is one of
// CodeInterrupted.
func (a *App) Control(ctx context.Context, r ripcord.Request, toEnd bool, l Listener) (state *engine.State, refused string, err error) {
	living, err := a.living(ctx, r.Run)
	if err != nil {
		return nil, "", err
	}
	if !living { // a living executor has the key
		if err := a.needKeyForward(ctx, r.Run, r.Verb); err != nil {
			return nil, "", err
		}
		if state, refused, err := a.unpausable(ctx, r); err != nil || refused != "" {
			return state, refused, err
		}
	}
	r.At = a.options.Now()
	if r, err = a.store.Ask(ctx, r); err != nil {
		return nil, "", err
	}
	l.Entry, l.past = watchFor(r.ID, &refused, l.Entry), watchFor(r.ID, &refused, nil)
	for {
		state, err = a.follow1(ctx, r, toEnd, &refused, l)
		if state != nil || err != nil {
			return state, refused, err
		}
		if r.Verb == ripcord.VerbPause {
			return nil, "", pauseWaits(r.Run)
		}
		plan, err := a.plan(ctx, r.Run)
		if err != nil {
			return nil, "", err
		}
		lease, err := a.acquire(ctx, r.Run, false)
		if _, busy := errors.AsType[*busyError](err); busy {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		state, err = a.execute(ctx, lease, plan, nil, l)
		return state, refused, err
	}
}

// unpausable says why a pause of a run that nobody carries out is of no use,
// such as of one that is held: nobody need be there to find that out.
func (a *App) unpausable(ctx context.Context, r ripcord.Request) (state *engine.State, refused string, err error) {
	if r.Verb != ripcord.VerbPause {
		return nil, "", nil
	}
	if state, err = a.State(ctx, r.Run); err != nil {
		return nil, "", err
	}
	return state, state.Refuse(r), nil
}

// pauseWaits is how a pause ends that nobody is there to heed: who asks that
// nothing goes on does not want to carry the run on for it.
func pauseWaits(run ripcord.RunID) error {
	return ripcord.Errorf(ripcord.CodeInterrupted, "nobody carries run %s out: the pause is written down, and whoever goes on with the run starts nothing new until `resume`", run).
		WithFix("`ripcord recover --run %s` finds out how what was interrupted ended, then waits for `ripcord resume`", run)
}

// follow1 follows a living executor until it has handled the request; nil when
// there is none. Nobody waits for the end of what had no effect, unless that is
// where the run goes already.
func (a *App) follow1(ctx context.Context, r ripcord.Request, toEnd bool, refused *string, l Listener) (*engine.State, error) {
	if living, err := a.living(ctx, r.Run); err != nil || !living {
		return nil, err
	}
	return a.followUntil(ctx, r.Run, l, func(s *engine.State) bool {
		handled := s.LastRequest >= r.ID && s.WantBy == nil
		goal := r.Verb == ripcord.VerbAbort || r.Verb == ripcord.VerbRollback
		if !toEnd || *refused != "" && !goal {
			return handled || s.State.Ended()
		}
		return s.State.Ended() || handled && s.Hold != nil
	})
}

// watchFor notes why a request was refused.
func watchFor(id int64, refused *string, next func(ripcord.Entry)) func(ripcord.Entry) {
	return func(e ripcord.Entry) {
		if e.Request != nil && e.Request.ID == id {
			*refused = e.Request.Refused
		}
		if next != nil {
			next(e)
		}
	}
}

// Asking returns the one step that waits for a person's word; empty when none
// or several do.
func (a *App) Asking(s *engine.State) ripcord.StepID {
	var waiting []ripcord.StepID
	for id := range s.Steps {
		if asking(s, id) != "" {
			waiting = append(waiting, id)
		}
	}
	if len(waiting) == 1 {
		return waiting[0]
	}
	return ""
}

// asking is the question of a step that waits for a person's word.
func asking(s *engine.State, id ripcord.StepID) string {
	if s.Refuse(ripcord.Request{Verb: ripcord.VerbApprove, Step: id}) != "" {
		return ""
	}
	question := "go on with " + string(id) + "?"
	if ask := s.Steps[id].Spec.Ask; ask != nil && s.Back && ask.Undo != "" {
		question = ask.Undo
	} else if ask != nil && ask.Apply != "" {
		question = ask.Apply
	}
	return question
}
