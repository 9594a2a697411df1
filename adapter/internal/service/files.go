package service

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Files returns what the bundle must hold of a release, relative to the plan
// file's folder: the program and the artifacts.
func (s *Settings) Files(folder string) []string {
	files := slices.Clone(s.Artifact)
	if path, ok := s.InFolder(folder, s.Command[0]); ok {
		files = append(files, path)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// InFolder returns the path of a program relative to the plan file's folder; ok
// is false when it lies elsewhere and is not the release's.
func (s *Settings) InFolder(folder, word string) (path string, ok bool) {
	if !strings.Contains(word, "/") || Open(word) {
		return "", false
	}
	if !filepath.IsAbs(word) {
		word = filepath.Join(s.WorkingFolder(folder), word)
	}
	path, err := filepath.Rel(folder, word)
	return path, err == nil && filepath.IsLocal(path)
}

// WorkingFolder is where instances run.
func (s *Settings) WorkingFolder(folder string) string {
	if filepath.IsAbs(s.Directory) {
		return filepath.Clean(s.Directory)
	}
	return filepath.Join(folder, s.Directory)
}

// artifact reports whether a word names an artifact or a file within one.
func (s *Settings) artifact(word string) (path string, ok bool) {
	path = filepath.Clean(word)
	for _, artifact := range s.Artifact {
		rel, err := filepath.Rel(filepath.Clean(artifact), path)
		if err == nil && filepath.IsLocal(rel) {
			return path, true
		}
	}
	return "", false
}

// Kept returns the command with the words that belong to the release replaced by
// their copies below to: the next version overwrites the originals while these
// still run. Each must be there in the bundle, which look tells.
func (s *Settings) Kept(folder, bundle, to string, look func(path string) (fs.FileInfo, error)) ([]string, error) {
	argv := slices.Clone(s.Command)
	for i, word := range argv {
		path, ok := s.InFolder(folder, word)
		if i > 0 {
			path, ok = s.artifact(word)
		}
		if !ok {
			continue
		}
		if _, err := look(filepath.Join(bundle, path)); err != nil {
			return nil, &ripcord.Failure{
				Class: ripcord.FailedTarget, Final: true,
				Summary: fmt.Sprintf("%s is not among the files that were kept when the run began: %v", path, err),
			}
		}
		argv[i] = filepath.Join(to, path)
	}
	return argv, nil
}
