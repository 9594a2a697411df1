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
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// Folder is the name of the folder that a bundle is unpacked to.
func Folder(ref ripcord.BlobRef) string { return ref.Digest[:min(len(ref.Digest), 24)] }

// unfinished begins the names of folders that a bundle is being laid out in.
const unfinished = ".unpacking-"

// Unpack lays the bundle out below parent, once for equal content, and returns
// the folder. Without a bundle it returns "". A folder that is there already is
// compared with the bundle first: one that differs is laid out anew, and one that
// cannot be compared is used as it is; warn is told of both. What killed
// processes left half done is removed.
func Unpack(ctx context.Context, blobs ripcord.Blobs, refs map[string]ripcord.BlobRef, parent string, warn func(text string)) (string, error) {
	ref, ok := refs[Name]
	if !ok {
		return "", nil
	}
	dir := filepath.Join(parent, Folder(ref))
	if err := unpack(ctx, blobs, ref, dir, warn); err != nil {
		return "", fmt.Errorf("unpacking the bundle: %w", err)
	}
	return dir, nil
}

func unpack(ctx context.Context, blobs ripcord.Blobs, ref ripcord.BlobRef, dir string, warn func(text string)) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	writing, err := enter(parent)
	if err != nil {
		return err
	}
	defer func() { _ = writing.Close() }() // this gives the lock back
	if _, err := os.Lstat(dir); err == nil {
		differs, err := compare(ctx, blobs, ref, dir)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			warn(fmt.Sprintf("the files in %s are used as they are: they could not be compared with what was kept: %v", dir, err))
			return nil
		case differs == "":
			return nil
		}
		warn(fmt.Sprintf("the files in %s were changed by somebody (%s): they are laid out anew", dir, differs))
	}
	temporary, err := os.MkdirTemp(parent, unfinished)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // gone already, or what was there before
	if err := extract(ctx, blobs, ref, temporary); err != nil {
		return err
	}
	return place(temporary, dir)
}

// place puts the folder where it belongs, in one step also when one is there:
// whoever runs from that finds each file at any moment.
func place(fresh, dir string) error {
	err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) { // a file system that cannot exchange
		if err := os.Rename(dir, fresh+".old"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(fresh + ".old") }() // else the next Unpack removes it
	}
	if err := os.Rename(fresh, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // also where another process was faster: it laid out the same
}

// Sweep removes what killed processes left half laid out below parent. It does
// nothing while anybody lays out a bundle there.
func Sweep(parent string) error {
	f, err := os.Open(parent) //nolint:gosec // a folder of the state directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // this gives the lock back
	return sweep(f)
}

// enter marks the caller as one who lays out a bundle below parent, until the
// file is closed or the process dies: the lock is the kernel's. Before, it
// removes what the dead left.
func enter(parent string) (*os.File, error) {
	f, err := os.Open(parent) //nolint:gosec // a folder of the state directory
	if err != nil {
		return nil, err
	}
	err = sweep(f)
	for err == nil {
		// Nobody holds the other kind for longer than it takes to remove a folder.
		if err = unix.Flock(int(f.Fd()), unix.LOCK_SH); err == nil {
			return f, nil
		}
		if errors.Is(err, unix.EINTR) {
			err = nil
		}
	}
	return nil, errors.Join(err, f.Close())
}

// sweep removes unfinished folders when nobody else has entered: those that
// write hold a shared lock from before they make their folder.
func sweep(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return nil
		}
		return err
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, unfinished) {
			if err := os.RemoveAll(filepath.Join(f.Name(), name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// extract lays the bundle out in an empty folder.
func extract(ctx context.Context, blobs ripcord.Blobs, ref ripcord.BlobRef, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // files in it are closed and synced one by one
	return each(ctx, blobs, ref, func(t *tar.Reader, h *tar.Header) error { return extractOne(root, t, h) })
}

// each visits the bundle's entries, to the end, so that its integrity is checked.
func each(ctx context.Context, blobs ripcord.Blobs, ref ripcord.BlobRef, visit func(t *tar.Reader, h *tar.Header) error) error {
	r, err := blobs.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // reading only; read errors are returned below
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		if err := visit(t, h); err != nil {
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
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, modeOf(h))
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, t); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// modeOf is the mode that a file is laid out with: its owner can mend it.
func modeOf(h *tar.Header) fs.FileMode {
	return fs.FileMode(h.Mode).Perm()&0o755 | 0o600 //nolint:gosec // Perm keeps nine bits
}
