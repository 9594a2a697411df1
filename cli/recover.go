package cli

import (
	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

type recoverOptions struct {
	run    string
	back   bool
	reason string
}

func (c *command) recoverVerb() *cobra.Command {
	var o recoverOptions
	cmd := &cobra.Command{
		Use:   "recover [RUN]",
		Short: "Go on with a run whose process died",
		Long: "Find out by evidence how every interrupted effect ended, then go on: forward if the run was\n" +
			"going forward, back if it was going back. With --rollback it is brought home.",
		Example: "  ripcord recover\n  ripcord recover --rollback --reason \"not tonight\"",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.run = args[0]
			}
			return c.recover(cmd, o)
		},
	}
	cmd.Flags().StringVar(&o.run, "run", "", "which run (default: the unfinished one of the plan file's application, else the only one)")
	cmd.Flags().BoolVar(&o.back, "rollback", false, "go back instead of on")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the journal")
	return exits(cmd, "0 it reached its goal, 2 no run is unfinished, 3 the release failed and was rolled back, 4 held,\n5 rollback incomplete,\n6 with --rollback: it was committed already (see ripcord rollback), 8 interrupted again")
}

func (c *command) recover(cmd *cobra.Command, o recoverOptions) error {
	ctx := cmd.Context()
	a, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer c.close(a)
	summary, err := a.Locate(ctx, app.Selector{Run: ripcord.RunID(o.run), Unfinished: true, Environment: c.environment}, c.file)
	if err != nil {
		return err
	}
	before, err := a.State(ctx, summary.Run)
	if err != nil {
		return err
	}
	ctx, stop := c.onSignals(ctx, a, before.Plan.OnCancel)
	defer stop()
	if before.State == ripcord.StatePaused && !o.back {
		c.aside("the run is paused and stays so: `%s` lets it go on", c.again("resume --run "+string(summary.Run)))
	}
	state, err := a.Recover(ctx, summary.Run, o.back, c.User, o.reason, c.progress(before.Plan))
	if err != nil {
		return c.interrupted(cmd, a, summary.Run, err)
	}
	err = c.ended(cmd, a, state, o.back || before.Back)
	if o.back && state.State == ripcord.StateSucceeded && len(state.Plan.Reverts) == 0 {
		c.code = exitRefused // it was committed before anybody could ask, and stays
	}
	return err
}
