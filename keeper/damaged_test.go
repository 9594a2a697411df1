package keeper

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord/procfs"
)

// TestDamagedRecord: an instance that nobody knows any more is told with its process,
// and is ended by the next start under its name.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.start(script("a", serve))
	p.start(script("sound", serve))
	first := p.status("a").PID
	path := filepath.Join(instanceDir(p.dir, "a"), recordFile)
	if err := os.Truncate(path, 20); err != nil {
		t.Fatal(err)
	}
	find := func() []Damaged {
		t.Helper()
		all, err := FindDamaged(p.dir, procfs.FS{})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if diff := cmp.Diff([]Damaged{{Path: path, PID: first}}, find()); diff != "" {
		t.Error(diff)
	}
	p.killPID(first)
	if diff := cmp.Diff([]Damaged{{Path: path}}, find()); diff != "" {
		t.Error(diff)
	}
	p.start(script("a", serve))
	if s := p.status("a"); !s.Running || s.PID == first {
		t.Errorf("started anew: %+v", s)
	}
	if diff := cmp.Diff([]Damaged(nil), find()); diff != "" {
		t.Error(diff)
	}
}
