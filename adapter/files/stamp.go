package files

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

const (
	stampSuffix = ".ripcord"
	stampLimit  = 4 << 10
)

// stampFile is the hidden file beside the destination that says who changed it.
func stampFile(base string) string { return "." + base + stampSuffix }

// stampName reports whether a name is that of a stamp, which is no part of a tree.
func stampName(base string) bool {
	return len(base) > len(stampSuffix)+1 && strings.HasPrefix(base, ".") && strings.HasSuffix(base, stampSuffix)
}

// Stamp implements ripcord.Stamper.
func (s *Step) Stamp(ctx context.Context) (stamp *ripcord.Stamp, err error) {
	p, root, err := s.stampPlace(ctx)
	if err != nil || root == nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	f, err := openFile(root, stampFile(p.base))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // the contract: nil when it has none
	}
	if err != nil {
		return nil, failed("read the stamp of", p.named, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, stampLimit))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, failed("read the stamp of", p.named, err)
	}
	stamp = &ripcord.Stamp{}
	if err := json.Unmarshal(data, stamp); err != nil {
		return nil, ripcord.Errorf(ripcord.CodeRefused, "files: the stamp %s of %s is damaged: %w", stampFile(p.base), p.named, err).
			WithFix("make sure that no other ripcord manages it, then delete the stamp")
	}
	return stamp, nil
}

// SetStamp implements ripcord.Stamper. Where the folder above the destination is
// not there, the stamp is kept until this step's Apply has made it.
func (s *Step) SetStamp(ctx context.Context, stamp ripcord.Stamp) (err error) {
	p, root, err := s.stampPlace(ctx)
	if err != nil {
		return err
	}
	if root == nil {
		s.stampLater = &stamp
		return nil
	}
	s.stampLater = nil
	defer func() { err = errors.Join(err, root.Close()) }()
	data, err := json.Marshal(stamp)
	if err != nil {
		return err
	}
	temp := tempName("stamp of " + p.named)
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("stamp", p.named, err)
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return failed("stamp", p.named, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(temp, stampFile(p.base))
	}
	if err != nil {
		return failed("stamp", p.named, errors.Join(err, root.Remove(temp)))
	}
	return syncFolder(root, ".")
}

// stampPlace opens the folder that holds the destination; nil where it is missing.
func (s *Step) stampPlace(_ context.Context) (*place, *os.Root, error) {
	isFolder := s.set.Content == nil
	if isFolder {
		if root, err := s.openSource(); err == nil {
			info, err := root.Stat(s.set.Source)
			isFolder = err == nil && info.IsDir()
			if err := root.Close(); err != nil {
				return nil, nil, err
			}
		}
	}
	p, err := s.locate(isFolder)
	if err != nil || len(p.missing) > 0 {
		return p, nil, err
	}
	root, err := os.OpenRoot(p.anchor)
	if err != nil {
		return nil, nil, failed("open", p.anchor, err)
	}
	return p, root, nil
}

func unlinkStamp(dir, base string) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failed("open", dir, err)
	}
	err = root.Remove(stampFile(base))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, root.Close())
}

func syncPath(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // G304: the folder above the destination
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
