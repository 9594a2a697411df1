package app

import (
	"context"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
	"github.com/ripcord-dev/ripcord/engine/local"
)

// followEvery is how often a run that another process executes is looked at.
const followEvery = 100 * time.Millisecond

// follow watches a run that a living executor carries out, until it has ended or
// is held. It returns nil when the executor died before that.
func (a *App) follow(ctx context.Context, run ripcord.RunID, l Listener) (*engine.State, error) {
	return a.followUntil(ctx, run, l, func(s *engine.State) bool { return s.State.Ended() || s.Hold != nil })
}

// followUntil watches until done says so; nil when the executor died before.
func (a *App) followUntil(ctx context.Context, run ripcord.RunID, l Listener, done func(*engine.State) bool) (*engine.State, error) {
	entries, err := local.Load(ctx, a.store, run)
	if err != nil {
		return nil, err
	}
	state := engine.Fold(entries)
	after := lastOf(entries, run)
	l.sawPast(entries)
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		if done(state) {
			return state, nil
		}
		living, err := a.living(ctx, run)
		if err != nil {
			return nil, err
		}
		for e, err := range a.store.Entries(ctx, run, after) {
			if err != nil {
				return nil, err
			}
			state.Apply(e)
			after = e.Seq
			if l.Entry != nil {
				l.Entry(e)
			}
		}
		if !living && !done(state) {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return state, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// sawPast tells of the entries that were there before.
func (l Listener) sawPast(entries []ripcord.Entry) {
	if l.past == nil {
		return
	}
	for i := range entries {
		l.past(entries[i])
	}
}

func lastOf(entries []ripcord.Entry, run ripcord.RunID) uint64 {
	var last uint64
	for _, e := range entries {
		if e.Run == run {
			last = e.Seq
		}
	}
	return last
}

// living reports whether an executor carries the run out.
func (a *App) living(ctx context.Context, run ripcord.RunID) (bool, error) {
	holder, held, err := a.store.Holder(ctx, run)
	if err != nil || !held {
		return false, err
	}
	return a.lifeOf(holder) == alive, nil
}

// State folds a run as it stands now.
func (a *App) State(ctx context.Context, run ripcord.RunID) (*engine.State, error) {
	entries, err := local.Load(ctx, a.store, run)
	if err != nil {
		return nil, err
	}
	return engine.Fold(entries), nil
}
