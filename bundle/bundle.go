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

// Folder is the name of the folder that a bundle is unpacked to.
func Folder(ref ripcord.BlobRef) string { return ref.Digest[:min(len(ref.Digest), 24)] }

// Unpack lays the bundle out below parent, once for equal content, and returns
// the folder. Without a bundle it returns "".
func Unpack(ctx context.Context, blobs ripcord.Blobs, refs map[string]ripcord.BlobRef, parent string) (string, error) {
	ref, ok := refs[Name]
	if !ok {
		return "", nil
	}
	dir := filepath.Join(parent, Folder(ref))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", fmt.Errorf("unpacking the bundle: %w", err)
	}
	temporary, err := os.MkdirTemp(parent, ".unpacking-")
	if err != nil {
		return "", fmt.Errorf("unpacking the bundle: %w", err)
	}
	defer func() { _ = os.RemoveAll(temporary) }() // gone already when all went well
	if err := extract(ctx, blobs, ref, temporary); err != nil {
		return "", fmt.Errorf("unpacking the bundle: %w", err)
	}
	if err := os.Rename(temporary, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, statErr := os.Stat(dir); statErr != nil {
			return "", fmt.Errorf("unpacking the bundle: %w", err)
		}
	}
	return dir, nil
}

func extract(ctx context.Context, blobs ripcord.Blobs, ref ripcord.BlobRef, dir string) error {
	r, err := blobs.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // reading only; read errors are returned below
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // files in it are closed and synced one by one
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, r) // to the end, so that the blob's integrity is checked
			return err
		}
		if err != nil {
			return err
		}
		if err := extractOne(root, t, h); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

func extractOne(root *os.Root, t *tar.Reader, h *tar.Header) error {
	name := filepath.FromSlash(h.Name)
	if h.Typeflag == tar.TypeDir {
		return root.MkdirAll(name, 0o700)
	}
	if parent := filepath.Dir(name); parent != "." {
		if err := root.MkdirAll(parent, 0o700); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeSymlink {
		return root.Symlink(h.Linkname, name)
	}
	mode := fs.FileMode(h.Mode).Perm() & 0o755 //nolint:gosec // Perm keeps nine bits
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode|0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, t); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}
