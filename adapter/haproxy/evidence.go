package haproxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
)

// The pieces of evidence: what HAProxy has counted, and what it knows.
const (
	statName  = "stat.csv"
	stateName = "servers.txt"
)

// Evidence implements ripcord.Evidencer. Traffic goes back before evidence is
// frozen, and the servers that failed go with it, so Undo keeps what there was.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	prefix := "haproxy-" + s.settings.Backend + "-"
	var pieces []ripcord.Evidence
	for _, name := range []string{statName, stateName} {
		data, err := os.ReadFile(filepath.Join(s.keptDirectory(), name)) //nolint:gosec // our own folder
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return pieces, err
		}
		pieces = append(pieces, ripcord.Evidence{Name: prefix + "before-undo-" + name, Data: data})
	}
	now, err := s.tables(ctx)
	if errors.Is(err, errNoAnswer) {
		return pieces, nil
	}
	if err != nil {
		return pieces, err
	}
	for _, name := range []string{statName, stateName} {
		pieces = append(pieces, ripcord.Evidence{Name: prefix + name, Data: now[name]})
	}
	return pieces, nil
}

func (s *Step) tables(ctx context.Context) (map[string][]byte, error) {
	stat, err := s.client.ask(ctx, "show stat "+s.settings.Backend+" 6 -1")
	if err != nil {
		return nil, err
	}
	state, err := s.client.ask(ctx, "show servers state "+s.settings.Backend)
	return map[string][]byte{statName: []byte(stat), stateName: []byte(state)}, err
}

// keptDirectory is where Undo keeps evidence until it is frozen; it goes with the
// run's other private files.
func (s *Step) keptDirectory() string {
	sum := sha256.Sum256([]byte(s.settings.Socket + "\n" + s.settings.Backend + "\n" + string(s.id)))
	return filepath.Join(s.scope.StateDir, "work", url.PathEscape(string(s.scope.Run)), "haproxy-"+hex.EncodeToString(sum[:6]))
}

// keepEvidence keeps what the first Undo would destroy. A gap never blocks the
// way back.
func (s *Step) keepEvidence(ctx context.Context, a ripcord.Attempt) {
	dir := s.keptDirectory()
	if _, err := os.Stat(dir); err == nil {
		return // of an earlier attempt, before it changed anything
	}
	now, err := s.tables(ctx)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	for name, data := range now {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
	}
	if err != nil {
		say(a, "what HAProxy counted could not be kept: %v", err)
	}
}
