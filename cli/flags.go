package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ripcord-dev/ripcord/app"
)

// environmentFlags takes each flag that was not given from RIPCORD_<FLAG>.
func (c *command) environmentFlags(cmd *cobra.Command) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || failed != nil {
			return
		}
		name := "RIPCORD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := c.LookupEnv(name)
		if !ok || value == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			failed = usage("%s: %w", name, err)
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
