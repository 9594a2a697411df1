package app

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

// retentionTimeout is how long tidying up after a run may take: whoever waits for
// the command's end waits for it, and what is left is done after the next run.
const retentionTimeout = 5 * time.Second

// ended notes that a run of the plan has ended, for Close.
func (a *App) ended(plan *ripcord.Plan) {
	a.mineMu.Lock()
	defer a.mineMu.Unlock()
	a.toRetain = plan
}

// retain prunes what the newest run has pushed out. It comes last, when the run's
// end is durable and told; that it fails changes nothing about the run.
func (a *App) retain() {
	a.mineMu.Lock()
	plan := a.toRetain
	a.mineMu.Unlock()
	if plan == nil {
		return
	}
	ctx, done := context.WithTimeout(context.Background(), retentionTimeout)
	defer done()
	keep := cmp.Or(plan.Retention, ripcord.DefaultRetention)
	surplus, err := a.store.Surplus(ctx, plan.Application, plan.Environment, keep)
	if err == nil && !surplus {
		return
	}
	var pruned Pruned
	if err == nil {
		pruned, err = a.prune(ctx, func() (sqlite.PruneReport, error) {
			return a.store.Retain(ctx, plan.Application, plan.Environment, keep)
		})
	}
	if a.log == nil {
		return
	}
	if err != nil {
		a.log.InfoContext(ctx, "old runs could not be pruned", slog.Any("error", err))
		return
	}
	a.log.InfoContext(ctx, "old runs pruned", slog.Int("runs", len(pruned.Runs)), slog.Int("retention", keep),
		slog.String("application", plan.Application), slog.String("environment", plan.Environment))
}
