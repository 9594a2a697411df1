package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/keeper"
	"github.com/ripcord-dev/ripcord/procfs"
)

// Level is how serious what doctor found is.
type Level string

// The levels.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn"
	LevelBad  Level = "bad"
)

// Finding is one thing that doctor looked at.
type Finding struct {
	Level Level  `json:"level"`
	About string `json:"about"`
	Text  string `json:"text"`
	// Fix is what to do about it; empty where nothing is to be done.
	Fix string `json:"fix,omitempty"`
}

// Boot says what happens at a reboot.
type Boot struct {
	// Unit is what starts the keeper: the path of the installed unit, or the
	// crontab with its line; empty when nothing does.
	Unit string
	// Source is what was found, and Trouble, when not empty, why it would not
	// start the keeper.
	Source, Trouble string
	// Fix is how to get one.
	Fix string
}

// doctor collects findings.
type doctor struct {
	options  Options
	dir      string
	findings []Finding
}

func (d *doctor) add(level Level, about, fix, format string, args ...any) {
	d.findings = append(d.findings, Finding{Level: level, About: about, Text: fmt.Sprintf(format, args...), Fix: fix})
}

// Examine looks at everything that a release, a way back or a reboot depends on.
// It changes nothing.
func Examine(ctx context.Context, o Options, s Selection, boot Boot) ([]Finding, error) {
	dir, err := o.stateDir()
	if err != nil {
		return nil, err
	}
	d := &doctor{options: o, dir: dir}
	d.clock()
	if d.directory() {
		d.key()
		d.room()
		d.journal(ctx, boot)
	}
	d.planFile(ctx, s)
	return d.findings, nil
}

// earliest is before any clock that is right.
const earliest = 2025

func (d *doctor) clock() {
	now := d.options.Now()
	if now.Year() < earliest {
		d.add(LevelBad, "clock", "set the machine's clock, for example with: timedatectl set-ntp true", "the clock says %s", now.UTC().Format(time.RFC3339))
		return
	}
	d.add(LevelOK, "clock", "", "%s", now.UTC().Format(time.RFC3339))
}

// directory reports whether there is a state directory to look into.
func (d *doctor) directory() bool {
	info, err := os.Stat(d.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.missing()
		return false
	case err != nil:
		d.add(LevelBad, "state directory", "run as the user who owns it", "%s cannot be looked at: %v", d.dir, err)
		return false
	case !info.IsDir():
		d.add(LevelBad, "state directory", "name a folder with --state-dir", "%s is no folder", d.dir)
		return false
	case info.Mode().Perm()&0o077 != 0:
		d.add(LevelWarn, "state directory", "chmod 700 "+d.dir, "%s is open to others (%#o)", d.dir, info.Mode().Perm())
	case unix.Access(d.dir, unix.W_OK) != nil:
		d.add(LevelBad, "state directory", "run as the user who owns it, or mount its disk for writing", "%s cannot be written to", d.dir)
	default:
		d.add(LevelOK, "state directory", "", "%s, %#o", d.dir, info.Mode().Perm())
	}
	return true
}

// missing looks whether the state directory can be made.
func (d *doctor) missing() {
	parent := filepath.Dir(d.dir)
	for parent != "/" {
		if _, err := os.Stat(parent); err == nil {
			break
		}
		parent = filepath.Dir(parent)
	}
	if unix.Access(parent, unix.W_OK) != nil {
		d.add(LevelBad, "state directory", "name another with --state-dir", "%s is not there and cannot be made: %s cannot be written to", d.dir, parent)
		return
	}
	d.add(LevelOK, "state directory", "", "%s is not there yet; the first release makes it", d.dir)
}

func (d *doctor) key() {
	path, err := d.options.keyFile(d.dir)
	if err != nil {
		d.add(LevelBad, "key file", "name it with --key-file", "%v", err)
		return
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Join(d.dir, "blobs", "recipient")); err == nil {
			d.add(LevelBad, "key file", "put it back from a backup, or name it with --key-file",
				"%s is missing: nothing can be released, no log can be read, and a run goes back only as far as no kept file is needed", path)
			return
		}
		d.add(LevelOK, "key file", "", "%s is not there yet; the first release makes it", path)
	case err != nil:
		d.add(LevelBad, "key file", "run as the user who owns it", "%s cannot be looked at: %v", path, err)
	case strings.HasPrefix(path, d.dir+"/"):
		d.add(LevelBad, "key file", "move it out of the state directory, and name it with --key-file", "%s lies beside what it protects", path)
	case info.Mode().Perm()&0o077 != 0:
		d.add(LevelBad, "key file", "chmod 600 "+path, "%s can be read by others (%#o)", path, info.Mode().Perm())
	default:
		d.add(LevelOK, "key file", "", "%s; back it up: without it no run can go back", path)
	}
}

// The room that a release may need, in bytes.
const (
	roomBad  = 64 << 20
	roomWarn = 512 << 20
)

func (d *doctor) room() {
	var stat unix.Statfs_t
	if err := unix.Statfs(d.dir, &stat); err != nil {
		d.add(LevelBad, "disk", "", "the disk of %s cannot be looked at: %v", d.dir, err)
		return
	}
	free := stat.Bavail * uint64(stat.Bsize) //nolint:gosec // a block size is not negative
	fix := "make room, for example with: ripcord journal prune --keep 20"
	text := fmt.Sprintf("%d MiB free", free>>20)
	switch {
	case free < roomBad:
		d.add(LevelBad, "disk", fix, "%s", text)
	case free < roomWarn:
		d.add(LevelWarn, "disk", fix, "%s", text)
	default:
		d.add(LevelOK, "disk", "", "%s", text)
	}
	if info, err := os.Stat(filepath.Join(d.dir, "reserve")); err == nil {
		d.add(LevelOK, "reserve", "", "%d MiB are kept for a way back when the disk is full", info.Size()>>20)
		return
	}
	d.add(LevelWarn, "reserve", "make room; the next command that may write makes it again", "there is no reserve: on a full disk no way back could be recorded")
}

// journal looks into the journal, and at what the state directory keeps alive.
func (d *doctor) journal(ctx context.Context, boot Boot) {
	if _, err := os.Stat(filepath.Join(d.dir, "journal.db")); errors.Is(err, fs.ErrNotExist) {
		d.add(LevelOK, "journal", "", "nothing was released from here yet")
		return
	}
	o := d.options
	o.ReadOnly = true
	a, err := Open(ctx, o, nil)
	if err != nil {
		fix := ""
		if e, ok := errors.AsType[*ripcord.Error](err); ok {
			fix = e.Fix
		}
		d.add(LevelBad, "journal", fix, "%v", err)
		return
	}
	defer func() { _ = a.Close() }() //nolint:contextcheck // retention has a time of its own
	d.runs(ctx, a)
	d.living(ctx, a, boot)
}

func (d *doctor) runs(ctx context.Context, a *App) {
	newest, err := a.History(ctx, ripcord.Filter{Limit: 1})
	if err != nil {
		d.add(LevelBad, "journal", "ripcord journal verify", "%v", err)
		return
	}
	d.add(LevelOK, "journal", "", "it can be read; `ripcord journal verify` proves every entry")
	if len(newest) == 1 && newest[0].StartedAt.After(d.options.Now().Add(time.Minute)) {
		d.add(LevelBad, "clock", "set the machine's clock", "run %s began in the future (%s): the clock went back", newest[0].Run, newest[0].StartedAt.Format(time.RFC3339))
	}
	unfinished, err := a.History(ctx, ripcord.Filter{Unfinished: true})
	if err != nil {
		d.add(LevelBad, "runs", "ripcord journal verify", "%v", err)
		return
	}
	for _, v := range unfinished {
		name := fmt.Sprintf("run %s (%s of %s)", v.Run, v.Purpose, strings.TrimSpace(v.Application+" "+v.Version)+" in "+v.Environment)
		switch {
		case v.Interrupted:
			d.add(LevelBad, "runs", "ripcord recover --run "+string(v.Run), "%s was interrupted", name)
		case v.State == ripcord.StateHeld:
			d.add(LevelWarn, "runs", "ripcord show "+string(v.Run), "%s is held: %s", name, v.Reason)
		default:
			d.add(LevelOK, "runs", "", "%s is %s", name, v.State)
		}
	}
	if len(unfinished) == 0 {
		d.add(LevelOK, "runs", "", "none is unfinished")
	}
}

// living tells of keeper and instances, and what a reboot would do to them.
func (d *doctor) living(ctx context.Context, a *App, boot Boot) {
	info, err := keeper.Status(d.dir)
	if err != nil {
		d.add(LevelBad, "keeper", "ripcord keeper start", "%v", err)
		return
	}
	all, err := a.Supervised(ctx)
	if err != nil {
		d.add(LevelBad, "instances", "ripcord keeper start", "%v", err)
		return
	}
	unfinished, err := a.unfinished(ctx)
	if err != nil {
		return // runs has said it
	}
	switch {
	case info.Running:
		d.add(LevelOK, "keeper", "", "it lives (process %d)", info.Keeper.PID)
	case unfinished && len(all) == 0:
		d.add(LevelWarn, "keeper", "ripcord keeper start", "none lives, so nobody minds the deadline of a hold or an interrupted run")
	case len(all) > 0:
		d.add(LevelBad, "keeper", "ripcord keeper start", "none lives, so nobody starts an instance again that ends")
	default:
		d.add(LevelOK, "keeper", "", "none lives, and there is nothing to look after")
	}
	for _, i := range all {
		if !i.Running {
			d.add(LevelWarn, "instances", "ripcord logs --service "+i.Labels["service"], "%s is down, after %d restarts", i.ID, i.Restarts)
		}
	}
	d.damaged()
	d.reboot(len(all), unfinished, boot)
}

// damaged tells of instances that nobody can tell anything else of.
func (d *doctor) damaged() {
	all, err := keeper.FindDamaged(d.dir, procfs.FS{})
	if err != nil {
		d.add(LevelBad, "instances", "run as the user who owns the state directory", "%v", err)
	}
	for _, is := range all {
		fix := "look whether the disk is sound, then: rm -r " + filepath.Dir(is.Path)
		if is.PID != 0 {
			fix = fmt.Sprintf("look what it is (ps -fp %d) and end it if nobody needs it; look whether the disk is sound, then: rm -r %s", is.PID, filepath.Dir(is.Path))
		}
		d.add(LevelBad, "instances", fix, "%s", is)
	}
}

func (d *doctor) reboot(instances int, unfinished bool, boot Boot) {
	what := fmt.Sprintf("%d instances", instances)
	switch {
	case unfinished && instances == 0:
		what = "the unfinished runs"
	case unfinished:
		what += " and the unfinished runs"
	}
	switch {
	case boot.Trouble != "":
		d.add(LevelBad, "reboot", boot.Fix, "a reboot would stop %s until the next ripcord command here: %s", what, boot.Trouble)
	case boot.Unit != "" && instances == 0 && !unfinished:
		d.add(LevelOK, "reboot", "", "a reboot would stop nothing; the keeper comes by itself after it (%s)", boot.Unit)
	case boot.Unit != "":
		d.add(LevelOK, "reboot", "", "%s go on after a reboot (%s)", what, boot.Unit)
	case instances == 0 && !unfinished:
		d.add(LevelOK, "reboot", "", "a reboot would stop nothing; no boot unit is installed")
	default:
		d.add(LevelWarn, "reboot", boot.Fix, "a reboot would stop %s until the next ripcord command here: no boot unit is installed", what)
	}
}
