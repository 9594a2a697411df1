package bundle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/bundle"
	"github.com/ripcord-dev/ripcord/store/blobs"
)

func newStore(t *testing.T) *blobs.Store {
	t.Helper()
	dir := t.TempDir()
	store, err := blobs.Open(filepath.Join(dir, "blobs"), filepath.Join(dir, "key"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// silent fails the test when there is something to say.
func silent(t *testing.T) func(string) {
	t.Helper()
	return func(text string) { t.Errorf("it says %q", text) }
}

// TestRoundTrip: content, links and the right to execute come back, also when the
// originals are gone; equal files give one folder; nothing leads writes outside.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	store, dir, parent := newStore(t), t.TempDir(), filepath.Join(t.TempDir(), "bundles")
	write(t, filepath.Join(dir, "undo.sh"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(dir, "site/a/index"), "hello", 0o644)
	for link, to := range map[string]string{"site/up": "../undo.sh", "site/out": "/nonexistent", "current": "site/a"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	paths := []string{"undo.sh", "site", "current", "./site/a"}
	refs, err := bundle.Capture(t.Context(), store, "r1", dir, paths)
	if err != nil {
		t.Fatal(err)
	}
	again, err := bundle.Capture(t.Context(), store, "r2", dir, paths)
	if err != nil || bundle.Folder(again[bundle.Name]) != bundle.Folder(refs[bundle.Name]) {
		t.Errorf("equal files give %v and %v, %v", refs, again, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	at, err := bundle.Unpack(t.Context(), store, refs, parent, silent(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"undo.sh": "#!/bin/sh\n", "site/a/index": "hello", "current/index": "hello", "site/up": "#!/bin/sh\n"} {
		if data, err := os.ReadFile(filepath.Join(at, name)); err != nil || string(data) != want {
			t.Errorf("%s holds %q, %v", name, data, err)
		}
	}
	if to, err := os.Readlink(filepath.Join(at, "site/out")); err != nil || to != "/nonexistent" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if info, err := os.Stat(filepath.Join(at, "undo.sh")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("undo.sh: %v, %v", info.Mode(), err)
	}
}

// TestTampered: a bundle that was changed on disk is not used, and leaves nothing.
func TestTampered(t *testing.T) {
	t.Parallel()
	dir, home := t.TempDir(), t.TempDir()
	store, err := blobs.Open(filepath.Join(home, "blobs"), filepath.Join(home, "key"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "undo.sh"), strings.Repeat("true\n", 1000), 0o755)
	refs, err := bundle.Capture(t.Context(), store, "r1", dir, []string{"undo.sh"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "blobs", refs[bundle.Name].Path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	parent := filepath.Join(home, "bundles")
	if at, err := bundle.Unpack(t.Context(), store, refs, parent, silent(t)); err == nil {
		t.Errorf("it is used from %s", at)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// TestMissing: what is named and not there is an error that says which.
func TestMissing(t *testing.T) {
	t.Parallel()
	if _, err := bundle.Capture(t.Context(), newStore(t), "r1", t.TempDir(), []string{"gone"}); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("%v", err)
	}
	if _, err := bundle.Capture(t.Context(), newStore(t), "r1", t.TempDir(), []string{"../outside"}); err == nil {
		t.Error("a path leads outside")
	}
}
