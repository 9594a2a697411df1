package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord/app"
	"github.com/ripcord-dev/ripcord/keeper"
)

func (c *command) keeperVerb() *cobra.Command {
	return group("keeper", "Look at, start or stop the background process",
		"The keeper is one background process for each state directory. It starts instances again that\n"+
			"ended, and carries detached and interrupted runs out. It comes and goes by itself; its end stops\n"+
			"neither instances nor runs.",
		c.keeperDo("status", "Tell whether a keeper lives, and what it looks after", nil),
		c.keeperDo("start", "Start the keeper where none lives", func(cmd *cobra.Command, a *app.App) error { return a.StartKeeper(cmd.Context()) }),
		c.keeperDo("stop", "Stop the keeper; instances and runs live on", func(cmd *cobra.Command, a *app.App) error { return a.StopKeeper(cmd.Context()) }),
	)
}

// keeperDo is a verb that does something to the keeper, then tells of it.
func (c *command) keeperDo(use, short string, do func(cmd *cobra.Command, a *app.App) error) *cobra.Command {
	return exits(&cobra.Command{
		Use: use, Short: short, Example: "  ripcord keeper " + use, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.open(cmd.Context(), use != "start")
			if err != nil {
				return c.nothingYet(err, keeper.Info{})
			}
			defer c.close(a)
			if do != nil {
				if err := do(cmd, a); err != nil {
					return err
				}
			}
			info, err := a.KeeperInfo()
			if err != nil {
				return err
			}
			return c.keeperText(info)
		},
	}, "0 done")
}

func (c *command) keeperText(info keeper.Info) error {
	if c.output == "json" {
		return c.json(info)
	}
	switch {
	case !info.Running && info.Instances > 0:
		c.printf("no keeper lives here: instances that end are not started again until `%s`, or the next command that changes something\n", c.again("keeper start"))
	case !info.Running:
		c.printf("no keeper lives here; it comes by itself when there is something to look after\n")
	default:
		c.printf("the keeper lives: process %d, since %s\n", info.Keeper.PID, info.Since.UTC().Format(time.RFC3339))
	}
	c.printf("%s wanted, %s carried out in the background\n", count(info.Instances, "instance"), count(len(info.Runs), "run"))
	for _, run := range info.Runs {
		c.printf("  %s\n", run)
	}
	c.printf("its log: %s\n", info.Log)
	return nil
}
