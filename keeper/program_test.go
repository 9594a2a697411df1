package keeper

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSupersede: a keeper of another version is ended, one of the same program
// lives on, whatever the file is called.
func TestSupersede(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	program, err := os.ReadFile(p.self)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	version := func(name, suffix string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, append(program, suffix...), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, again, longer, other := version("first", "1"), version("again", "1"), version("longer", "22"), version("other", "2")
	if err := Supersede(t.Context(), p.dir, first); err != nil {
		t.Errorf("where no keeper runs: %v", err)
	}
	tests := []struct {
		name, self string
		ended      bool
	}{
		{"the same file", first, false},
		{"a copy", again, false},
		{"another of the same size", other, true},
		{"another of another size", longer, true},
	}
	for _, test := range tests {
		if err := Ensure(t.Context(), p.dir, first); err != nil {
			t.Fatal(err)
		}
		if err := Supersede(t.Context(), p.dir, test.self); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if info, err := Status(p.dir); err != nil || info.Running == test.ended {
			t.Errorf("%s: %+v, %v", test.name, info, err)
		}
	}
}
