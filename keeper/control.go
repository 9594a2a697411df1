package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
	"github.com/ripcord-dev/ripcord/shim"
)

// ensureLimit is how long a new keeper may take to begin.
const (
	ensureLimit = 20 * time.Second
	ensurePause = 5 * time.Millisecond
)

// Ensure makes sure that a keeper looks after the state directory dir: where
// none does, it starts "self __keeper --state-dir dir" in the background, in a
// session of its own, and returns when that holds the lock.
func Ensure(ctx context.Context, dir, self string) error {
	ctx, cancel := context.WithTimeout(ctx, ensureLimit)
	defer cancel()
	if there, err := settled(ctx, dir); there || err != nil {
		return err
	}
	// One at a time: a second keeper would end at once, but not without trying.
	start, err := lockStart(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { _ = start.Close() }()
	if there, err := settled(ctx, dir); there || err != nil {
		return err
	}
	return startKeeper(ctx, dir, self)
}

// settled reports whether a keeper looks after the directory. It waits for one that is
// just beginning, and for the end of one that is dying.
func settled(ctx context.Context, dir string) (there bool, err error) {
	for {
		info, err := Status(dir)
		if err != nil || info.Running {
			return info.Running, err
		}
		if held, err := locked(dir); err != nil || !held {
			return false, err
		}
		if ctx.Err() != nil {
			return false, fmt.Errorf("wait for keeper: %w", ctx.Err())
		}
		pause(ctx, ensurePause)
	}
}

func startKeeper(ctx context.Context, dir, self string) error {
	log, err := openLog(filepath.Join(dir, logFile), logLimit)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), procfs.Executable(self), "__keeper", "--state-dir", dir) // #nosec G204 -- our own binary
	cmd.Args[0] = self
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", environment(), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start keeper: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	return begun(ctx, dir, ended)
}

// begun waits until a keeper looks after the directory. Where ended is closed
// first, the one that we started failed.
func begun(ctx context.Context, dir string, ended <-chan struct{}) error {
	for over := false; ; {
		info, err := Status(dir)
		if err != nil || info.Running {
			return err
		}
		held, err := locked(dir)
		if err != nil {
			return err
		}
		if over && !held { // else another one was faster, and is about to begin
			lines, _ := tailOf(info.Log, 3)
			return fmt.Errorf("the keeper ended at once: %s", strings.Join(lines, "; "))
		}
		select {
		case <-ended:
			over, ended = true, nil
		case <-ctx.Done():
			return fmt.Errorf("wait for keeper: %w", ctx.Err())
		default:
			pause(ctx, ensurePause)
		}
	}
}

// Info is what is known of a state directory's keeper.
type Info struct {
	Running bool            `json:"running"`
	Keeper  procfs.Identity `json:"keeper,omitzero"`
	Since   time.Time       `json:"since,omitzero"`
	// Instances is the number of wanted instances.
	Instances int `json:"instances"`
	// Runs are those that keepers started a living executor for.
	Runs []ripcord.RunID `json:"runs,omitempty"`
	Log  string          `json:"log"`
}

// Status tells of the state directory's keeper.
func Status(dir string) (Info, error) {
	proc := procfs.System()
	info := Info{Log: filepath.Join(dir, logFile)}
	held, err := locked(dir)
	if err != nil {
		return info, err
	}
	var id identity
	known, err := shim.ReadJSON(dir, identityFile, &id)
	if err != nil {
		return info, err
	}
	if held && known && proc.Alive(id.Identity) {
		info.Running, info.Keeper, info.Since = true, id.Identity, id.Since
	}
	all, err := wanted(dir, "")
	if err != nil {
		return info, err
	}
	info.Instances = len(all)
	living, err := executors(dir, proc)
	for _, e := range living {
		info.Runs = append(info.Runs, e.Run)
	}
	return info, err
}

// stopGrace is how long a keeper may take to end before it is killed.
const stopGrace = 10 * time.Second

// Stop ends the state directory's keeper; instances and executors live on. It
// returns when the keeper is gone; where there is none, that is no error.
func Stop(ctx context.Context, dir string) error {
	info, err := Status(dir)
	if err != nil || !info.Running {
		return err
	}
	proc := procfs.System()
	if err := proc.Signal(info.Keeper, unix.SIGTERM); err != nil {
		return unlessGone(err)
	}
	patient, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if err := proc.Wait(patient, info.Keeper); err == nil {
		return nil
	}
	if err := proc.Signal(info.Keeper, unix.SIGKILL); err != nil {
		return unlessGone(err)
	}
	if err := proc.Wait(ctx, info.Keeper); err != nil {
		return fmt.Errorf("stop keeper: %w", err)
	}
	return nil
}

func unlessGone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return fmt.Errorf("stop keeper: %w", err)
}
