package cli

import (
	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord/app"
)

func (c *command) doctorVerb() *cobra.Command {
	var o planFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether a release, a way back or a reboot would meet trouble",
		Long: "Look at the state directory, the key, the disk, the journal, the keeper, what a reboot would do,\n" +
			"unfinished runs, the plan file and the programs that it calls. Nothing is changed.",
		Example: "  ripcord doctor\n  ripcord doctor -e production -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd, o) },
	}
	o.add(cmd)
	return exits(cmd, "0 all is well, 7 something is not")
}

func (c *command) doctor(cmd *cobra.Command, o planFlags) error {
	options := c.appOptions(true)
	dir, err := app.StateDir(options)
	if err != nil {
		return err
	}
	findings, err := app.Examine(cmd.Context(), options, c.selection(o), c.boot(cmd.Context(), dir))
	if err != nil {
		return err
	}
	trouble := 0
	for _, f := range findings {
		if f.Level != app.LevelOK {
			trouble++
		}
	}
	if trouble > 0 {
		c.code = exitFindings
	}
	if c.output == "json" {
		return c.json(map[string]any{"well": trouble == 0, "findings": findings})
	}
	for _, f := range findings {
		if c.quiet && f.Level == app.LevelOK {
			continue
		}
		c.printf("%-5s %-16s %s\n", f.Level, f.About, f.Text)
		if f.Fix != "" {
			c.printf("%-5s %-16s fix: %s\n", "", "", f.Fix)
		}
	}
	if trouble == 0 {
		c.say("all is well")
	}
	return nil
}
