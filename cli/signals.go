package cli

import (
	"context"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// onSignals turns Ctrl-C and SIGTERM into what the plan says of cancelling: a
// request to the run, which goes back or is held in good order.
func (c *command) onSignals(ctx context.Context, a *app.App, policy ripcord.CancelPolicy) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-c.Signals:
				c.cancelled(ctx, a, policy, s.String())
			}
		}
	}()
	return ctx, cancel
}

func (c *command) cancelled(ctx context.Context, a *app.App, policy ripcord.CancelPolicy, signal string) {
	verb := ripcord.VerbAbort
	switch policy {
	case ripcord.CancelContinue:
		c.printf("\n%s: the run goes on; ripcord abort stops it\n", signal)
		return
	case ripcord.CancelHold:
		verb = ripcord.VerbHold
	case ripcord.CancelRollback:
	}
	c.printf("\n%s: %s\n", signal, policy)
	if err := a.AskMine(ctx, verb, c.User, "signal "+signal); err != nil {
		_, _ = c.Stderr.Write([]byte("ripcord: " + err.Error() + "\n"))
	}
}
