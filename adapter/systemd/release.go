package systemd

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Files returns what the bundle must hold for this step, relative to the plan
// file's folder: the program and the artifacts.
func (s *Step) Files() []string {
	files := slices.Clone(s.settings.Artifact)
	if path, ok := s.inFolder(s.settings.Command[0]); ok {
		files = append(files, path)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// inFolder returns the path of a program relative to the plan file's folder; ok
// is false when it lies elsewhere and is not the release's.
func (s *Step) inFolder(word string) (path string, ok bool) {
	if !strings.Contains(word, "/") || open(word) {
		return "", false
	}
	if !filepath.IsAbs(word) {
		word = filepath.Join(s.directory(), word)
	}
	path, err := filepath.Rel(s.scope.Directory, word)
	return path, err == nil && filepath.IsLocal(path)
}

// directory is where instances run.
func (s *Step) directory() string {
	if filepath.IsAbs(s.settings.Directory) {
		return filepath.Clean(s.settings.Directory)
	}
	return filepath.Join(s.scope.Directory, s.settings.Directory)
}

// artifact reports whether a word names an artifact or a file within one.
func (s *Step) artifact(word string) (path string, ok bool) {
	path = filepath.Clean(word)
	for _, artifact := range s.settings.Artifact {
		rel, err := filepath.Rel(filepath.Clean(artifact), path)
		if err == nil && filepath.IsLocal(rel) {
			return path, true
		}
	}
	return "", false
}

// kept replaces the words of the command that belong to the release by their
// copies on the machine: the next version overwrites the originals while these
// still run.
func (s *Step) kept(folder string) ([]string, error) {
	argv := slices.Clone(s.settings.Command)
	for i, word := range argv {
		path, ok := s.inFolder(word)
		if i > 0 {
			path, ok = s.artifact(word)
		}
		if !ok {
			if i == 0 && strings.Contains(word, "/") && !open(word) && !filepath.IsAbs(word) {
				argv[i] = filepath.Join(s.directory(), word) // systemd takes no other paths
			}
			continue
		}
		if _, err := os.Lstat(filepath.Join(s.scope.Bundle, path)); err != nil {
			return nil, &ripcord.Failure{
				Class: ripcord.FailedTarget, Final: true,
				Summary: fmt.Sprintf("%s is not among the files that were kept when the run began: %v", path, err),
			}
		}
		argv[i] = folder + "/" + path
	}
	return argv, nil
}

// packed lists what has to be brought to the machine, relative to the bundle:
// everything where the text asks for the release's directory.
func (s *Step) packed() []string {
	const everything = "${release.directory}"
	texts := slices.Clone(s.settings.Command)
	for _, value := range s.settings.Environment {
		texts = append(texts, value)
	}
	if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, everything) }) {
		return []string{"."}
	}
	return s.Files()
}

// bring copies the release's files to the machine, for the units' group to read,
// unless this run has done so. They appear all at once.
func (s *Step) bring(ctx context.Context, h host, l *labels) error {
	const script = `umask 077
mkdir -p "$(dirname "$1")" && chmod 0711 "$(dirname "$1")" || exit 1
[ "$(cat "$1.run" 2>/dev/null)" = "$2" ] && exit 0
rm -rf "$1.run" "$1.new" "$1" && mkdir "$1.new" && tar -x -o -p -C "$1.new" || exit 1
[ -z "$3" ] || chgrp -R -h "$3" "$1.new" && chmod -R u=rwX,g=rX,o= "$1.new" || exit 1
mv -T "$1.new" "$1" && printf %s "$2" >"$1.run"`
	group, err := h.group(ctx, s.settings.User)
	if err != nil {
		return err
	}
	from, to := io.Pipe()
	packing := make(chan error, 1)
	go func() {
		err := pack(to, s.scope.Bundle, s.packed())
		packing <- errors.Join(err, to.CloseWithError(err))
	}()
	_, err = h.runWith(ctx, from, "sh", "-c", script, "bring", l.files(), l.Run, group)
	_ = from.Close() // the packer stops where nobody reads on
	if packed := <-packing; packed != nil && !errors.Is(packed, io.ErrClosedPipe) {
		return fmt.Errorf("pack the release's files: %w", packed)
	}
	if err != nil {
		return fmt.Errorf("bring the release's files to %s: %w", l.files(), err)
	}
	return nil
}

// group is the group of a user, "" for root's.
func (h host) group(ctx context.Context, user string) (string, error) {
	name, group, _ := strings.Cut(user, ":")
	if group != "" || name == "" {
		return group, nil
	}
	out, err := h.run(ctx, "sh", "-c", `id -g "$1" 2>/dev/null || printf %s "$1"`, "group", name)
	return strings.TrimSpace(out), err
}

// clear removes the release's files of a colour.
func (h host) clear(ctx context.Context, l *labels) error {
	_, err := h.run(ctx, "rm", "-rf", l.files()+".new", l.files(), l.files()+".run")
	return err
}

// pack writes files and folders of a folder as an archive.
func pack(to io.Writer, folder string, names []string) error {
	archive := tar.NewWriter(to)
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(folder, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return packOne(archive, folder, path, d)
		})
		if err != nil {
			return err
		}
	}
	return archive.Close()
}

func packOne(archive *tar.Writer, folder, path string, d fs.DirEntry) error {
	name, err := filepath.Rel(folder, path)
	if err != nil || name == "." {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	target := ""
	if d.Type()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name = name
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path) //nolint:gosec // a file of the bundle
	if err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return errors.Join(err, file.Close())
}
