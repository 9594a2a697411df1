package files

import (
	"path"
	"strings"
	"testing"
)

func FuzzManifest(f *testing.F) {
	f.Add(`{"v":1,"destination":"/x","nodes":[{"path":".","what":"folder"},{"path":"a","what":"file"},{"path":"a/b","what":"file"}]}`)
	f.Add(`{"v":1,"nodes":[{"path":"../x"}]}`)
	f.Add(`{"v":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseManifest([]byte(text))
		if err != nil {
			return
		}
		for _, n := range m.Nodes {
			if path.Clean(n.Path) != n.Path || strings.HasPrefix(n.Path, "..") && (n.Path == ".." || strings.HasPrefix(n.Path, "../")) || strings.HasPrefix(n.Path, "/") {
				t.Fatalf("path %q is accepted", n.Path)
			}
		}
		data, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseManifest(data); err != nil {
			t.Fatalf("its own form is refused: %v", err)
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add(`{"source":"a","destination":"b","mode":"0644"}`)
	f.Add(`{"content":"x","destination":"${steps.x.outputs.y}"}`)
	f.Fuzz(func(_ *testing.T, text string) {
		s, err := parse([]byte(text))
		if err == nil {
			_ = s.validate() // must not panic
		}
	})
}
