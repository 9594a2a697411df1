package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
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

// ownerOf is the user whom a state directory belongs to, and for whom the keeper
// has to run; "" for root, for us, and where there is none yet.
func (c *command) ownerOf(stateDir string) string {
	info, err := os.Stat(stateDir)
	if err != nil {
		if c.Root {
			return ""
		}
		return c.User
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return ""
	}
	id := strconv.FormatUint(uint64(stat.Uid), 10)
	if found, err := user.LookupId(id); err == nil {
		return found.Username
	}
	return id
}

// initBoot installs the boot unit, or says how to.
func (c *command) initBoot(cmd *cobra.Command) error {
	dir, err := app.StateDir(c.appOptions(true))
	if err != nil {
		return err
	}
	argv := c.bootCommand(dir)
	path := filepath.Join(units, unitName(dir))
	unit := keeper.Unit("Ripcord keeper of "+dir, c.ownerOf(dir), argv)
	switch {
	case c.Root && hasSystemd():
		return c.installUnit(cmd.Context(), dir, path, unit)
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

// installUnit writes the unit and starts it. A keeper that lives gives way to
// it; what that looks after goes on.
func (c *command) installUnit(ctx context.Context, dir, path, unit string) error {
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil { //nolint:gosec // units are for everybody to read
		return ripcord.Errorf(ripcord.CodeInternal, "the unit %s cannot be written: %w", path, err).
			WithFix("mount the disk of %s for writing, and try again", units)
	}
	name := filepath.Base(path)
	if err := systemctl(ctx, path, "daemon-reload"); err != nil {
		return err
	}
	if err := systemctl(ctx, path, "enable", "--quiet", name); err != nil {
		return err
	}
	if err := systemctl(ctx, path, "stop", name); err != nil {
		return err
	}
	if err := keeper.Stop(ctx, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ripcord.Errorf(ripcord.CodeInternal, "the keeper that lives does not give way to the unit: %w", err).
			WithFix("%s, then: systemctl start %s", c.again("keeper stop"), name)
	}
	if err := systemctl(ctx, path, "start", name); err != nil {
		return err
	}
	if err := unitKeeps(ctx, dir, name); err != nil {
		return err
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

// unitPatience is how long the unit's keeper may take to begin, and unitEvery how
// often we look.
const (
	unitPatience = 30 * time.Second
	unitEvery    = 50 * time.Millisecond
)

// unitKeeps waits until the unit's keeper is at work.
func unitKeeps(ctx context.Context, dir, name string) error {
	ctx, cancel := context.WithTimeout(ctx, unitPatience)
	defer cancel()
	tick := time.NewTicker(unitEvery)
	defer tick.Stop()
	for {
		if info, err := keeper.Status(dir); err == nil && info.Running {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ripcord.Errorf(ripcord.CodeInternal, "the unit %s is installed, but its keeper does not begin", name).
				WithFix("journalctl --unit %s says why", name)
		}
	}
}

// systemctl calls it for a unit that lies in path.
func systemctl(ctx context.Context, path string, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput() //nolint:gosec // our own unit's name
	if err != nil {
		return ripcord.Errorf(ripcord.CodeInternal, "systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out))).
			WithFix("the unit lies in %s; mend it, then: systemctl enable --now %s", path, filepath.Base(path))
	}
	return nil
}

// removeBoot takes back what initBoot did, or says how to. Instances and runs
// live on; the next command that needs a keeper starts one.
func (c *command) removeBoot(cmd *cobra.Command) error {
	dir, err := app.StateDir(c.appOptions(true))
	if err != nil {
		return err
	}
	path := filepath.Join(units, unitName(dir))
	name := filepath.Base(path)
	_, err = os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.removeCron(cmd.Context(), dir)
	case err != nil:
		return ripcord.Errorf(ripcord.CodeInternal, "the unit %s cannot be looked at: %w", path, err)
	case !c.Root:
		return usage("only root may remove the unit %s", path).WithFix("sudo systemctl disable --now %s && sudo rm %s", name, path)
	}
	if hasSystemd() {
		if err := systemctl(cmd.Context(), path, "disable", "--quiet", "--now", name); err != nil {
			return err
		}
	}
	wanted := filepath.Join(units, "multi-user.target.wants", name)
	for _, file := range []string{wanted, path} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ripcord.Errorf(ripcord.CodeInternal, "the unit cannot be removed: %w", err)
		}
	}
	if hasSystemd() {
		if err := systemctl(cmd.Context(), path, "daemon-reload"); err != nil {
			return err
		}
	}
	if c.output == "json" {
		return c.json(map[string]any{"removed": true, "path": path, "next": c.again("keeper start")})
	}
	c.end(ending{
		State: path + " is removed", Affected: "nobody: what runs goes on",
		Why: "nothing starts the keeper at boot any more, and none lives until a command starts one", Next: c.again("keeper start"),
	})
	return nil
}

// removeCron says how to get rid of the line of a crontab.
func (c *command) removeCron(ctx context.Context, dir string) error {
	boot := c.boot(ctx, dir)
	if boot.Unit == "" && boot.Trouble == "" {
		if c.output == "json" {
			return c.json(map[string]any{"removed": false, "path": "", "next": c.again("init --boot")})
		}
		c.end(ending{State: "nothing starts the keeper at boot", Affected: "nobody: nothing was changed", Why: "there was nothing to remove", Next: c.again("init --boot")})
		return nil
	}
	return c.bootAdvice("", "", "the keeper is started by "+boot.Source+", which belongs to you", "crontab -e, and remove the line that begins with @reboot")
}
