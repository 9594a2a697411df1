package shim

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSpoolKeepsHeadAndTail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size, piece int
		want        func(all string) string
	}{
		{0, 1, func(string) string { return "" }},
		{50, 7, func(all string) string { return all }},
		{100, 100, func(all string) string { return all }},
		{101, 3, func(all string) string {
			return all[:50] + "\n[25 bytes of output were dropped here]\n" + all[75:]
		}},
		{1000, 1, func(all string) string {
			return all[:50] + "\n[900 bytes of output were dropped here]\n" + all[950:]
		}},
		{1010, 1000, func(all string) string {
			return all[:50] + "\n[925 bytes of output were dropped here]\n" + all[975:]
		}},
	} {
		path := filepath.Join(t.TempDir(), "output")
		s, err := newSpool(path, 100)
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for all.Len() < c.size {
			fmt.Fprintf(&all, "%d,", all.Len())
		}
		text := all.String()[:c.size]
		for rest := text; rest != ""; {
			n := min(c.piece, len(rest))
			_, _ = s.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		s.Finish()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != c.want(text) {
			t.Errorf("%d bytes in pieces of %d: %q %v\nwant %q", c.size, c.piece, got, err, c.want(text))
		}
		if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
}

func TestRotatingKeepsTheNewest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	r, err := newRotating(path, rotation{Limit: 10, Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		_, _ = fmt.Fprintf(r, "line%d\n", i)
	}
	r.Finish()
	for name, want := range map[string]string{"": "line7\n", ".1": "line6\n", ".2": "line5\n"} {
		if got, err := os.ReadFile(path + name); err != nil || string(got) != want {
			t.Errorf("log%s: %q %v, want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("it keeps too much")
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	var l lastLines
	for i := range 30 {
		_, _ = fmt.Fprintf(&l, "line %d\r\n", i)
	}
	_, _ = l.Write(bytes.Repeat([]byte("x"), 2*tailLineSize))
	_, _ = l.Write([]byte("\nend \xff\n\n\n"))
	got := l.Lines()
	if len(got) != 18 || got[0] != "line 14" || len(got[16]) != tailLineSize || got[17] != "end ?" {
		t.Errorf("%d lines: %q", len(got), got)
	}
}
