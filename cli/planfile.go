package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
	"github.com/ripcord-dev/ripcord/planfile"
)

func (c *command) planFileVerb() *cobra.Command {
	return group("plan-file", "Check the plan file, or print its schema", "", c.planFileCheck(), c.planFileSchema())
}

func (c *command) planFileSchema() *cobra.Command {
	return exits(&cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the plan file, for editors",
		Example: "  ripcord plan-file schema > ripcord.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.output == "json" {
				return c.json(json.RawMessage(planfile.Schema()))
			}
			c.printf("%s\n", planfile.Schema())
			return nil
		},
	}, "0 printed")
}

func (c *command) planFileCheck() *cobra.Command {
	var o planFlags
	cmd := &cobra.Command{
		Use: "check", Short: "Check the plan file without a look at any target",
		Long: "Read the plan file and say what is wrong with it, with line, column and how to mend it. With\n" +
			"several environments and none named, all are checked. Nothing is changed, and no state\n" +
			"directory is needed.",
		Example: "  ripcord plan-file check\n  ripcord plan-file check -f deploy/ripcord.yaml -e production",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.checkPlanFile(cmd, o) },
	}
	o.add(cmd)
	return exits(cmd, "0 right, 2 wrong")
}

func (c *command) checkPlanFile(cmd *cobra.Command, o planFlags) error {
	plans, err := app.CheckPlanFile(cmd.Context(), c.appOptions(true), c.selection(o))
	if err != nil {
		return err
	}
	if c.output == "json" {
		type checked struct {
			Application string `json:"application"`
			Environment string `json:"environment"`
			Steps       int    `json:"steps"`
		}
		list := make([]checked, 0, len(plans))
		for _, p := range plans {
			list = append(list, checked{p.Application, p.Environment, len(p.Steps)})
		}
		return c.json(map[string]any{"file": c.file, "right": true, "plans": list})
	}
	for _, p := range plans {
		c.say("%s is right: %s in %s, %s", c.file, p.Application, p.Environment, count(active(p), "step"))
	}
	return nil
}

// active is how many steps of a plan are executed.
func active(p *ripcord.Plan) int {
	n := 0
	for i := range p.Steps {
		if p.Steps[i].Skip == "" {
			n++
		}
	}
	return n
}
