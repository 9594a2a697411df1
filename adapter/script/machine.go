package script

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/remote"
)

// away reports whether the commands run on another machine.
func (s *Step) away() bool { return s.settings.Machine != "" }

// on returns what runs the step's commands on its machine.
func (s *Step) on(ctx context.Context, fence uint64) (*remote.Commands, error) {
	if s.scope.Machines == nil {
		return nil, ripcord.Errorf(ripcord.CodeInternal, "step %q: no machines are known here", s.spec.ID)
	}
	m, err := s.scope.Machines.Machine(ctx, s.settings.Machine)
	if err != nil {
		return nil, err
	}
	return remote.New(m, remote.Options{Fence: fence, Now: s.scope.Now}), nil
}

// run runs a command, here or on the step's machine, or with resume waits for the one
// that was started under its key.
func (s *Step) run(ctx context.Context, a ripcord.Attempt, c ripcord.Command, resume bool) (ripcord.Exit, error) {
	commands := s.scope.Commands
	var there *remote.Commands
	if s.away() {
		var err error
		if there, err = s.on(ctx, a.Fence); err != nil {
			return ripcord.Exit{}, err
		}
		commands = there
	}
	var exit ripcord.Exit
	var err error
	if resume {
		exit, err = commands.Resume(ctx, c)
	} else {
		if there != nil {
			if c.Args, err = s.shipped(ctx, there, c, a); err != nil {
				return ripcord.Exit{}, err
			}
		}
		exit, err = commands.Run(ctx, c)
	}
	if there != nil && err == nil {
		err = s.fetched(there.Outputs())
	}
	return exit, err
}

// fetched keeps what a command on another machine wrote to $RIPCORD_OUTPUT.
func (s *Step) fetched(outputs []byte) error {
	path, err := s.outputFile()
	if err != nil {
		return err
	}
	return os.WriteFile(path, outputs, 0o600)
}

// shipped copies the scripts that a command names to the machine and returns the
// command with their paths there. The way back, and a release that is executed again,
// take the bundle's copy of what is gone or changed here.
//
// With a folder on the machine, paths are the machine's own and nothing is copied.
func (s *Step) shipped(ctx context.Context, there *remote.Commands, c ripcord.Command, a ripcord.Attempt) ([]string, error) {
	if s.settings.Directory != "" {
		return c.Args, nil
	}
	back := s.scope.Again || !strings.Contains(c.Key, "/"+apply+"/")
	var files []remote.File
	paths := map[string]string{}
	for _, word := range scripts(c.Args) {
		path, ok := s.relative(word)
		if !ok {
			continue
		}
		file, why, err := s.script(path, back)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is one of the machine's own
		}
		if err != nil {
			return nil, err
		}
		if why != "" && strings.Contains(c.Key, "/"+undo+"/") {
			note(a.Output, "%s %s since the run began; its copy in the bundle is used", path, why)
		}
		files, paths[word] = append(files, file), path
	}
	if files == nil {
		return c.Args, nil
	}
	folder, err := there.Place(ctx, c.Key, files)
	if err != nil {
		return nil, err
	}
	for word, path := range paths {
		paths[word] = folder + "/" + filepath.ToSlash(path)
	}
	return replaceScripts(c.Args, paths), nil
}

// script reads one script, from the bundle where it is to be and differs here.
func (s *Step) script(path string, back bool) (file remote.File, why string, err error) {
	from := filepath.Join(s.scope.Directory, path)
	if kept := filepath.Join(s.scope.Bundle, path); back && s.scope.Bundle != "" {
		if why, err = differs(from, kept); err != nil {
			return file, "", &ripcord.Failure{Class: ripcord.FailedInternal, Summary: "the bundle's copy of " + path + " cannot be read: " + err.Error()}
		}
		if why != "" {
			from = kept
		}
	}
	info, err := os.Stat(from)
	if err != nil {
		return file, "", err
	}
	if !info.Mode().IsRegular() {
		return file, "", fs.ErrNotExist
	}
	data, err := os.ReadFile(from) //nolint:gosec // a path of the plan or in the bundle
	return remote.File{Path: filepath.ToSlash(path), Data: data, Mode: info.Mode().Perm() & 0o700}, why, err
}

// checkAway runs the check on the step's machine.
func (s *Step) checkAway(ctx context.Context) (ripcord.Observation, error) {
	image, trouble := &limited{limit: imageLimit}, &limited{limit: imageLimit}
	c, err := s.command(ctx, check, 0, s.settings.Check, nil)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	if c.Timeout == 0 {
		c.Timeout = checkTimeout
	}
	there, err := s.on(ctx, 0)
	if err == nil {
		c.Args, err = s.shipped(ctx, there, c, ripcord.Attempt{})
	}
	var exit ripcord.Exit
	if err == nil {
		exit, err = there.Check(ctx, c, image, trouble)
	}
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, notStarted(ctx, shown(s.settings.Check), err)
	}
	exit.Tail = append(strings.Split(strings.TrimSpace(string(image.data)), "\n"), errorLines(trouble.data, c.Secrets)...)
	return s.observation(ctx, c, exit, image), nil
}

// dropAway removes what the step left on its machine.
func (s *Step) dropAway(ctx context.Context) error {
	there, err := s.on(ctx, 0)
	if err != nil {
		return err
	}
	return there.Clean(ctx, ripcord.Key(s.scope.Run, s.spec.ID)+"/"+apply+"/0")
}
