// Package bundle captures at a run's start the files that its way back needs,
// and lays them out again later. What lies on disk by then does not matter.
package bundle

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

	"github.com/ripcord-dev/ripcord"
)

// Name is the bundle's name among a run's blobs.
const Name = "bundle"

// Capture stores the named files and folders, relative to dir, as one blob. It
// returns nil when there is nothing to store.
func Capture(ctx context.Context, blobs ripcord.Blobs, run ripcord.RunID, dir string, paths []string) (map[string]ripcord.BlobRef, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the bundle's folder: %w", err)
	}
	defer func() { _ = root.Close() }() // reading only: nothing is lost
	r, w := io.Pipe()
	go func() { w.CloseWithError(write(ctx, w, root, paths)) }()
	ref, err := blobs.Put(ctx, run, Name, r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("capturing the bundle: %w", err)
	}
	return map[string]ripcord.BlobRef{Name: ref}, nil
}

// write writes the tar in an order and form that depend on the content alone,
// so that equal files give equal bundles.
func write(ctx context.Context, w io.Writer, root *os.Root, paths []string) error {
	t := tar.NewWriter(w)
	sorted := slices.Clone(paths)
	slices.Sort(sorted)
	seen := make(map[string]bool)
	for _, path := range slices.Compact(sorted) {
		path = filepath.Clean(path)
		err := fs.WalkDir(root.FS(), filepath.ToSlash(path), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			if seen[name] {
				return nil
			}
			seen[name] = true
			return add(t, root, name, entry)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return t.Close()
}

func add(t *tar.Writer, root *os.Root, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), Format: tar.FormatPAX}
	switch {
	case info.IsDir():
		h.Typeflag = tar.TypeDir
		return t.WriteHeader(h)
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = root.Readlink(name); err != nil {
			return err
		}
		return t.WriteHeader(h)
	case !info.Mode().IsRegular():
		return nil // sockets and devices cannot be brought back
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // reading only
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}
