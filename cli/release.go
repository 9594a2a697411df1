package cli

import (
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
			"and proved to be as before.\n\nExit codes: 0 released, 2 bad plan (nothing changed), 3 failed and rolled back, 4 held,\n" +
			"5 rollback incomplete, 6 refused, 8 interrupted.",
		Example: "  ripcord release --version v2\n  ripcord release -e production --version v2 --set color=green",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.release(cmd, o) },
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVarP(&o.detach, "detach", "d", false, "let the keeper carry it out and return at once")
	return cmd
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
	ctx, stop := c.onSignals(ctx, a, plan.OnCancel)
	defer stop()
	state, err := a.Release(ctx, plan, app.Begin{Who: c.User, Reason: o.reason, Detach: o.detach}, c.progress(plan))
	if err != nil {
		return c.interrupted(state, err)
	}
	if o.detach {
		c.end(ending{
			State: plan.Name() + " goes on in the background (run " + string(state.Run) + ")", Affected: "see ripcord status",
			Why: "--detach", Next: "ripcord status --run " + string(state.Run),
		})
		return nil
	}
	return c.ended(cmd, a, state, false)
}

// ended prints how a run stands and sets the exit code.
func (c *command) ended(cmd *cobra.Command, a *app.App, state runState, backWasGoal bool) error {
	c.code = exitOfRun(state, backWasGoal)
	if c.output == "json" {
		summary, err := a.Find(cmd.Context(), app.Selector{Run: state.Run})
		if err != nil {
			return err
		}
		view, err := a.Show(cmd.Context(), summary)
		if err != nil {
			return err
		}
		return c.json(view)
	}
	c.end(endingOf(state))
	return nil
}

// interrupted reports an executor that stopped before the run's end.
func (c *command) interrupted(state runState, err error) error {
	if state == nil || ripcord.CodeOf(err) != ripcord.CodeInternal {
		return err
	}
	e := endingOf(state)
	e.Why = err.Error()
	c.end(e)
	c.code = exitInterrupted
	return nil
}
