package bundle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/bundle"
	"github.com/ripcord-dev/ripcord/store/blobs"
)

// captured is a store with one bundle, and where it is to be laid out.
func captured(t *testing.T) (store *blobs.Store, refs map[string]ripcord.BlobRef, parent string) {
	t.Helper()
	store, dir := newStore(t), t.TempDir()
	write(t, filepath.Join(dir, "undo.sh"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(dir, "site/index"), strings.Repeat("hello\n", 40_000), 0o644)
	if err := os.Symlink("site", filepath.Join(dir, "current")); err != nil {
		t.Fatal(err)
	}
	refs, err := bundle.Capture(t.Context(), store, "r1", dir, []string{"undo.sh", "site", "current"})
	if err != nil {
		t.Fatal(err)
	}
	return store, refs, filepath.Join(t.TempDir(), "bundles")
}

// TestChangedFolder: a folder that is not the bundle any more is laid out anew,
// and that is said; one that only has more in it is left alone.
func TestChangedFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(at string) error
		says   string
	}{
		"as it was": {change: func(string) error { return nil }},
		"a cache beside": {change: func(at string) error {
			return os.WriteFile(filepath.Join(at, "site/cache"), nil, 0o600)
		}},
		"content": {says: "(site/index)", change: func(at string) error {
			path := filepath.Join(at, "site/index")
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[len(data)-1] ^= 1
			return os.WriteFile(path, data, 0o600)
		}},
		"cut off":       {says: "(site/index)", change: func(at string) error { return os.Truncate(filepath.Join(at, "site/index"), 7) }},
		"a file gone":   {says: "(undo.sh)", change: func(at string) error { return os.Remove(filepath.Join(at, "undo.sh")) }},
		"no right":      {says: "(undo.sh)", change: func(at string) error { return os.Chmod(filepath.Join(at, "undo.sh"), 0o600) }},
		"another link":  {says: "(current)", change: func(at string) error { return relink(filepath.Join(at, "current"), "/etc") }},
		"a file leads":  {says: "(undo.sh)", change: func(at string) error { return relink(filepath.Join(at, "undo.sh"), "site/index") }},
		"not a folder":  {says: "(.)", change: func(at string) error { return relink(at, "nowhere") }},
		"folder a file": {says: "(site)", change: func(at string) error { return relink(filepath.Join(at, "site"), "undo.sh") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, refs, parent := captured(t)
			at, err := bundle.Unpack(t.Context(), store, refs, parent, silent(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.change(at); err != nil {
				t.Fatal(err)
			}
			said := ""
			again, err := bundle.Unpack(t.Context(), store, refs, parent, func(text string) { said += text })
			if err != nil || again != at {
				t.Fatalf("%s, %v", again, err)
			}
			if !strings.Contains(said, c.says) || (said == "") != (c.says == "") {
				t.Errorf("it says %q", said)
			}
			if _, err := bundle.Unpack(t.Context(), store, refs, parent, silent(t)); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{filepath.Base(at)}, namesIn(t, parent)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func relink(path, to string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Symlink(to, path)
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestIncomparable: without the kept copy what lies there is still of use, and it
// is said that nobody could compare it.
func TestIncomparable(t *testing.T) {
	t.Parallel()
	store, refs, parent := captured(t)
	at, err := bundle.Unpack(t.Context(), store, refs, parent, silent(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), refs[bundle.Name]); err != nil {
		t.Fatal(err)
	}
	said := ""
	again, err := bundle.Unpack(t.Context(), store, refs, parent, func(text string) { said += text })
	if err != nil || again != at || !strings.Contains(said, "could not be compared") {
		t.Errorf("%s, %v, it says %q", again, err, said)
	}
}

// TestLeftovers: what a killed process left goes, unless somebody lays out a
// bundle at the moment.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	store, refs, parent := captured(t)
	left := filepath.Join(parent, ".unpacking-1", "site", "index")
	write(t, left, "half", 0o600)
	writer, err := os.Open(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(writer.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Unpack(t.Context(), store, refs, parent, silent(t)); err != nil {
		t.Fatal(err)
	}
	if err := bundle.Sweep(parent); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("it is taken from who writes it: %v", err)
	}
	if err := writer.Close(); err != nil { // as when the process dies
		t.Fatal(err)
	}
	if err := bundle.Sweep(parent); err != nil {
		t.Error(err)
	}
	if names := namesIn(t, parent); len(names) != 1 {
		t.Errorf("there is %v", names)
	}
	write(t, left, "half", 0o600)
	if _, err := bundle.Unpack(t.Context(), store, refs, parent, silent(t)); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, parent); len(names) != 1 {
		t.Errorf("there is %v", names)
	}
	if err := bundle.Sweep(filepath.Join(parent, "none")); err != nil {
		t.Error(err)
	}
}
