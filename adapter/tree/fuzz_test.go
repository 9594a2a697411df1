package tree

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// FuzzNotes: what a backup says of a folder's files never leads out of the folder.
func FuzzNotes(f *testing.F) {
	f.Add([]byte(`{"xattrs":{"a":{"user.colour":"cmVk"}},"links":[["a","b/c"]]}`))
	f.Add([]byte(`{"links":[["../outside","a"]]}`))
	f.Add([]byte(`{"links":[["a","../outside"]]}`))
	f.Add([]byte(`{"xattrs":{"../outside":{"user.colour":"cmVk"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var n notes
		if json.Unmarshal(data, &n) != nil {
			return
		}
		dir := t.TempDir()
		outside := filepath.Join(dir, "outside")
		if err := os.WriteFile(outside, []byte("untouched"), 0o600); err != nil {
			t.Fatal(err)
		}
		inside := filepath.Join(dir, "inside")
		if err := os.Mkdir(inside, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(inside, "a"), []byte("a"), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = n.apply(inside) // it may refuse
		if text, err := os.ReadFile(outside); err != nil || string(text) != "untouched" {
			t.Errorf("%q changed what is outside: %q %v", data, text, err)
		}
		if found, err := xattrs(outside); err != nil || len(found) > 0 {
			t.Errorf("%q gave %v to what is outside: %v", data, found, err)
		}
	})
}
