package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/keeper"
)

// units is where systemd looks for units of the machine's administrator.
const units = "/etc/systemd/system"

// unitName is the name of a state directory's boot unit. The usual state
// directory has the plain name.
func unitName(stateDir string) string {
	if stateDir == "/var/lib/ripcord" {
		return "ripcord.service"
	}
	sum := sha256.Sum256([]byte(stateDir))
	return "ripcord-" + hex.EncodeToString(sum[:4]) + ".service"
}

// bootCommand is what starts the keeper at boot.
func (c *command) bootCommand(stateDir string) []string {
	return []string{c.Self, "__keeper", "--state-dir", stateDir, "--stay"}
}

// hasSystemd reports whether systemd is what started this machine.
func hasSystemd() bool {
	info, err := os.Stat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// initBoot installs the boot unit, or says how to.
func (c *command) initBoot(cmd *cobra.Command) error {
	a, err := c.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer c.close(a)
	argv := c.bootCommand(a.StateDir())
	path := filepath.Join(units, unitName(a.StateDir()))
	user := c.User
	if c.Root {
		user = ""
	}
	unit := keeper.Unit("Ripcord keeper of "+a.StateDir(), user, argv)
	switch {
	case c.Root && hasSystemd():
		return c.installUnit(cmd.Context(), path, unit)
	case hasSystemd():
		return c.bootAdvice(path, unit, "only root may install a unit", fmt.Sprintf("sudo tee %s && sudo systemctl enable --now %s", path, filepath.Base(path)))
	}
	return c.bootAdvice("", keeper.CronLine(argv), "this machine was not started by systemd", fmt.Sprintf("(crontab -l; echo %s) | crontab -", shellWord(strings.TrimSpace(keeper.CronLine(argv)))))
}

// bootAdvice prints what a person has to put where.
func (c *command) bootAdvice(path, text, why, next string) error {
	if c.output == "json" {
		return c.json(map[string]any{"installed": false, "path": path, "text": text, "next": next})
	}
	c.printf("%s", text)
	c.end(ending{State: "nothing is installed yet", Affected: "nobody: nothing was changed", Why: why, Next: next})
	return nil
}

// installUnit writes the unit and starts it. A keeper that runs already goes on
// until its place is free.
func (c *command) installUnit(ctx context.Context, path, unit string) error {
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil { //nolint:gosec // units are for everybody to read
		return ripcord.Errorf(ripcord.CodeInternal, "the unit %s cannot be written: %w", path, err)
	}
	for _, args := range [][]string{{"daemon-reload"}, {"enable", filepath.Base(path)}, {"restart", filepath.Base(path)}} {
		out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput() //nolint:gosec // our own unit's name
		if err != nil {
			return ripcord.Errorf(ripcord.CodeInternal, "systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out))).
				WithFix("the unit lies in %s; mend it, then: systemctl enable --now %s", path, filepath.Base(path))
		}
	}
	if c.output == "json" {
		return c.json(map[string]any{"installed": true, "path": path, "text": unit, "next": c.again("doctor")})
	}
	c.end(ending{
		State: path + " is installed and started", Affected: "nobody: what runs goes on",
		Why: "instances and unfinished runs go on after a reboot now", Next: c.again("doctor"),
	})
	return nil
}
