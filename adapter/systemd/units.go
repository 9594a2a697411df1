package systemd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// host is a machine with systemd.
type host struct{ machine ripcord.Machine }

// unit is what is known of one of our units.
type unit struct {
	labels
	Name string `json:"name"`
	// Digest stands for the unit file.
	Digest string `json:"digest"`
	// Memory is its limit; empty is none.
	Memory string `json:"memory,omitempty"`
	// Enabled says that it starts at boot.
	Enabled bool `json:"enabled"`
	// Load, Active, Sub and Result are systemd's words.
	Load     string `json:"load"`
	Active   string `json:"active"`
	Sub      string `json:"sub"`
	Result   string `json:"result"`
	Restarts int    `json:"restarts"`
	// ExitCode and ExitStatus tell how the newest process ended: 1 is an exit
	// with this status, 2 and 3 a signal of this number.
	ExitCode   int `json:"exit_code"`
	ExitStatus int `json:"exit_status"`
}

// running reports whether an instance's process is there.
func (u *unit) running() bool { return u.Active == "active" && u.Sub == "running" }

// refused reports whether systemd does not take the unit file.
func (u *unit) refused() bool { return u.Load == "bad-setting" || u.Load == "error" }

// ended reports whether its process ended and has not been started again yet.
func (u *unit) ended() bool {
	return u.refused() || u.Active == "failed" || u.Sub == "auto-restart" || u.Active == "inactive" && u.ExitCode != 0
}

// run runs a command on the machine and returns its output. Another exit status
// than 0 is an error that quotes what the command said.
func (h host) run(ctx context.Context, args ...string) (string, error) {
	return h.runWith(ctx, nil, args...)
}

// runWith runs a command with an input.
func (h host) runWith(ctx context.Context, input io.Reader, args ...string) (string, error) {
	var out, errs bytes.Buffer
	exit, err := h.machine.Run(ctx, ripcord.MachineCommand{Args: args, Input: input, Env: []string{"LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}, Output: &out, Errors: &errs})
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s: %w", args[0], err)
	}
	if exit.Code != 0 || exit.Signal != "" {
		return out.String(), &commandError{args: args, exit: exit, said: strings.TrimSpace(errs.String())}
	}
	return out.String(), nil
}

// commandError is a command that did not end well.
type commandError struct {
	args []string
	exit ripcord.Exit
	said string
}

func (e *commandError) Error() string {
	how := fmt.Sprintf("exit status %d", e.exit.Code)
	if e.exit.Signal != "" {
		how = e.exit.Signal
	}
	if e.said != "" {
		how += ": " + e.said
	}
	return strings.Join(e.args[:min(2, len(e.args))], " ") + ": " + how
}

// able fails, in plain words, where no unit could be run.
func (h host) able(ctx context.Context, user string) error {
	const script = `[ -d /run/systemd/system ] || exit 10
[ "$(id -u)" = 0 ] || exit 11
name=${1%%:*} group=
case $1 in *:*) group=${1#*:} ;; esac
[ -z "$name" ] || getent passwd "$name" >/dev/null || case $name in *[!0-9]*) exit 12 ;; esac
[ -z "$group" ] || getent group "$group" >/dev/null || case $group in *[!0-9]*) exit 13 ;; esac`
	_, err := h.run(ctx, "sh", "-c", script, "able", user)
	failed, ok := errors.AsType[*commandError](err)
	if !ok {
		return err
	}
	where := "this machine"
	if h.machine.Name() != "" {
		where = "machine " + h.machine.Name()
	}
	name, group, _ := strings.Cut(user, ":")
	refuse := func(fix, format string, args ...any) error {
		return ripcord.Errorf(ripcord.CodeRefused, format, args...).WithFix("%s", fix)
	}
	switch failed.exit.Code {
	case 10:
		if h.machine.Name() != "" {
			return refuse("name another machine", "%s was not started by systemd, so no unit can run on it", where)
		}
		return refuse("use runtime process here", "%s was not started by systemd, so no unit can run on it", where)
	case 11:
		if h.machine.Name() != "" {
			return refuse("set `sudo: true` at the machine, or let its ssh log in as root", "only root may install systemd units on %s", where)
		}
		return refuse("run ripcord as root, for example with sudo, or use runtime process", "only root may install systemd units on %s", where)
	case 12:
		return refuse("make it, for example with: useradd --system "+name+"; or correct `user`", "there is no user %s on %s", name, where)
	case 13:
		return refuse("make it, for example with: groupadd --system "+group+"; or correct `user`", "there is no group %s on %s", group, where)
	}
	return err
}

// list returns the units of a service, by colour and number.
func (h host) list(ctx context.Context, application, environment, service string) ([]unit, error) {
	prefix := (&labels{Application: application, Environment: environment, Service: service}).name()
	prefix, _, _ = strings.Cut(prefix, "--")
	out, err := h.run(ctx, "find", unitFolder, "-maxdepth", "1", "-type", "f", "-name", prefix+"-*.service", "-exec", "grep", "-H", "", "{}", "+")
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	for line := range strings.Lines(out) {
		file, text, _ := strings.Cut(line, ":")
		texts[file] = append(texts[file], text...)
	}
	var units []unit
	for file, text := range texts {
		l, ok := labelsIn(text)
		if !ok || l.Application != application || l.Environment != environment || l.Service != service {
			continue
		}
		sum := sha256.Sum256(text)
		units = append(units, unit{labels: l, Name: path.Base(file), Digest: hex.EncodeToString(sum[:6]), Memory: memoryIn(text)})
	}
	slices.SortFunc(units, func(a, b unit) int {
		if c := strings.Compare(a.Colour, b.Colour); c != 0 {
			return c
		}
		return a.Number - b.Number
	})
	return units, h.fill(ctx, units)
}

// fill adds what systemd knows of units.
func (h host) fill(ctx context.Context, units []unit) error {
	if len(units) == 0 {
		return nil
	}
	args := []string{"systemctl", "show", "--property=Id,ActiveState,SubState,Result,NRestarts,ExecMainCode,ExecMainStatus,UnitFileState,LoadState"}
	out, err := h.run(ctx, append(args, names(units)...)...)
	if err != nil {
		return err
	}
	for block := range strings.SplitSeq(strings.TrimSpace(out), "\n\n") {
		properties := map[string]string{}
		for line := range strings.SplitSeq(block, "\n") {
			key, text, _ := strings.Cut(line, "=")
			properties[key] = text
		}
		at := slices.IndexFunc(units, func(u unit) bool { return u.Name == properties["Id"] })
		if at < 0 {
			continue
		}
		u := &units[at]
		u.Active, u.Sub, u.Result = properties["ActiveState"], properties["SubState"], properties["Result"]
		u.Load = properties["LoadState"]
		u.Enabled = properties["UnitFileState"] == "enabled"
		for key, number := range map[string]*int{"NRestarts": &u.Restarts, "ExecMainCode": &u.ExitCode, "ExecMainStatus": &u.ExitStatus} {
			*number, _ = strconv.Atoi(properties[key]) // systemd writes numbers
		}
	}
	return nil
}

func names(units []unit) []string {
	all := make([]string, len(units))
	for i := range units {
		all[i] = units[i].Name
	}
	return all
}

// install writes a unit and its environment. The unit comes first: what it
// belongs to is then known, whatever happens next.
func (h host) install(ctx context.Context, d *definition) error {
	text, err := d.unitText()
	if err != nil {
		return err
	}
	environment, err := d.environmentText()
	if err != nil {
		return err
	}
	file := path.Join(unitFolder, d.labels.name())
	old, _, err := h.machine.ReadFile(ctx, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return named("read", file, err)
	default:
		l, ours := labelsIn(old)
		if !ours || l.Application != d.labels.Application || l.Environment != d.labels.Environment || l.Service != d.labels.Service {
			return &ripcord.Failure{
				Class: ripcord.FailedTarget, Final: true,
				Summary: file + " is there and belongs to something else: remove it, or rename the service",
			}
		}
	}
	if err := h.machine.WriteFile(ctx, file, text, 0o644); err != nil {
		return named("write", file, err)
	}
	if err := h.machine.WriteFile(ctx, d.environmentFile(), environment, 0o600); err != nil {
		return named("write", d.environmentFile(), err)
	}
	return nil
}

// start lets systemd read its units again and starts some. That one of them ends
// at once is no error here: whoever looks sees it.
func (h host) start(ctx context.Context, units ...string) error {
	if err := h.reload(ctx); err != nil {
		return err
	}
	if len(units) == 0 {
		return nil
	}
	_, err := h.run(ctx, append([]string{"systemctl", "start"}, units...)...)
	if failed, ok := errors.AsType[*commandError](err); ok && failed.exit.Code == 1 && failed.exit.Signal == "" {
		return nil // a job failed
	}
	return err
}

// enable makes units start at boot, and now where they do not run.
func (h host) enable(ctx context.Context, units []unit) error {
	units = slices.DeleteFunc(slices.Clone(units), func(u unit) bool { return u.Enabled && u.running() })
	if len(units) == 0 {
		return nil
	}
	_, err := h.run(ctx, append([]string{"systemctl", "enable", "--quiet", "--now"}, names(units)...)...)
	return err
}

// disable lets units not start at boot any more. systemd hears of it with its next
// reload: halt begins with one.
func (h host) disable(ctx context.Context, units []unit) error {
	_, err := h.run(ctx, append([]string{"systemctl", "disable", "--quiet", "--no-reload"}, names(units)...)...)
	return err
}

// halt stops units that will be written anew.
func (h host) halt(ctx context.Context, units []unit) error {
	if len(units) == 0 {
		return nil
	}
	if err := h.reload(ctx); err != nil {
		return err
	}
	if _, err := h.run(ctx, append([]string{"systemctl", "stop"}, names(units)...)...); err != nil {
		return err
	}
	// It fails for units that did not fail.
	_, err := h.run(ctx, append([]string{"systemctl", "reset-failed"}, names(units)...)...)
	if isCommand(err) {
		return nil
	}
	return err
}

// remove stops units, within the grace of each, and removes all that is there of
// them. The unit file goes last: until then it tells what is left to remove.
func (h host) remove(ctx context.Context, units []unit) error {
	if len(units) == 0 {
		return nil
	}
	all := names(units)
	if err := h.disable(ctx, units); err != nil {
		return err
	}
	if err := h.halt(ctx, units); err != nil {
		return err
	}
	for i := range units {
		if err := h.clear(ctx, &units[i].labels); err != nil {
			return err
		}
	}
	for _, name := range all {
		for _, file := range []string{environmentFile(name), path.Join(unitFolder, name)} {
			if err := h.machine.Remove(ctx, file); err != nil {
				return named("remove", file, err)
			}
		}
	}
	return h.reload(ctx)
}

// reload lets systemd read its units again. That is the most expensive thing to
// ask of it.
func (h host) reload(ctx context.Context) error {
	_, err := h.run(ctx, "systemctl", "daemon-reload")
	return err
}

// named says which file an error is about, unless it says so itself.
func named(verb, file string, err error) error {
	if strings.Contains(err.Error(), file) {
		return err
	}
	return fmt.Errorf("%s %s: %w", verb, file, err)
}

func isCommand(err error) bool {
	_, ok := errors.AsType[*commandError](err)
	return ok
}

// tail returns the newest lines of a unit's log that its run printed, without
// secrets.
func (h host) tail(ctx context.Context, u *unit, lines int) ([]string, error) {
	// What an instance printed last may still be on its way.
	if _, err := h.run(ctx, "journalctl", "--sync"); err != nil && !isCommand(err) {
		return nil, err
	}
	out, err := h.run(ctx, "journalctl", "--quiet", "--no-pager", "--output=cat", "--lines="+strconv.Itoa(lines), "_SYSTEMD_UNIT="+u.Name, "RIPCORD_RUN="+u.Run)
	if err != nil {
		return nil, err
	}
	environment, _, err := h.machine.ReadFile(ctx, environmentFile(u.Name))
	if err != nil {
		return nil, fmt.Errorf("which secrets the log may hold: %w", err)
	}
	for _, secret := range secretsIn(environment) {
		out = strings.ReplaceAll(out, secret, "***")
	}
	out = strings.TrimSuffix(out, "\n")
	if out == "" {
		return nil, nil
	}
	return strings.Split(out, "\n"), nil
}
