package nginx

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
)

// Stamp implements ripcord.Stamper. It is also where an nginx that cannot be used
// is refused, because a stamp is read before anything else happens.
func (s *Step) Stamp(ctx context.Context) (*ripcord.Stamp, error) {
	if _, err := s.usable(ctx); err != nil {
		return nil, err
	}
	path := s.stampPath()
	data, err := os.ReadFile(path) //nolint:gosec // beside what the plan names
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // the contract: nil when it has none
	}
	if err != nil {
		return nil, refused("let Ripcord read it", "the stamp of upstream %s cannot be read: %w", s.settings.Upstream, err)
	}
	stamp := &ripcord.Stamp{}
	if err := json.Unmarshal(data, stamp); err != nil {
		return nil, refused("make sure that no other ripcord manages this upstream, then delete the file", "the stamp %s is damaged: %w", path, err)
	}
	return stamp, nil
}

// stampPath is a hidden file beside ours: within ours it would go with the old
// text when a step is undone.
func (s *Step) stampPath() string { return hidden(resolved(s.settings.Include), "ripcord") }

// SetStamp implements ripcord.Stamper.
func (s *Step) SetStamp(_ context.Context, stamp ripcord.Stamp) error {
	data, err := json.Marshal(stamp)
	if err != nil {
		return err
	}
	path := s.stampPath()
	fresh := path + "-stamp"
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return refused("let Ripcord write there", "upstream %s cannot be stamped: %w", s.settings.Upstream, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return syncFolder(filepath.Dir(path))
}
