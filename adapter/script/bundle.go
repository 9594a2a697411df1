package script

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// Files returns the script files that the step's commands name, relative to the
// plan file's folder: what a bundle must hold for the way back.
func (s *Step) Files() []string {
	var files []string
	if s.away() && s.settings.Directory != "" {
		return nil // paths are the machine's own
	}
	for _, argv := range [][]string{s.settings.Command, s.settings.Undo, s.settings.Check} {
		for _, word := range scripts(argv) {
			path, ok := s.relative(word)
			if !ok {
				continue
			}
			if info, err := os.Stat(filepath.Join(s.scope.Directory, path)); err == nil && info.Mode().IsRegular() {
				files = append(files, path)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// relative returns a script's path relative to the plan file's folder; ok is
// false when it lies elsewhere.
func (s *Step) relative(word string) (path string, ok bool) {
	if !filepath.IsAbs(word) {
		word = filepath.Join(s.directory(), word)
	}
	path, err := filepath.Rel(s.scope.Directory, word)
	return path, err == nil && filepath.IsLocal(path)
}

// bundled returns argv with each script that changed on disk since the run's
// start, or is gone, replaced by its copy in the bundle, and says so in notes.
func (s *Step) bundled(argv []string) (replaced, notes []string, err error) {
	if s.scope.Bundle == "" {
		return argv, nil, nil
	}
	copies := map[string]string{}
	for _, word := range scripts(argv) {
		path, ok := s.relative(word)
		if !ok {
			continue
		}
		kept := filepath.Join(s.scope.Bundle, path)
		why, err := differs(filepath.Join(s.scope.Directory, path), kept)
		if err != nil {
			return nil, nil, &ripcord.Failure{Class: ripcord.FailedInternal, Summary: "the bundle's copy of " + path + " cannot be read: " + err.Error()}
		}
		if why != "" {
			if copies[word], err = s.reachable(kept); err != nil {
				return nil, nil, err
			}
			notes = append(notes, path+" "+why+" since the run began; its copy in the bundle is used")
		}
	}
	return replaceScripts(argv, copies), notes, nil
}

// differs says how a file on disk differs from its copy; "" is not at all, or no
// copy.
func differs(path, kept string) (why string, err error) {
	want, err := os.ReadFile(kept) //nolint:gosec // a path in the bundle
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	have, err := os.ReadFile(path) //nolint:gosec // a path of the plan
	if err != nil {
		return "is gone", nil //nolint:nilerr // a file that cannot be read is as good as gone
	}
	if !bytes.Equal(have, want) || executable(path) != executable(kept) {
		return "changed", nil
	}
	return "", nil
}

// reachable returns a path of the kept script that the step's user can read: the
// bundle lies in the state directory, which is ours alone.
func (s *Step) reachable(kept string) (string, error) {
	uid, gid, err := s.owner()
	if err != nil || uid < 0 {
		return kept, err
	}
	dir, err := s.privateFolder()
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(kept) //nolint:gosec // a path in the bundle
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kept-"+filepath.Base(kept))
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o500) //nolint:gosec // a private folder
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	return path, errors.Join(err, file.Chown(uid, gid), file.Close())
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}
