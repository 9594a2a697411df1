package tree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/tree"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	adaptertest.RunData(t, adaptertest.DataConfig{New: func(t *testing.T) adaptertest.DataFixture {
		t.Helper()
		scope := adaptertest.NewScope(t)
		dir, full := filepath.Join(scope.Directory, "uploads"), filepath.Join(scope.Directory, "full")
		write := func(name, text string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640) }
		err := errors.Join(os.MkdirAll(filepath.Join(dir, "sub", "empty"), 0o750), os.Mkdir(full, 0o700), os.WriteFile(filepath.Join(full, "x"), nil, 0o600),
			write("a", "one"), write("sub/b", "two"), os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "sub", "hard")), os.Symlink("../a", filepath.Join(dir, "sub", "soft")),
			unix.Setxattr(filepath.Join(dir, "a"), "user.colour", []byte("red"), 0), os.Chmod(filepath.Join(dir, "sub", "b"), 0o4711),
			os.Chtimes(filepath.Join(dir, "sub", "b"), time.Time{}, time.Unix(1_000_000_000, 987654321)))
		if err != nil {
			t.Fatal(err)
		}
		return adaptertest.DataFixture{
			Source: tree.New(), Settings: map[string]any{"path": "uploads"}, Scope: scope,
			Fingerprint: func(t *testing.T) string { t.Helper(); return fingerprint(t, dir) },
			Write: func(t *testing.T) {
				t.Helper()
				if err := errors.Join(write("new", "new"), write("sub/b", "changed"), os.Remove(filepath.Join(dir, "sub", "soft"))); err != nil {
					t.Fatal(err)
				}
			},
			Lost:      2,
			Lose:      func(t *testing.T) { t.Helper(); _ = os.RemoveAll(dir) },
			Elsewhere: "new", Full: "full",
		}
	}})
}

// fingerprint is all that must be as it was.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stat, _ := info.Sys().(*syscall.Stat_t)
		text, colour := "", make([]byte, 10)
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = fmt.Sprint(stat.Nlink, " ", info.ModTime().UnixNano(), " ", string(data))
		}
		n, _ := unix.Lgetxattr(path, "user.colour", colour)
		_, err = fmt.Fprintf(&all, "%s %s %d:%d %s %s\n", strings.TrimPrefix(path, dir), info.Mode(), stat.Uid, stat.Gid, text, colour[:max(n, 0)])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
