package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ripcord-dev/ripcord/app"
)

// insideStep is a variable that every command of a step finds. Where it is set,
// RIPCORD_RUN, RIPCORD_VERSION, RIPCORD_ENVIRONMENT, RIPCORD_OUTPUT and their
// like describe that step: as flags they would point a ripcord that the step
// calls at the wrong thing.
const insideStep = "RIPCORD_KEY"

// stepFlags are those that are taken from the environment inside a step as well:
// they say where things are and cannot be mistaken.
func stepFlags() []string { return []string{"state-dir", "key-file", "no-keeper"} }

// environmentFlags takes each flag that was not given from RIPCORD_<FLAG>.
func (c *command) environmentFlags(cmd *cobra.Command) error {
	var failed error
	_, inside := c.LookupEnv(insideStep)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || failed != nil || inside && !slices.Contains(stepFlags(), f.Name) {
			return
		}
		name := "RIPCORD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := c.LookupEnv(name)
		if !ok || value == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			failed = usage("%s: %w", name, err).WithFix("mend or unset the variable %s; it stands for the flag --%s", name, f.Name)
		}
	})
	if failed == nil && c.output != "text" && c.output != "json" {
		failed = usage("--output is text or json, not %q", c.output)
	}
	return failed
}

// planFlags are the flags of verbs that read the plan file.
type planFlags struct {
	version string
	set     map[string]string
}

func (p *planFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.version, "version", "", "version to release (default: the plan file's, else the time)")
	cmd.Flags().StringToStringVar(&p.set, "set", nil, "set a variable of the plan file, key=value")
}

func (c *command) selection(p planFlags) app.Selection {
	return app.Selection{File: c.file, Environment: c.environment, Version: p.version, Set: p.set}
}
