package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/planfile"
)

func (c *command) initVerb() *cobra.Command {
	var boot, remove bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a plan file to begin with, or what starts the keeper at boot",
		Long: "Look at the folder and write a commented ripcord.yaml that runs unchanged. A plan file that is\n" +
			"there already is never overwritten.\n\n" +
			"With --boot, see to it that instances and unfinished runs go on after a reboot: root with systemd\n" +
			"gets a unit installed; everybody else is told what to do. --boot --remove takes that back.",
		Example: "  ripcord init\n  ripcord plan && ripcord release\n  sudo ripcord init --boot\n  sudo ripcord init --boot --remove",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case boot && remove:
				return c.removeBoot(cmd)
			case boot:
				return c.initBoot(cmd)
			case remove:
				return usage("--remove is for what --boot installed").WithFix("ripcord init --boot --remove")
			}
			return c.initPlanFile()
		},
	}
	cmd.Flags().BoolVar(&boot, "boot", false, "start the keeper at boot (systemd unit, else the line for crontab)")
	cmd.Flags().BoolVar(&remove, "remove", false, "with --boot: remove what starts the keeper at boot")
	return exits(cmd, "0 written, 2 there is a plan file already, or it cannot be written")
}

// initPlanFile writes the plan file where none is.
func (c *command) initPlanFile() error {
	text, err := planfile.Scaffold(filepath.Dir(c.file))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a plan file holds no secret and is meant to be shared
	if errors.Is(err, fs.ErrExist) {
		return usage("%s is there already and was not touched", c.file).
			WithFix("edit it, or name another file with --file; %s shows what it would do", "`"+c.again("plan")+"`")
	}
	if err != nil {
		return usage("the plan file cannot be written: %w", err).WithFix("name a file in a folder that you may write to with --file")
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return ripcord.Errorf(ripcord.CodeInternal, "the plan file %s is not complete: %w", c.file, err).WithFix("remove it, make room, and try again")
	}
	next := c.again("plan")
	if c.output == "json" {
		return c.json(map[string]string{"file": c.file, "next": next})
	}
	why := "it deploys the service that was found here; what else was found stands in it as comments"
	if bytes.Contains(text, []byte("name: try\n")) {
		why = "it makes a folder to try with; what was found here stands in it as comments"
	}
	c.end(ending{State: c.file + " is written; it runs as it stands", Affected: "nobody: nothing else was changed", Why: why, Next: next})
	return nil
}
