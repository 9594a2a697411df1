package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/keeper"
)

// orphanGrace is how long an interrupted run waits for a person's `recover`
// before the keeper goes on with it.
const orphanGrace = 30 * time.Second

// supervisor keeps instances alive, and starts a keeper for them.
func (a *App) supervisor() ripcord.Supervisor {
	o := keeper.SupervisorOptions{Dir: a.dir, Self: a.options.Self, Blobs: a.blobs}
	if !a.options.NoKeeper {
		o.Ensure = func(ctx context.Context) error { return keeper.Ensure(ctx, a.dir, a.options.Self) }
	}
	return keeper.NewSupervisor(o)
}

// ensureKeeper sees to it that a started run always has an executor: the keeper
// carries it on when this process dies. One of another version is replaced.
func (a *App) ensureKeeper(ctx context.Context, detach bool) error {
	if a.options.NoKeeper && !detach {
		return nil
	}
	if err := keeper.Supersede(ctx, a.dir, a.options.Self); err != nil {
		return err
	}
	return keeper.Ensure(ctx, a.dir, a.options.Self)
}

// Keep is the keeper's main: it looks after instances and runs until there is
// nothing left to look after; with stay, until it is stopped.
func (a *App) Keep(ctx context.Context, stay bool, log *slog.Logger) error {
	var idle time.Duration
	if stay {
		idle = -1
	}
	return keeper.Main(ctx, keeper.Options{
		Dir: a.dir, Self: a.options.Self, Blobs: a.blobs, Now: a.options.Now, Log: log,
		Orphans: a.orphans, Unfinished: a.unfinished, Idle: idle,
	})
}

func (a *App) unfinished(ctx context.Context) (bool, error) {
	runs, err := a.store.Runs(ctx, ripcord.Filter{Unfinished: true, Limit: 1})
	return len(runs) > 0, err
}

// orphans returns the runs that the keeper may carry on now.
func (a *App) orphans(ctx context.Context) ([]ripcord.RunID, error) {
	runs, err := a.store.Runs(ctx, ripcord.Filter{Unfinished: true})
	if err != nil {
		return nil, err
	}
	var orphans []ripcord.RunID
	for _, r := range runs {
		due, err := a.due(ctx, r)
		if err != nil {
			return nil, err
		}
		if due {
			orphans = append(orphans, r.Run)
		}
	}
	return orphans, nil
}

// due reports whether an unfinished run needs an executor now. A held run needs
// one when somebody asked something of it, or when its deadline has passed.
func (a *App) due(ctx context.Context, r ripcord.Summary) (bool, error) {
	holder, held, err := a.store.Holder(ctx, r.Run)
	if err != nil || held && a.lifeOf(holder) == alive {
		return false, err
	}
	now := a.options.Now()
	if r.State == ripcord.StateHeld {
		if !r.Until.IsZero() && now.After(r.Until) {
			return true, nil
		}
		return a.asked(ctx, r.Run)
	}
	return r.Detached || now.After(holder.Expires.Add(a.boundary.grace())), nil
}

// asked reports whether a request waits for an executor.
func (a *App) asked(ctx context.Context, run ripcord.RunID) (bool, error) {
	state, err := a.State(ctx, run)
	if err != nil {
		return false, err
	}
	requests, err := a.store.Requests(ctx, run, 0)
	return slices.ContainsFunc(requests, func(r ripcord.Request) bool { return !state.Handled(r.ID) }), err
}

// KeeperInfo says whether a keeper lives.
func (a *App) KeeperInfo() (keeper.Info, error) { return keeper.Status(a.dir) }

// StopKeeper ends the keeper; instances and executors live on. What proxies that
// live no more left outside of the state directory is removed.
func (a *App) StopKeeper(ctx context.Context) error {
	return errors.Join(keeper.Stop(ctx, a.dir), proxy.Tidy(a.dir))
}

// StartKeeper starts a keeper where none lives.
func (a *App) StartKeeper(ctx context.Context) error {
	return keeper.Ensure(ctx, a.dir, a.options.Self)
}
