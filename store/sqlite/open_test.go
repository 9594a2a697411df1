package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.release(t, "r1", "prod")
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("directory %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(s.dir)
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", file.Name(), info.Mode(), err)
		}
	}
}

func TestOddDirectoryNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "a?b=c&_pragma=synchronous(0)", "a#b", "a%41b", "ünï", "file:x"} {
		s := &stand{dir: filepath.Join(t.TempDir(), name), clock: newStand(t).clock}
		s.Store = s.open(t, sqlite.Options{})
		s.release(t, "r1", "prod")
		if _, err := os.Stat(s.journal()); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDirectoryModes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"missing":               {func(*testing.T, string) {}, ""},
		"empty and ours":        {func(t *testing.T, dir string) { t.Helper(); mkdir(t, dir); chmod(t, dir, 0o755) }, ""},
		"with other files":      {func(t *testing.T, dir string) { t.Helper(); mkdir(t, dir); write(t, dir+"/x"); chmod(t, dir, 0o755) }, "holds other files"},
		"private, other files":  {func(t *testing.T, dir string) { t.Helper(); mkdir(t, dir); write(t, dir+"/x") }, ""},
		"somebody else's, open": {func(t *testing.T, dir string) { t.Helper(); mkdir(t, dir); chmod(t, dir, 0o750); chown(t, dir) }, "belongs to user 12345"},
		"a file":                {func(t *testing.T, dir string) { t.Helper(); write(t, dir) }, "is not a directory"},
		"a dead link":           {func(t *testing.T, dir string) { t.Helper(); link(t, dir+".gone", dir) }, "leads nowhere"},
		"a link":                {func(t *testing.T, dir string) { t.Helper(); mkdir(t, dir+".real"); link(t, dir+".real", dir) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stand{dir: filepath.Join(t.TempDir(), "state"), clock: newStand(t).clock}
			c.prepare(t, s.dir)
			store, err := s.try(t.Context(), sqlite.Options{})
			if c.want != "" {
				refused(t, err, ripcord.CodePlan, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("directory %v, %v", info.Mode(), err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func chown(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Symlink(from, to); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	s := history(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.spoil(t, "PRAGMA user_version = 7")
	before := content(t, s.dir)
	for _, readOnly := range []bool{false, true} {
		_, err := s.try(t.Context(), sqlite.Options{ReadOnly: readOnly})
		refused(t, err, ripcord.CodePlan, "this state directory was written by a newer ripcord (schema 7, this one knows 2): use that version")
	}
	if content(t, s.dir) != before {
		t.Fatal("something was changed")
	}
}

func TestOtherDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	s := &stand{dir: filepath.Join(t.TempDir(), "state"), clock: newStand(t).clock}
	mkdir(t, s.dir)
	s.spoil(t, "CREATE TABLE customers (name TEXT)", "PRAGMA application_id = 77")
	before := content(t, s.dir)
	_, err := s.try(t.Context(), sqlite.Options{})
	refused(t, err, ripcord.CodePlan, "database of another program")
	if content(t, s.dir) != before {
		t.Fatal("something was changed")
	}
}

func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(data []byte) []byte
		want  string
	}{
		"overwritten":    {func(data []byte) []byte { return []byte(strings.Repeat("garbage ", len(data)/8)) }, "is damaged"},
		"cut to nothing": {func([]byte) []byte { return nil }, "was truncated"},
		"cut":            {func(data []byte) []byte { return data[:len(data)/2] }, "is damaged"},
		"torn inside": {func(data []byte) []byte {
			for i := 4096; i < len(data); i++ {
				data[i] ^= 0xff
			}
			return data
		}, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := history(t)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(s.journal())
			if err != nil {
				t.Fatal(err)
			}
			spoiled := c.spoil(data)
			if err := os.WriteFile(s.journal(), spoiled, 0o600); err != nil {
				t.Fatal(err)
			}
			store, err := s.try(t.Context(), sqlite.Options{})
			if err == nil {
				_, err = store.Verify(t.Context(), "")
				if err := store.Close(); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, err, ripcord.CodeInternal, c.want)
			if !strings.Contains(err.Error(), s.journal()) {
				t.Fatalf("the error does not name the file: %v", err)
			}
			if after, err := os.ReadFile(s.journal()); err != nil || len(after) < len(spoiled) {
				t.Fatalf("the file was changed, %v", err)
			}
		})
	}
}

func TestMissingJournal(t *testing.T) {
	t.Parallel()
	s := history(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.journal()); err != nil {
		t.Fatal(err)
	}
	_, err := s.try(t.Context(), sqlite.Options{})
	refused(t, err, ripcord.CodeInternal, "is missing")
	_, err = s.try(t.Context(), sqlite.Options{ReadOnly: true})
	refused(t, err, ripcord.CodeNotFound, "no journal")
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := history(t)
	reader := s.open(t, sqlite.Options{ReadOnly: true})
	checkReader(t, s, reader)
	s.release(t, "r9", "staging")
	if _, err := reader.Run(t.Context(), "r9"); err != nil {
		t.Fatalf("a run that began later: %v", err)
	}
}

// checkReader reads what history wrote, and fails to write.
func checkReader(t *testing.T, s *stand, reader *sqlite.Store) {
	t.Helper()
	ctx := t.Context()
	if runs, err := reader.Runs(ctx, ripcord.Filter{}); err != nil || len(runs) != 3 || reader.StateID() != s.StateID() {
		t.Fatalf("runs %+v, %v", runs, err)
	}
	if report := verify(t, reader, ""); !report.OK() || report.Entries != 15 {
		t.Fatalf("report %+v", report)
	}
	refused(t, reader.Append(ctx, ripcord.Entry{Run: "r3", Fence: 1, Kind: ripcord.RunPaused}), ripcord.CodeInternal, "reading only")
}

// A state directory on a read-only file system: with everything in its file, and
// with a log that a crash left.
func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	for _, crashed := range []bool{false, true} {
		s := history(t)
		disk := mount(t, "8m")
		moved := &stand{Store: s.Store, dir: filepath.Join(disk, "state"), clock: s.clock}
		mkdir(t, moved.dir)
		if !crashed {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, suffix := range []string{"", "-wal"} {
			data, err := os.ReadFile(s.journal() + suffix)
			if errors.Is(err, os.ErrNotExist) && !crashed {
				continue
			}
			if err := errors.Join(err, os.WriteFile(moved.journal()+suffix, data, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		checkReader(t, moved, moved.open(t, sqlite.Options{ReadOnly: true}))
		_, err := moved.try(t.Context(), sqlite.Options{})
		refused(t, err, ripcord.CodePlan, "read-only file system")
	}
}

// mount makes a small file system that lives in memory. It needs root.
func mount(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("ripcord-test", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		t.Fatalf("mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestChanged(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	other := s.open(t, sqlite.Options{})
	probe := func() int64 {
		t.Helper()
		n, err := s.Changed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	last := probe()
	if probe() != last {
		t.Fatal("it changed by itself")
	}
	lease := s.release(t, "r1", "prod")
	if now := probe(); now == last {
		t.Fatal("our own entry was not noticed")
	}
	last = probe()
	if err := other.Append(t.Context(), ripcord.Entry{Run: "r1", Fence: lease.Fence, Kind: ripcord.RunStarted}); err != nil {
		t.Fatal(err)
	}
	if now := probe(); now == last {
		t.Fatal("another's entry was not noticed")
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := history(t)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Append(t.Context(), ripcord.Entry{Run: "r3", Fence: 1, Kind: ripcord.RunPaused}), ripcord.CodeInternal, "closed")
	if _, err := s.Runs(t.Context(), ripcord.Filter{}); err == nil {
		t.Fatal("a closed journal was read")
	}
}

// Another program that keeps the lock makes a write fail, after a while and with
// a reason; when it lets go, the same write succeeds.
func TestBusy(t *testing.T) {
	t.Parallel()
	s := history(t)
	other := s.open(t, sqlite.Options{BusyTimeout: time.Millisecond})
	db, err := sql.Open("sqlite", s.journal())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the statements tell
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the statements tell
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	e := ripcord.Entry{Run: "r3", Fence: 1, At: s.clock.Now(), Kind: ripcord.RunPaused}
	refused(t, other.Append(t.Context(), e), ripcord.CodeInternal, "another process kept writing")
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := other.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if report := verify(t, s.Store, "r3"); !report.OK() || report.Entries != 4 {
		t.Fatalf("report %+v", report)
	}
}
