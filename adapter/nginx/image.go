package nginx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// image is exactly our file; nothing else is changed.
type image struct {
	Path   string      `json:"path"`
	Absent bool        `json:"absent,omitempty"`
	Text   string      `json:"text,omitempty"`
	Mode   fs.FileMode `json:"mode,omitempty"`
	UID    int         `json:"uid,omitempty"`
	GID    int         `json:"gid,omitempty"`
}

// found is our file with what tells when it took its place.
type found struct {
	image
	placed time.Time
}

func (s *Step) look() (found, error) {
	f := found{image: image{Path: s.settings.Include}}
	info, err := os.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		f.Absent = true
		return f, nil
	}
	if err != nil {
		return f, err
	}
	f.Text, err = readText(f.Path)
	f.Mode = info.Mode().Perm()
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = int(sys.Uid), int(sys.Gid)
		// The kernel's note of the last rename.
		f.placed = time.Unix(sys.Ctim.Unix())
	}
	return f, err
}

func beforeImage(a ripcord.Attempt) (image, error) {
	var before image
	if err := json.Unmarshal(a.Before.Image, &before); err != nil {
		return before, &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: fmt.Sprintf("the before-image cannot be read: %v", err)}
	}
	return before, nil
}

// write writes an image durably to a path that nothing reads yet.
func (i image) write(path string) (err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the file that the plan names
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteString(i.Text); err != nil {
		return err
	}
	if err := own(f, i); err != nil {
		return err
	}
	if err := f.Chmod(i.Mode); err != nil {
		return err
	}
	return f.Sync()
}

// own gives the file to its owner where it is not already theirs.
func own(f *os.File, i image) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok && int(sys.Uid) == i.UID && int(sys.Gid) == i.GID {
		return nil
	}
	return f.Chown(i.UID, i.GID)
}

// resolved follows a symbolic link, so that it stays one.
func resolved(path string) string {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	return path
}

func syncFolder(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the folder of the file that the plan names
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
