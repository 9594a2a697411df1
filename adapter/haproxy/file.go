package haproxy

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
	configLimit     = 16 << 20 // in bytes
	validateTimeout = 30 * time.Second
	validateOutput  = 64 << 10 // in bytes
)

// readConfig reads a configuration file. Its error is of CodeRefused.
func readConfig(path, backend string) (*config, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > configLimit {
		err = errors.New("it is too large")
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path) //nolint:gosec // the file that the plan names
	}
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodeRefused, "haproxy: the configuration %s cannot be read: %w", path, err).
			WithFix("name the file that HAProxy reads when it starts, and let Ripcord read and write it")
	}
	return parseConfig(path, string(data), backend)
}

// replaceLines brings our lines from one of the versions in from to another one.
// Nothing is replaced that HAProxy has not found valid.
func (s *Step) replaceLines(ctx context.Context, to string, from ...string) error {
	file, err := readConfig(s.settings.Config, s.settings.Backend)
	if err != nil {
		return err
	}
	if file.lines() == to {
		return nil
	}
	if err := s.known(file, from...); err != nil {
		return err
	}
	staged, err := s.stage(ctx, file.with(to))
	if err != nil {
		return err
	}
	again, err := readConfig(s.settings.Config, s.settings.Backend)
	if err == nil && strings.Join(again.text, "") != strings.Join(file.text, "") {
		err = &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "somebody else changed " + s.settings.Config + " in this very moment"}
	}
	if err == nil {
		err = os.Rename(staged, resolved(s.settings.Config))
	}
	if err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return syncFolder(filepath.Dir(staged))
}

// known fails when our lines are none of the versions in from.
func (s *Step) known(file *config, from ...string) error {
	if slices.Contains(from, file.lines()) {
		return nil
	}
	return &ripcord.Failure{
		Class: ripcord.FailedTarget,
		Summary: "somebody else changed " + describeFile(s.settings.Config, s.settings.Backend) +
			" since this step began: put them back, or take their change over in another release",
		Lines: difference(from, file.lines()),
	}
}

// difference quotes lines that nobody expected.
func difference(from []string, now string) []string {
	known := strings.Join(from, "")
	var lines []string
	for line := range strings.Lines(now) {
		if !strings.Contains(known, line) && len(lines) < 8 {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// stage writes a candidate beside the configuration, where relative paths mean the
// same, and lets HAProxy test it. It returns the candidate's path.
func (s *Step) stage(ctx context.Context, text string) (string, error) {
	path := resolved(s.settings.Config)
	staged := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+s.settings.Backend+".ripcord-new")
	if err := writeLike(staged, path, text); err != nil {
		return "", fmt.Errorf("write %s: %w", staged, err)
	}
	if err := s.valid(ctx, staged); err != nil {
		return "", errors.Join(err, os.Remove(staged))
	}
	return staged, nil
}

// tryLines tests whether our lines may be replaced, and whether HAProxy would take
// the new ones, before anything else happens.
func (s *Step) tryLines(ctx context.Context, to string, from ...string) error {
	file, err := readConfig(s.settings.Config, s.settings.Backend)
	if err != nil || file.lines() == to {
		return err
	}
	if err := s.known(file, from...); err != nil {
		return err
	}
	staged, err := s.stage(ctx, file.with(to))
	if err != nil {
		return err
	}
	return os.Remove(staged)
}

// valid lets HAProxy test a file.
func (s *Step) valid(ctx context.Context, path string) error {
	c := ripcord.Command{Timeout: validateTimeout, Grace: time.Second, OutputLimit: validateOutput, Dir: filepath.Dir(path)}
	for _, word := range s.settings.Validate {
		c.Args = append(c.Args, strings.ReplaceAll(word, "%s", path))
	}
	// Debian keeps servers in sbin, which is not in everybody's PATH.
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if c.Args[0] == "haproxy" {
		for _, at := range []string{"/usr/local/sbin/haproxy", "/usr/sbin/haproxy"} {
			if _, err := os.Stat(at); err == nil {
				c.Args[0] = at
				break
			}
		}
	}
	exit, err := s.scope.Commands.Run(ctx, c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	shown := strings.Join(s.settings.Validate, " ")
	switch {
	case err != nil:
		return &ripcord.Failure{
			Class: ripcord.FailedCommand,
			Summary: fmt.Sprintf("the new configuration could not be tested with `%s`: %v; nothing was replaced. "+
				"Where HAProxy runs elsewhere, set the balancer's `validate` to the command that tests a file", shown, err),
		}
	case exit.Code != 0 || exit.Signal != "" || exit.TimedOut:
		return &ripcord.Failure{
			Class:   ripcord.FailedCommand,
			Summary: "HAProxy finds the configuration with Ripcord's lines invalid (`" + shown + "`); nothing was replaced",
			Lines:   exit.Tail, Exit: &exit,
		}
	}
	return nil
}

// writeLike writes a file durably with the mode and owner of another one.
func writeLike(path, like, text string) (err error) {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the file that the plan names
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	return f.Sync()
}

// resolved follows a symbolic link, so that it stays one.
func resolved(path string) string {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	return path
}

func syncFolder(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the folder of the file that the plan names
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
