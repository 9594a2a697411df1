package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
)

// errDiffers ends a comparison early.
var errDiffers = errors.New("it differs")

// compare returns the first name whose kind, content, link or right to execute
// is not the bundle's any more; empty when all are as they were laid out. What
// lies there beside them, such as a program's cache, does not count.
func compare(ctx context.Context, blobs ripcord.Blobs, ref ripcord.BlobRef, dir string) (differs string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return ".", nil // whatever lies there, it is no folder of ours
	}
	defer func() { _ = root.Close() }() // reading only
	err = each(ctx, blobs, ref, func(t *tar.Reader, h *tar.Header) error {
		same, err := equal(root, t, h)
		if err == nil && !same {
			differs, err = h.Name, errDiffers
		}
		return err
	})
	if errors.Is(err, errDiffers) {
		err = nil
	}
	return differs, err
}

// equal reports whether one entry lies in root as it is in the bundle. An error
// is one of reading the bundle.
func equal(root *os.Root, t *tar.Reader, h *tar.Header) (bool, error) {
	name := filepath.FromSlash(h.Name)
	info, err := root.Lstat(name)
	if err != nil {
		return false, nil // what cannot be read is not as it was laid out
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return info.IsDir(), nil
	case tar.TypeSymlink:
		to, err := root.Readlink(name)
		return err == nil && to == h.Linkname, nil
	}
	if !info.Mode().IsRegular() || info.Size() != h.Size || (info.Mode()^modeOf(h))&0o700 != 0 {
		return false, nil
	}
	f, err := root.Open(name)
	if err != nil {
		return false, nil
	}
	defer func() { _ = f.Close() }() // reading only
	return sameBytes(t, f)
}

// sameBytes compares the bundle's copy with a file; an error is one of the copy.
func sameBytes(kept io.Reader, file fs.File) (bool, error) {
	const size = 64 << 10
	want, have := make([]byte, size), make([]byte, size)
	for {
		n, err := io.ReadFull(kept, want)
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return false, err
		}
		if _, err := io.ReadFull(file, have[:n]); err != nil || !bytes.Equal(want[:n], have[:n]) {
			return false, nil //nolint:nilerr // as above
		}
		if ended {
			return true, nil
		}
	}
}
