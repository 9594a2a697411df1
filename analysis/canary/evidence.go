package canary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// The pieces of evidence.
const (
	decisionName = "decision.json"
	pointsName   = "points.json"
)

// mostPoints bounds the points over time: at one in thirty seconds, two days.
const mostPoints = 6000

// directory is where Apply keeps evidence until it is frozen; it goes with the
// run's other private files.
func (s *Step) directory() string {
	return filepath.Join(s.scope.StateDir, "work", url.PathEscape(string(s.scope.Run)), "analysis-"+url.PathEscape(string(s.id)))
}

// keep writes down for Evidence, which is asked of another value of the step, what
// was decided last and how it came to that. A gap fails nothing.
func (s *Step) keep(a ripcord.Attempt, r *recorder) {
	if err := s.keepFiles(r); err != nil {
		_, _ = fmt.Fprintf(a.Output, "the evidence could not be kept as a file: %v\n", err)
	}
}

func (s *Step) keepFiles(r *recorder) error {
	if r.newest.At.IsZero() {
		return nil
	}
	points := r.points
	if r.newest.At.After(r.wrote) {
		points = append(slices.Clip(points), r.newest.Point())
	}
	if err := os.MkdirAll(s.directory(), 0o700); err != nil {
		return err
	}
	return errors.Join(s.keepFile(decisionName, r.newest), s.keepFile(pointsName, points))
}

// keepFile leaves no half-written file behind.
func (s *Step) keepFile(name string, what any) error {
	data, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(s.directory(), name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Evidence implements ripcord.Evidencer: the last decision, and the evidence over
// time.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	var pieces []ripcord.Evidence
	for _, name := range []string{decisionName, pointsName} {
		data, err := os.ReadFile(filepath.Join(s.directory(), name)) //nolint:gosec // our own folder
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return pieces, err
		}
		pieces = append(pieces, ripcord.Evidence{Name: "analysis-" + name, Data: data})
	}
	return pieces, ctx.Err()
}
