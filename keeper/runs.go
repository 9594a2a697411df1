package keeper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
	"github.com/ripcord-dev/ripcord/shim"
)

// executorLogLimit is the size at which an executor's log is begun anew, in
// bytes; the one before is kept.
const executorLogLimit = 10 << 20

// executor is what executors/RUN.json holds.
type executor struct {
	procfs.Identity
	Run     ripcord.RunID `json:"run"`
	Started time.Time     `json:"started_at"`
}

// carried is a run as the keeper sees it.
type carried struct {
	backoff backoff
	due     time.Time
	// started is when its last executor was.
	started time.Time
}

func executorsDir(state string) string { return filepath.Join(state, "executors") }

// executorName is a file name for a run.
func executorName(run ripcord.RunID) string {
	return strings.TrimLeft(url.PathEscape(string(run)), ".")
}

// runsPause is how often the journal is asked for runs.
const runsPause = time.Second

func (k *keeper) lookAtRuns(ctx context.Context) (bool, error) {
	if k.Now().Before(k.runsDue) {
		return k.busyRuns, nil
	}
	k.runsDue = k.Now().Add(min(runsPause, 5*k.Tick))
	busy, err := k.carry(ctx)
	k.busyRuns = busy
	return busy, err
}

// carry starts an executor for each run that has none. It reports whether there
// are unfinished runs.
func (k *keeper) carry(ctx context.Context) (bool, error) {
	orphans, err := k.orphans(ctx)
	if err != nil {
		return true, err
	}
	known := make(map[ripcord.RunID]*carried, len(orphans))
	var errs []error
	for _, run := range orphans {
		c := k.runs[run]
		if c == nil {
			c = &carried{}
		}
		known[run] = c
		errs = append(errs, k.execute(ctx, run, c))
	}
	// A run is no orphan while its executor lives; should that die soon, it is one
	// death in a row.
	for run, c := range k.runs {
		if known[run] == nil && k.Now().Sub(c.started) < backoffReset {
			known[run] = c
		}
	}
	k.runs = known
	errs = append(errs, k.forget())
	if len(orphans) > 0 {
		return true, errors.Join(errs...)
	}
	living, err := executors(k.Dir, k.Proc)
	if err = errors.Join(append(errs, err)...); err != nil || len(living) > 0 || k.Unfinished == nil {
		return len(living) > 0, err
	}
	return k.Unfinished(ctx)
}

// executorKept is how long the files of an executor stay after its last sign of
// life.
const executorKept = 30 * 24 * time.Hour

// forget removes the files of executors that ended long ago.
func (k *keeper) forget() error {
	entries, err := os.ReadDir(executorsDir(k.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || k.Now().Sub(info.ModTime()) < executorKept {
			continue // a file that is gone is forgotten
		}
		var e executor
		known, err := shim.ReadJSON(executorsDir(k.Dir), entry.Name(), &e)
		if err == nil && (!known || !k.Proc.Alive(e.Identity)) {
			err = os.Remove(filepath.Join(executorsDir(k.Dir), entry.Name()))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (k *keeper) orphans(ctx context.Context) ([]ripcord.RunID, error) {
	if k.Orphans == nil {
		return nil, nil
	}
	return k.Orphans(ctx)
}

// execute starts an executor for the run, unless one lives or the last one died
// a moment ago.
func (k *keeper) execute(ctx context.Context, run ripcord.RunID, c *carried) error {
	var last executor
	known, err := shim.ReadJSON(executorsDir(k.Dir), executorName(run)+".json", &last)
	if err != nil {
		return err
	}
	if known && k.Proc.Alive(last.Identity) {
		c.due = time.Time{}
		return nil
	}
	if c.due.IsZero() {
		c.due = k.Now()
		if known && c.backoff.next != 0 { // the one that died was ours
			c.due = c.due.Add(c.backoff.died(k.Now().Sub(last.Started)))
		}
	}
	if k.Now().Before(c.due) {
		return nil
	}
	c.due = time.Time{}
	if c.backoff.next == 0 {
		c.backoff.next = backoffFirst
	}
	c.started = k.Now()
	if id, found, err := k.unrecorded(run); found || err != nil {
		return errors.Join(err, k.recordExecutor(run, id))
	}
	return k.startExecutor(ctx, run)
}

// executorEnvironment is the variable by which an executor is found whose keeper
// died before it wrote down who it started.
const executorEnvironment = "RIPCORD_EXECUTOR"

func (k *keeper) mark(run ripcord.RunID) string {
	return filepath.Join(executorsDir(k.Dir), executorName(run))
}

func (k *keeper) unrecorded(run ripcord.RunID) (id procfs.Identity, found bool, err error) {
	tree, err := k.Proc.Tree()
	if err != nil {
		return id, false, err
	}
	for _, p := range tree.WithEnv(executorEnvironment, k.mark(run)) {
		if p.PID == p.Session { // not one of its children
			return tree.Identity(p), true, nil
		}
	}
	return id, false, nil
}

func (k *keeper) recordExecutor(run ripcord.RunID, id procfs.Identity) error {
	return shim.WriteJSON(executorsDir(k.Dir), executorName(run)+".json", executor{Identity: id, Run: run, Started: k.Now()})
}

// startExecutor starts "self __execute" in a session of its own, so that it
// outlives the keeper.
func (k *keeper) startExecutor(ctx context.Context, run ripcord.RunID) error {
	if err := os.MkdirAll(executorsDir(k.Dir), 0o700); err != nil {
		return fmt.Errorf("execute run %s: %w", run, err)
	}
	log, err := openLog(filepath.Join(executorsDir(k.Dir), executorName(run)+".log"), executorLogLimit)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), procfs.Executable(k.Self), "__execute", "--state-dir", k.Dir, "--run", string(run)) // #nosec G204 -- our own binary
	cmd.Args[0] = k.Self
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", k.Env, log, log
	if cmd.Env == nil {
		cmd.Env = environment()
	}
	cmd.Env = append(slices.Clone(cmd.Env), executorEnvironment+"="+k.mark(run))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("execute run %s: %w", run, err)
	}
	id, err := k.Proc.Of(cmd.Process.Pid) // it can't be reaped yet
	go func() { _ = cmd.Wait() }()
	if err != nil {
		return err
	}
	k.Log.InfoContext(ctx, "executor started", slog.String("run", string(run)), slog.Int("pid", id.PID))
	return k.recordExecutor(run, id)
}

// Ended reports whether an executor that keepers started for the run has ended.
func Ended(state string, run ripcord.RunID) (bool, error) {
	var last executor
	known, err := shim.ReadJSON(executorsDir(state), executorName(run)+".json", &last)
	return known && !procfs.System().Alive(last.Identity), err
}

// executors returns the living executors that keepers started.
func executors(state string, proc procfs.FS) ([]executor, error) {
	entries, err := os.ReadDir(executorsDir(state))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list executors: %w", err)
	}
	var living []executor
	for _, entry := range entries {
		var e executor
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		if ok, err := shim.ReadJSON(executorsDir(state), entry.Name(), &e); err != nil {
			return nil, err
		} else if ok && proc.Alive(e.Identity) {
			living = append(living, e)
		}
	}
	return living, nil
}

// environment is our own without the marks of a command or an executor that we
// may have been started from: what we start does not end with it.
func environment() []string {
	return slices.DeleteFunc(shim.Unmarked(os.Environ()), func(entry string) bool {
		return strings.HasPrefix(entry, executorEnvironment+"=")
	})
}
