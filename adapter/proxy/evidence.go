package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// The pieces of evidence.
const (
	statsName = "stats.json"
	stateName = "state.json"
)

// Evidence implements ripcord.Evidencer: the counters of each side, and what the
// probes see. Traffic goes back before evidence is frozen, and the side that
// failed goes with it, so Undo keeps what there was.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	prefix := "proxy-" + s.settings.Balancer + "-"
	var pieces []ripcord.Evidence
	for _, name := range []string{statsName, stateName} {
		data, err := os.ReadFile(filepath.Join(s.keptDirectory(), name)) //nolint:gosec // our own folder
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return pieces, err
		}
		pieces = append(pieces, ripcord.Evidence{Name: prefix + "before-undo-" + name, Data: data})
	}
	now, err := s.counters(ctx)
	if errors.Is(err, dataplane.ErrNotRunning) {
		return pieces, nil
	}
	if err != nil {
		return pieces, err
	}
	for _, name := range []string{statsName, stateName} {
		pieces = append(pieces, ripcord.Evidence{Name: prefix + name, Data: now[name]})
	}
	return pieces, nil
}

// counters asks the proxy what it has counted and seen.
func (s *Step) counters(ctx context.Context) (map[string][]byte, error) {
	stats, err := s.client.Stats(ctx)
	if err != nil {
		return nil, err
	}
	status, err := s.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	counted, err := json.MarshalIndent(stats, "", "  ")
	if err != nil {
		return nil, err
	}
	seen, err := json.MarshalIndent(status, "", "  ")
	return map[string][]byte{statsName: counted, stateName: seen}, err
}

// keptDirectory is where Undo keeps evidence until it is frozen; it goes with the
// run's other private files.
func (s *Step) keptDirectory() string {
	return filepath.Join(s.scope.StateDir, "work", url.PathEscape(string(s.scope.Run)), "proxy-"+filepath.Base(s.dir))
}

// keepEvidence keeps what the first Undo would destroy. A gap never blocks the
// way back.
func (s *Step) keepEvidence(ctx context.Context, a ripcord.Attempt) {
	dir := s.keptDirectory()
	if _, err := os.Stat(dir); err == nil {
		return // of an earlier attempt, before it changed anything
	}
	now, err := s.counters(ctx)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	for name, data := range now {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	if err != nil {
		say(a, "what the proxy counted could not be kept: %v", err)
	}
}
