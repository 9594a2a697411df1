package app

import (
	"context"
	"errors"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// History returns views without steps, newest first.
func (a *App) History(ctx context.Context, f ripcord.Filter) ([]View, error) {
	runs, err := a.store.Runs(ctx, f)
	if err != nil {
		return nil, err
	}
	views := make([]View, 0, len(runs))
	for _, r := range runs {
		v, err := a.View(ctx, r)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// FilterHistory returns the views of the newest runs that wanted selects, at
// most limit of them; 0 is all.
func (a *App) FilterHistory(ctx context.Context, f ripcord.Filter, limit int, wanted func(ripcord.Summary) bool) ([]View, error) {
	runs, err := a.store.Runs(ctx, f)
	if err != nil {
		return nil, err
	}
	views := []View{}
	for _, r := range runs {
		if !wanted(r) {
			continue
		}
		if limit > 0 && len(views) == limit {
			break
		}
		v, err := a.View(ctx, r)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// LastGood is the version that is last good; empty when there is none.
func (a *App) LastGood(ctx context.Context, application, environment string) (string, error) {
	good, err := a.store.LastGood(ctx, application, environment)
	if err == nil || ripcord.CodeOf(err) == ripcord.CodeNotFound {
		return good.Version, nil
	}
	return "", err
}

// Living reports whether an executor carries the run out.
func (a *App) Living(ctx context.Context, run ripcord.RunID) (bool, error) { return a.living(ctx, run) }

// AskMine asks something of the run that this process executes.
func (a *App) AskMine(ctx context.Context, verb ripcord.Verb, who, reason string) error {
	a.mineMu.Lock()
	run := a.mine
	a.mineMu.Unlock()
	if run == "" {
		return errors.New("no run has begun yet")
	}
	_, err := a.store.Ask(ctx, ripcord.Request{Run: run, Verb: verb, Who: who, Reason: reason, At: a.options.Now()})
	return err
}

// Executes reports whether this process executes a run now.
func (a *App) Executes() bool {
	a.mineMu.Lock()
	defer a.mineMu.Unlock()
	return a.mine != ""
}

// Newest is the run of a state, or the one that this process executed last.
func (a *App) Newest(s *engine.State) ripcord.RunID {
	a.mineMu.Lock()
	defer a.mineMu.Unlock()
	if s != nil {
		return s.Run
	}
	return a.executed
}

// executing notes the run that this process executes; empty when it no longer
// does.
func (a *App) executing(run ripcord.RunID) {
	a.mineMu.Lock()
	defer a.mineMu.Unlock()
	a.mine = run
	if run != "" {
		a.executed = run
	}
}
