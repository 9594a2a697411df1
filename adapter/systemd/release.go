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

	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Files returns what the bundle must hold for this step, relative to the plan
// file's folder: the program and the artifacts.
func (s *Step) Files() []string { return s.settings.Files(s.scope.Directory) }

// directory is where instances run; files is the folder of the release's files. On
// another machine there is no plan file's folder, so that one stands for it.
func (s *Step) directory(files string) string {
	if s.settings.Machine != "" {
		return s.settings.WorkingFolder(files)
	}
	return s.settings.WorkingFolder(s.scope.Directory)
}

// kept returns the command with the release's files on the machine.
func (s *Step) kept(folder string) ([]string, error) {
	argv, err := s.settings.Kept(s.scope.Directory, s.scope.Bundle, folder, os.Lstat)
	if err != nil {
		return nil, err
	}
	if program := argv[0]; strings.Contains(program, "/") && !service.Open(program) && !filepath.IsAbs(program) {
		argv[0] = filepath.Join(s.directory(folder), program) // systemd takes no other paths
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
