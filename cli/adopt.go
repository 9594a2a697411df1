package cli

import (
	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord/app"
)

type adoptOptions struct {
	planFlags
	reason   string
	takeOver bool
}

func (c *command) adoptVerb() *cobra.Command {
	var o adoptOptions
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Record what runs today as last good, without changing it",
		Long: "Look at each target of the plan and record what is there as last good, so that the first release\n" +
			"has somewhere to return to. Nothing is changed. With --take-over, targets that belong to another\n" +
			"state directory belong to this one from now on.",
		Example: "  ripcord adopt --version v41 --reason \"running since spring\"\n" +
			"  ripcord adopt --version v41 --take-over --reason \"the old release host is gone\"",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.adopt(cmd, o) },
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVar(&o.takeOver, "take-over", false, "take targets over from another state directory; needs --reason")
	return exits(cmd, "0 adopted, 2 bad plan or arguments (nothing changed), 6 another run is going on, 8 another run was interrupted")
}

func (c *command) adopt(cmd *cobra.Command, o adoptOptions) error {
	ctx := cmd.Context()
	switch {
	case o.takeOver && o.reason == "":
		return usage("--take-over needs --reason, for whoever reads the journal later").
			WithFix("say why the targets now belong to this state directory: --take-over --reason \"...\"")
	case o.version == "":
		return usage("adopt needs the version that runs today").WithFix("%s", c.again("adopt --version VERSION"))
	}
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
	state, err := a.Adopt(ctx, plan, app.Begin{Who: c.User, Reason: o.reason}, o.takeOver)
	if err != nil {
		return err
	}
	return c.ended(cmd, a, state, false)
}
