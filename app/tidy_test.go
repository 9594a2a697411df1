package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestTidy: nothing of a run, or of the releases that it took back, stays.
func TestTidy(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	for _, run := range []string{"back", "release", "other"} {
		for _, folder := range []string{"work", "commands"} {
			if err := os.MkdirAll(filepath.Join(a.dir, folder, run, "step"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.tidy(t.Context(), "back", "release", "never was"); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"work", "commands"} {
		for run, stays := range map[ripcord.RunID]bool{"back": false, "release": false, "other": true} {
			_, err := os.Stat(filepath.Join(a.dir, folder, string(run)))
			if stays && err != nil || !stays && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s/%s: %v", folder, run, err)
			}
		}
	}
}
