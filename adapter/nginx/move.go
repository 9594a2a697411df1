package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

const (
	pollInterval = 5 * time.Millisecond
	// settle is how old the file must be when nginx is asked to read it, so that
	// its new workers are provably younger.
	settle = 30 * time.Millisecond
)

// replace brings our file from one of the versions in from to want. Nothing takes
// its place that nginx has not tested within the whole configuration.
func (s *Step) replace(ctx context.Context, want image, from ...image) error {
	now, err := s.look()
	if err != nil {
		return err
	}
	if now.image == want {
		return s.unstage()
	}
	if err := s.known(now.image, from...); err != nil {
		return err
	}
	if err := s.stage(ctx, want); err != nil {
		return errors.Join(err, s.unstage())
	}
	again, err := s.look()
	if err == nil && again.image != now.image {
		err = &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "somebody else changed " + s.settings.Include + " in this very moment"}
	}
	if err == nil {
		err = s.place(want)
	}
	if err != nil {
		return errors.Join(err, s.unstage())
	}
	return nil
}

// place gives a staged version its place.
func (s *Step) place(want image) error {
	path := resolved(s.settings.Include)
	var err error
	if want.Absent {
		err = os.Remove(path)
	} else {
		err = os.Rename(s.candidate(), path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// known fails when our file is none of the versions in from.
func (s *Step) known(now image, from ...image) error {
	if slices.Contains(from, now) {
		return nil
	}
	how := "it is gone"
	if !now.Absent {
		how = "its text, mode or owner is another"
	}
	return &ripcord.Failure{
		Class: ripcord.FailedTarget,
		Summary: "somebody else changed " + s.settings.Include + " since this step began (" + how + "): " +
			"put it back, or take the change over in another release",
		Lines: difference(from, now.Text),
	}
}

// difference quotes lines that nobody expected.
func difference(from []image, now string) []string {
	const most = 8
	var known strings.Builder
	for _, version := range from {
		known.WriteString(version.Text)
	}
	var lines []string
	for line := range strings.Lines(now) {
		if !strings.Contains(known.String(), line) && len(lines) < most {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// reload lets nginx read our file and waits until only workers serve that have.
func (s *Step) reload(ctx context.Context, a ripcord.Attempt) error {
	limited, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
	defer cancel()
	r, err := s.quiet(limited)
	if err != nil {
		return s.plain(err)
	}
	if err := a.Record(ctx, progress{Reload: true}); err != nil {
		return err
	}
	complaints := s.complaints()
	old := ids(r.serving)
	if err := syscall.Kill(r.master.pid, syscall.SIGHUP); err != nil {
		return s.plain(err)
	}
	for {
		now, err := s.find()
		if err != nil {
			return s.plain(err)
		}
		if len(now.serving) > 0 && !slices.ContainsFunc(now.serving, func(p process) bool { return slices.Contains(old, p.id()) }) {
			return nil
		}
		idle, _ := now.master.idle()
		lines := complaints.read()
		// nginx tries for a while to get an address that is taken.
		if (len(lines) == 0 || !idle) && pause(limited, pollInterval) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &ripcord.Failure{
			Class:   ripcord.FailedTarget,
			Summary: fmt.Sprintf("nginx (pid %d) did not take the reload: its old workers still serve what it had before", now.master.pid),
			Lines:   lines,
		}
	}
}

// await looks whether nginx runs, also where it is just starting.
func (s *Step) await(ctx context.Context) (running, error) {
	limited, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		r, err := s.find()
		if !errors.Is(err, errNotRunning) || !pause(limited, pollInterval) {
			return r, errors.Join(err, ctx.Err())
		}
	}
}

// startTime is how long nginx may read its configuration before it shows what it
// is.
const startTime = time.Second

// quiet waits until no reload is under way, and our file is old enough.
func (s *Step) quiet(ctx context.Context) (running, error) {
	for {
		r, err := s.find()
		if err != nil {
			return r, err
		}
		now, err := s.look()
		if err != nil {
			return r, err
		}
		idle, known := r.master.idle()
		young := !now.Absent && sinceBoot(s.scope.Now())-sinceBoot(now.placed) < settle
		if !young && (idle || !known) {
			return r, nil
		}
		if !pause(ctx, pollInterval) {
			return r, context.Cause(ctx)
		}
	}
}

// drained waits until the workers that read an older version are gone, at most for
// drain_timeout, and says who keeps them.
func (s *Step) drained(ctx context.Context, a ripcord.Attempt) error {
	limited, cancel := context.WithTimeout(ctx, s.settings.Drain.Std())
	defer cancel()
	for told := false; ; told = true {
		r, err := s.find()
		if errors.Is(err, errNotRunning) || err == nil && len(r.leaving) == 0 {
			return nil
		}
		if err != nil {
			return s.plain(err)
		}
		if !told {
			say(a, "waiting until %d old workers of nginx have answered", len(r.leaving))
		}
		if pause(limited, pollInterval) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		say(a, "%s", s.pinned(r.leaving))
		return nil
	}
}

// pause waits; it returns false when the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// say writes a line to the step's log.
func say(a ripcord.Attempt, format string, args ...any) {
	if a.Output != nil {
		_, _ = fmt.Fprintf(a.Output, format+"\n", args...) // the log is not worth a failure
	}
}
