package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/account"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Feasible fails where the instances' user does not exist, is not ours to become,
// or cannot reach the working folder or the program.
func (s *Step) Feasible(context.Context) error {
	if s.settings.User == "" || strings.Contains(s.settings.User, "${") {
		return nil
	}
	who, err := account.Lookup(s.settings.User)
	if err != nil || !who.Other() {
		return err
	}
	if dir := s.directory(); !strings.Contains(dir, "${") && there(dir) && !who.Enters(dir) {
		return ripcord.Errorf(ripcord.CodePlan, "user %s cannot enter %s, where the instances of %s run: %s is closed to it", who.Name, dir, s.settings.Service, who.Barrier(dir)).
			WithFix("open it (chmod o+x %s), or name another folder with directory, for example directory: /", who.Barrier(dir))
	}
	program := s.settings.Command[0]
	if _, kept := s.inFolder(program); kept || len(s.settings.Artifact) > 0 {
		return s.publicReach(who)
	}
	if filepath.IsAbs(program) && !strings.Contains(program, "${") && there(program) && !who.Executes(program) {
		return ripcord.Errorf(ripcord.CodePlan, "user %s cannot start %s", who.Name, program).
			WithFix("look at the rights of %s", who.Barrier(program))
	}
	return nil
}

// publicReach fails where the user cannot enter the folder that the release's
// files are laid out in for it.
func (s *Step) publicReach(who account.Account) error {
	dir := s.scope.Public
	for dir != "" && !there(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	if dir == "" || who.Enters(dir) {
		return nil
	}
	return ripcord.Errorf(ripcord.CodePlan, "user %s cannot reach %s, where the release's files are laid out for it: %s is closed to it", who.Name, s.scope.Public, who.Barrier(dir)).
		WithFix("name another folder with --public-dir (RIPCORD_PUBLIC_DIR), for example /srv/ripcord")
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// layOut copies the release's files to where another user can read them, because
// the bundle lies in the state directory, which is closed. From then on the step
// uses the copy. What was copied before is compared first.
func (s *Step) layOut(output io.Writer) error {
	if s.settings.User == "" || s.scope.Bundle == "" {
		return nil
	}
	failed := func(err error) error {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: fmt.Sprintf("service %s: %v", s.settings.Service, err)}
	}
	who, err := account.Lookup(s.settings.User)
	if err != nil {
		return failed(err)
	}
	files := s.bundled()
	if !who.Other() || len(files) == 0 {
		return nil
	}
	if s.scope.Public == "" {
		return failed(errors.New("there is no folder in which another user could read the release's files"))
	}
	dir := filepath.Join(s.scope.Public, filepath.Base(s.scope.Bundle), s.settings.Service)
	same, err := sameFiles(s.scope.Bundle, dir, files)
	if err == nil && !same {
		if there(dir) {
			service.Note(output, "the files in %s were changed by somebody: they are laid out again", dir)
		}
		err = replaceFolder(s.scope.Bundle, dir, files)
	}
	s.sweep()
	if err == nil && !who.Enters(dir) {
		err = fmt.Errorf("user %s cannot enter %s: %s is closed to it", who.Name, dir, who.Barrier(dir))
	}
	if err != nil {
		return failed(err)
	}
	s.scope.Bundle = dir
	return nil
}

// bundled are those of the step's files that the bundle holds.
func (s *Step) bundled() []string {
	var kept []string
	for _, path := range s.Files() {
		if _, err := os.Lstat(filepath.Join(s.scope.Bundle, path)); err == nil {
			kept = append(kept, path)
		}
	}
	return kept
}

// sameFiles reports whether all files lie in the folder as they are in from.
func sameFiles(from, dir string, files []string) (bool, error) {
	same := true
	err := each(from, files, func(name string, info fs.FileInfo) error {
		have, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case err != nil || have.Mode() != public(info):
			same = false
		case info.Mode().IsRegular():
			want, wantErr := os.ReadFile(filepath.Join(from, name)) //nolint:gosec // a path in the bundle
			data, dataErr := os.ReadFile(filepath.Join(dir, name))  //nolint:gosec // a path of our own
			same = same && wantErr == nil && dataErr == nil && bytes.Equal(want, data)
		case info.Mode()&fs.ModeSymlink != 0:
			want, wantErr := os.Readlink(filepath.Join(from, name))
			link, linkErr := os.Readlink(filepath.Join(dir, name))
			same = same && wantErr == nil && linkErr == nil && want == link
		}
		if !same {
			return fs.SkipAll
		}
		return nil
	})
	return same && there(dir), err
}

// public is the mode that a file has where others can read it.
func public(info fs.FileInfo) fs.FileMode {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return fs.ModeSymlink | 0o777
	case info.IsDir():
		return fs.ModeDir | 0o755
	case info.Mode()&0o111 != 0:
		return 0o755
	}
	return 0o644
}

// each visits the files and everything below them, and the folders above.
func each(from string, files []string, visit func(name string, info fs.FileInfo) error) error {
	for _, path := range files {
		if err := above(from, path, visit); err != nil {
			return skipped(err)
		}
		err := filepath.WalkDir(filepath.Join(from, path), func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(from, name)
			if err != nil {
				return err
			}
			return visit(rel, info)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// above visits the folders that lead to a path, the outermost first.
func above(from, path string, visit func(name string, info fs.FileInfo) error) error {
	for i, c := range path {
		if c != filepath.Separator {
			continue
		}
		info, err := os.Lstat(filepath.Join(from, path[:i]))
		if err == nil {
			err = visit(path[:i], info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func skipped(err error) error {
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

const (
	// unfinished begins the name of a folder that is being laid out.
	unfinished = ".laying-out-"
	// unfinishedFor is the longest that anybody lays out.
	unfinishedFor = time.Hour
)

// sweep removes what killed processes left half laid out of other releases. It
// harms nobody, so that its failure does not either.
func (s *Step) sweep() {
	left, err := filepath.Glob(filepath.Join(s.scope.Public, "*", unfinished+"*"))
	if err != nil {
		return
	}
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && s.scope.Now().Sub(info.ModTime()) > unfinishedFor {
			_ = os.RemoveAll(path) // the next deploy tries again
		}
	}
}

// replaceFolder makes dir anew, beside its place; what runs from the old one
// keeps its open files.
func replaceFolder(from, dir string, files []string) error {
	parent := filepath.Dir(dir)
	if err := openFolders(parent); err != nil {
		return err
	}
	// Only this run lays out this service of this release, so what is there was
	// left by a process that was killed.
	temporary := filepath.Join(parent, unfinished+filepath.Base(dir))
	if err := errors.Join(os.RemoveAll(temporary), os.Mkdir(temporary, 0o700)); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // gone already, or the old one
	fresh := filepath.Join(temporary, "new")
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	if err := each(from, files, func(name string, info fs.FileInfo) error { return copyOne(from, fresh, name, info) }); err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil { //nolint:gosec // others are to read it
		return err
	}
	if there(dir) {
		if err := os.Rename(dir, filepath.Join(temporary, "old")); err != nil {
			return err
		}
	}
	return os.Rename(fresh, dir)
}

// openFolders makes the folders that lead to the release's files: its own, the
// state directory's, and the one for all. Others may enter them, whatever the
// umask is.
func openFolders(release string) error {
	state := filepath.Dir(release)
	for _, dir := range []string{filepath.Dir(state), state, release} {
		if there(dir) {
			continue
		}
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil { //nolint:gosec // others are to enter it
			return err
		}
	}
	return nil
}

func copyOne(from, to, name string, info fs.FileInfo) (err error) {
	path := filepath.Join(to, name)
	switch {
	case info.IsDir():
		return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755)) //nolint:gosec // others are to enter it
	case info.Mode()&fs.ModeSymlink != 0:
		link, err := os.Readlink(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.Symlink(link, path); !errors.Is(err, fs.ErrExist) { // it may be named twice
			return err
		}
		return nil
	case !info.Mode().IsRegular():
		return nil
	}
	in, err := os.Open(filepath.Join(from, name)) //nolint:gosec // a path in the bundle
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // a path of our own
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(public(info)), out.Sync(), out.Close())
}
