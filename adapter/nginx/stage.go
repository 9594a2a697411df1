package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

const (
	testTimeout = 30 * time.Second
	testOutput  = 64 << 10 // in bytes
)

// candidate is where a new version of our file waits for its test. It lies in the
// folder of the file itself, to be renamed.
func (s *Step) candidate() string { return hidden(resolved(s.settings.Include), "ripcord-new") }

// stage writes a version of our file beside its place and lets nginx test the whole
// configuration with it. What nginx reads is not touched: copies of the files that
// lead to ours name the candidate in its place, and are removed again.
func (s *Step) stage(ctx context.Context, want image) error {
	if !want.Absent {
		if err := want.write(s.candidate()); err != nil {
			return fmt.Errorf("write %s: %w", s.candidate(), err)
		}
	}
	t, err := load(s.settings.Config)
	if err != nil {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "the configuration of nginx cannot be read: " + err.Error()}
	}
	r := &rehearsal{step: s, tree: t, want: want, copies: map[string]string{}}
	main, err := r.copy(t.main, 0)
	if err == nil {
		err = s.test(ctx, main, "with Ripcord's new file")
	}
	return errors.Join(err, r.clean())
}

// unstage removes what an interrupted stage left.
func (s *Step) unstage() error {
	left := []string{s.candidate(), s.copyOf(s.settings.Config)}
	if t, err := load(s.settings.Config); err == nil {
		for path := range t.files {
			left = append(left, s.copyOf(path))
		}
	}
	return removeAll(left)
}

// copyOf is where a file's copy lies during a test.
func (s *Step) copyOf(path string) string {
	return hidden(path, variable(s.settings.Upstream)+"-test")
}

// removeAll removes files, also where some are gone.
func removeAll(paths []string) error {
	var problems []error
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// rehearsal is a copy of the part of the configuration that leads to our file.
type rehearsal struct {
	step   *Step
	tree   *tree
	want   image
	copies map[string]string
}

// copy writes a file's copy where one of its includes leads to our file, and
// returns the path to be read: the copy's, or its own.
func (r *rehearsal) copy(f *file, depth int) (string, error) {
	if to := r.copies[f.path]; to != "" {
		return to, nil
	}
	if depth > maxDepth {
		return f.path, nil
	}
	var text strings.Builder
	at, changed := 0, false
	var problem error
	walk(f.list, nil, func(_ []*directive, d *directive) {
		if d.name != "include" || len(d.args) != 1 || problem != nil {
			return
		}
		names, other, err := r.names(d, depth)
		problem = err
		if other {
			text.WriteString(f.text[at:d.start])
			for _, name := range names {
				text.WriteString("include " + quoted(name) + "; ")
			}
			at, changed = d.end, true
		}
	})
	if problem != nil || !changed && f != r.tree.main {
		return f.path, problem
	}
	to := r.step.copyOf(f.path)
	r.copies[f.path] = to
	return to, os.WriteFile(to, []byte(text.String()+f.text[at:]), 0o600)
}

// names are the files that an include is to name; other says that they are not
// those that it names now.
func (r *rehearsal) names(d *directive, depth int) (names []string, other bool, err error) {
	pattern, ours := r.tree.absolute(d.args[0]), filepath.Clean(r.step.settings.Include)
	all := r.tree.matches(d.args[0])
	if globs(pattern, ours) && !slices.Contains(all, ours) {
		all = append(all, ours)
		slices.Sort(all)
	}
	for _, path := range all {
		switch f := r.tree.files[path]; {
		case path == ours:
			other = true
			if !r.want.Absent {
				names = append(names, r.step.candidate())
			}
		case f == nil:
			names = append(names, path)
		default:
			to, err := r.copy(f, depth+1)
			if err != nil {
				return nil, false, err
			}
			names, other = append(names, to), other || to != path
		}
	}
	return names, other, nil
}

func (r *rehearsal) clean() error { return removeAll(slices.Collect(maps.Values(r.copies))) }

// original gives the lines of a test the names of the real files.
func (s *Step) original(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		line = strings.ReplaceAll(line, s.candidate(), s.settings.Include)
		suffix := "." + variable(s.settings.Upstream) + "-test"
		for strings.Contains(line, suffix) {
			end := strings.Index(line, suffix)
			base := strings.LastIndex(line[:end], "/") + 1
			line = line[:base] + strings.TrimPrefix(line[base:end], ".") + line[end+len(suffix):]
		}
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// test lets nginx test a configuration.
func (s *Step) test(ctx context.Context, config, what string) error {
	exit, err := s.run(ctx, "-t", "-c", config)
	shown := s.settings.Program + " -t -c " + s.settings.Config
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &ripcord.Failure{
			Class: ripcord.FailedCommand,
			Summary: fmt.Sprintf("the configuration could not be tested with `%s`: %v; nothing was replaced. "+
				"Set the balancer's `program` to where nginx is", shown, err),
		}
	case exit.Code != 0 || exit.Signal != "" || exit.TimedOut:
		return &ripcord.Failure{
			Class:   ripcord.FailedCommand,
			Summary: "nginx finds the configuration invalid " + what + " (`" + shown + "`); nothing was replaced",
			Lines:   s.original(exit.Tail), Exit: &exit,
		}
	}
	return nil
}

// run runs the program to its end.
func (s *Step) run(ctx context.Context, args ...string) (ripcord.Exit, error) {
	words := strings.Fields(s.settings.Program)
	if !strings.Contains(words[0], "/") {
		// Debian keeps servers in sbin, which is not in everybody's PATH.
		for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin", "/usr/local/nginx/sbin"} {
			if _, err := os.Stat(filepath.Join(dir, words[0])); err == nil {
				words[0] = filepath.Join(dir, words[0])
				break
			}
		}
	}
	return s.scope.Commands.Run(ctx, ripcord.Command{
		Args: append(words, args...), Dir: "/",
		Env:     []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Timeout: testTimeout, Grace: time.Second, OutputLimit: testOutput,
	})
}
