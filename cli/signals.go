package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// errSignal ends a verb that only looks, or that looks on while another process
// carries the run out.
var errSignal = errors.New("stopped by a signal")

// listen hands each signal to whoever is in charge: the run that this process
// executes, else it ends the verb.
func (c *command) listen(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func(os.Signal) {
		c.signalled.Store(true)
		cancel(errSignal)
	}
	c.onSignal.Store(&stop)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-c.Signals:
				(*c.onSignal.Load())(s)
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// onSignals turns Ctrl-C and SIGTERM into what the plan says of cancelling: a
// request to the run, which goes back or is held in good order. Where this
// process executes no run, the signal ends the looking on.
func (c *command) onSignals(ctx context.Context, a *app.App, policy ripcord.CancelPolicy) (context.Context, func()) {
	end := c.onSignal.Load()
	asked := 0
	handle := func(s os.Signal) {
		if !a.Executes() {
			(*end)(s)
			return
		}
		asked++
		c.cancelled(ctx, a, policy, s.String(), asked)
	}
	c.onSignal.Store(&handle)
	return ctx, func() { c.onSignal.Store(end) }
}

// cancelled asks the run to stop and says what happens now.
func (c *command) cancelled(ctx context.Context, a *app.App, policy ripcord.CancelPolicy, signal string, asked int) {
	verb, text := ripcord.VerbAbort, "stopping what runs, then taking everything back"
	switch policy {
	case ripcord.CancelContinue:
		c.aside("%s: the run goes on, as its plan says; `%s` stops it", signal, c.again("abort"))
		return
	case ripcord.CancelHold:
		verb, text = ripcord.VerbHold, "stopping what runs, then waiting for a person, as its plan says"
	case ripcord.CancelRollback:
	}
	if asked > 1 {
		text = "it was asked for already and is under way"
	}
	c.aside("%s: %s", signal, text)
	if err := a.AskMine(ctx, verb, c.User, "signal "+signal); err != nil {
		c.warn("the run could not be asked: " + err.Error())
	}
}

// aside is a line for the person at the keyboard that is no result.
func (c *command) aside(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s := c.shown.Load(); s != nil {
		s.queue.put(0, func(d display) { d.aside(text) })
		return
	}
	if c.output != "json" && !c.quiet {
		c.printf("%s\n", text)
	}
}
