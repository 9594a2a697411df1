package haproxy

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
)

// Stamp implements ripcord.Stamper. It is also where a HAProxy that cannot be
// used is refused, because a stamp is read before anything else happens.
func (s *Step) Stamp(ctx context.Context) (*ripcord.Stamp, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	path := s.stampPath()
	data, err := os.ReadFile(path) //nolint:gosec // beside what the plan names
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // the contract: nil when it has none
	}
	if err != nil {
		return nil, refused("let Ripcord read it", "the stamp of backend %s cannot be read: %w", s.settings.Backend, err)
	}
	stamp := &ripcord.Stamp{}
	if err := json.Unmarshal(data, stamp); err != nil {
		return nil, refused("make sure that no other ripcord manages this backend, then delete the file", "the stamp %s is damaged: %w", path, err)
	}
	return stamp, nil
}

// stampPath is a hidden file that lives as long as what is changed: beside the
// configuration, or beside the socket where nothing else outlives HAProxy.
// HAProxy reads no hidden file of a configuration folder.
func (s *Step) stampPath() string {
	beside := s.settings.Socket
	if s.settings.Config != "" {
		beside = resolved(s.settings.Config)
	}
	return filepath.Join(filepath.Dir(beside), "."+filepath.Base(beside)+"."+s.settings.Backend+".ripcord")
}

// SetStamp implements ripcord.Stamper.
func (s *Step) SetStamp(_ context.Context, stamp ripcord.Stamp) error {
	data, err := json.Marshal(stamp)
	if err != nil {
		return err
	}
	path := s.stampPath()
	fresh := path + "-new"
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return refused("let Ripcord write there", "backend %s cannot be stamped: %w", s.settings.Backend, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return syncFolder(filepath.Dir(path))
}
