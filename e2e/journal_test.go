package e2e_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to make a newer journal
)

// TestCorruptJournal: bytes of the journal were changed. It is told clearly, and
// nothing is deleted.
func TestCorruptJournal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		harm func(data []byte) []byte
		// verify is what verify ends with, and release likewise.
		verify, release int
	}{
		{"an entry was changed", func(data []byte) []byte { return bytes.ReplaceAll(data, []byte(`"one"`), []byte(`"two"`)) }, 7, 0},
		{"pages were overwritten", func(data []byte) []byte { clear(data[4096:]); return data }, 1, 1},
		{"it is cut off", func(data []byte) []byte { return data[:len(data)/2] }, 1, 1},
		{"it is something else", func([]byte) []byte { return []byte("this is no journal") }, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "gate")
			was := gateWorld(w)
			w.write("open", "")
			w.must(0, "keeper", "stop")
			w.until("the keeper is gone", func() bool { return len(w.processes()) == 0 })
			path := filepath.Join(w.state, "journal.db")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			harmed := c.harm(bytes.Clone(data))
			if bytes.Equal(data, harmed) {
				t.Fatal("nothing was harmed")
			}
			if err := os.WriteFile(path, harmed, 0o600); err != nil {
				t.Fatal(err)
			}
			if r := w.do("journal", "verify"); r.code != c.verify {
				t.Errorf("verify: want exit %d, got %s", c.verify, r)
			}
			r := w.do(w.releaseArgs("v2")...)
			if r.code != c.release || c.release != 0 && (!strings.Contains(r.stderr, path) || !strings.Contains(r.stderr, "fix:")) {
				t.Errorf("release: want exit %d, got %s", c.release, r)
			}
			if c.release == 0 {
				return
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, harmed) {
				t.Errorf("the journal was changed (%v)", err)
			}
			w.same("not at all", "v1", was)
		})
	}
}

// TestOlderJournal: a journal that an older version has written is read and
// continued.
func TestOlderJournal(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob("../store/sqlite/testdata/journal-*.db")
	if err != nil || len(all) == 0 {
		t.Fatalf("golden journals: %v, %v", all, err)
	}
	for _, golden := range all {
		t.Run(filepath.Base(golden), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "gate")
			data, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(w.state, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(w.state, "journal.db"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			before := strings.Count(w.must(0, "history").stdout, "\n")
			w.must(0, "show", "r1") // of another application than the plan file's
			w.write("open", "")
			w.release(0, "v1")
			if after := strings.Count(w.must(0, "history").stdout, "\n"); after != before+1 {
				t.Errorf("%d lines of history became %d", before, after)
			}
			w.verified()
		})
	}
}

// TestNewerJournal is refused, and not touched.
func TestNewerJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "gate")
	gateWorld(w)
	w.must(0, "keeper", "stop")
	w.until("the keeper is gone", func() bool { return len(w.processes()) == 0 })
	path := filepath.Join(w.state, "journal.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = 4711"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{w.releaseArgs("v2"), {"status"}, {"recover"}, {"journal", "verify"}} {
		if r := w.do(args...); r.code != 2 || !strings.Contains(r.stderr, "newer") {
			t.Errorf("%v: %s", args, r)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal was changed (%v)", err)
	}
}
