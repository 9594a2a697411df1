package app

import (
	"context"
	"errors"

	"github.com/ripcord-dev/ripcord"
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

// executing notes the run that this process executes.
func (a *App) executing(run ripcord.RunID) {
	a.mineMu.Lock()
	a.mine = run
	a.mineMu.Unlock()
}
