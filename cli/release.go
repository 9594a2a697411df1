package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

type releaseOptions struct {
	planFlags
	reason string
	detach bool
}

func (c *command) releaseVerb() *cobra.Command {
	var o releaseOptions
	cmd := &cobra.Command{
		Use:   "release",
		Short: "Carry out the plan; on failure go back by itself",
		Long: "Carry out the plan file's steps. When one fails, everything that was done is taken back\n" +
			"and proved to be as before. Ctrl-C does what the plan file's on_cancel says: it goes back, unless\n" +
			"told otherwise. A terminal that goes away stops nothing.",
		Example: "  ripcord release --version v2\n  ripcord release -e production --version v2 --set color=green",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.release(cmd, o) },
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVarP(&o.detach, "detach", "d", false, "let the keeper carry it out and return at once")
	return exits(cmd, "0 released (or begun, with --detach), 2 bad plan or arguments (nothing changed), 3 failed or\n"+
		"aborted and rolled back, verified, 4 held, waiting for a person, 5 rollback incomplete, 6 refused,\n8 interrupted, or an interrupted run is in the way")
}

func (c *command) release(cmd *cobra.Command, o releaseOptions) error {
	ctx := cmd.Context()
	a, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer c.close(a)
	plan, err := a.Load(ctx, c.selection(o.planFlags))
	if err != nil {
		return err
	}
	c.noteInterrupted(ctx, a, func(v app.View) bool {
		return v.Application == plan.Application && v.Environment == plan.Environment // it is refused because of that one
	})
	ctx, stop := c.onSignals(ctx, a, plan.OnCancel)
	defer stop()
	state, err := a.Release(ctx, plan, app.Begin{Who: c.User, Reason: o.reason, Detach: o.detach}, c.progress(plan))
	if err != nil {
		return c.interrupted(cmd, a, a.Newest(state), err)
	}
	if o.detach {
		return c.detached(cmd, a, state)
	}
	return c.ended(cmd, a, state, false)
}

// detached reports a run that the keeper carries out.
func (c *command) detached(cmd *cobra.Command, a *app.App, state runState) error {
	if c.output == "json" {
		return c.jsonRun(cmd, a, state)
	}
	c.end(ending{
		State:    fmt.Sprintf("%s goes on in the background (run %s)", state.Plan.Name(), state.Run),
		Affected: "nobody yet: it has only begun", Why: "--detach leaves it to the keeper",
		Next: c.again("logs --follow --run " + string(state.Run)),
	})
	return nil
}

// ended prints how a run stands and sets the exit code.
func (c *command) ended(cmd *cobra.Command, a *app.App, state runState, backWasGoal bool) error {
	c.code = exitOfRun(state, backWasGoal)
	if c.output == "json" {
		return c.jsonRun(cmd, a, state)
	}
	c.end(c.endingOf(state, c.standing(cmd.Context(), a, state, false)))
	return nil
}

// jsonRun prints a run as show does.
func (c *command) jsonRun(cmd *cobra.Command, a *app.App, state runState) error {
	ctx := context.WithoutCancel(cmd.Context()) // a signal may have ended the verb
	summary, err := a.Find(ctx, app.Selector{Run: state.Run})
	if err != nil {
		return err
	}
	view, err := a.Show(ctx, summary)
	if err != nil {
		return err
	}
	return c.json(view)
}

// interrupted reports an executor, or someone who looked on, that stopped before
// the run's end.
func (c *command) interrupted(cmd *cobra.Command, a *app.App, run ripcord.RunID, err error) error {
	if run == "" || ripcord.CodeOf(err) != ripcord.CodeInternal {
		return err
	}
	ctx := context.WithoutCancel(cmd.Context())
	living, lifeErr := a.Living(ctx, run)
	state, stateErr := a.State(ctx, run)
	if lifeErr != nil || stateErr != nil {
		return err
	}
	now := c.standing(ctx, a, state, living)
	e := c.endingOf(state, now)
	if living && errors.Is(err, errSignal) {
		e.Why = "another process carries it out; only the looking on has ended"
		c.code = exitDone
	} else {
		e.Why, c.code = err.Error(), exitInterrupted
	}
	if c.output == "json" {
		return ripcord.Errorf(ripcord.CodeInterrupted, "%s: %w", e.State, err).WithFix("%s", e.Next)
	}
	c.end(e)
	return nil
}
