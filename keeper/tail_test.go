package keeper

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTailSince: lines before the mark are never quoted, wherever rotation has
// put it, and lines after it always are.
func TestTailSince(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	add := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(text)
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
	}
	rotate := func() {
		t.Helper()
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(since mark, lines int, want ...string) {
		t.Helper()
		got, err := tailSince(path, since, lines)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]string{}, want...), append([]string{}, got...)); diff != "" {
			t.Error(diff)
		}
	}
	none, err := endMark(path)
	if err != nil {
		t.Fatal(err)
	}
	expect(none, 9)
	add("old 1\nold 2, cut o")
	since, err := endMark(path)
	if err != nil {
		t.Fatal(err)
	}
	expect(since, 9)
	add("new 1\nnew 2\n")
	expect(since, 9, "new 1", "new 2")
	expect(since, 1, "new 2")
	expect(none, 3, "old 1", "old 2, cut onew 1", "new 2")
	rotate()
	add("new 3\n")
	expect(since, 9, "new 1", "new 2", "new 3")
	rotate()
	add("new 4\n")
	expect(since, 9, "new 3", "new 4")
}
