package files_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/files"
)

// fingerprint is everything below a folder: type, mode, owner, content.
func fingerprint(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%s %v %d:%d", path[len(root):], info.Mode(), st.Uid, st.Gid)
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " -> %s", target)
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// put writes a tree: a value that starts with "-> " is a link, "/" a folder, and
// "0755 text" a file with that mode.
func put(t *testing.T, root string, tree map[string]string) {
	t.Helper()
	for name, text := range tree {
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			must(t, os.Symlink(target, path))
			continue
		}
		mode := os.FileMode(0o644)
		if len(text) > 5 && text[0] == '0' && text[4] == ' ' {
			var m uint32
			if _, err := fmt.Sscanf(text, "%o", &m); err != nil {
				t.Fatal(err)
			}
			mode, text = os.FileMode(m), text[5:]
		}
		if text == "/" {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		must(t, os.WriteFile(path, []byte(text), mode))
		must(t, os.Chmod(path, mode))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a scope, a destination's parent and a step's settings.
type world struct {
	scope    ripcord.Scope
	target   string // the folder that holds the destination
	settings map[string]any
	limits   files.Limits
	journal  *adaptertest.Journal
}

func newWorld(t *testing.T, settings map[string]any) *world {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Secrets = adaptertest.Secrets{"TOKEN": "t0ken-value"}
	w := &world{scope: scope, target: filepath.Join(filepath.Dir(scope.Directory), "target"), settings: settings}
	must(t, os.Mkdir(w.target, 0o755))
	if d, ok := settings["destination"].(string); ok && !filepath.IsAbs(d) {
		slash := ""
		if strings.HasSuffix(d, "/") {
			slash = "/"
		}
		settings["destination"] = filepath.Join(w.target, d) + slash
	}
	return w
}

func (w *world) spec(t *testing.T) ripcord.StepSpec {
	t.Helper()
	raw, err := json.Marshal(w.settings)
	must(t, err)
	return ripcord.StepSpec{ID: "config", Kind: "files", Adapter: files.Kind, Settings: raw}
}

func (w *world) open(t *testing.T) *files.Step {
	t.Helper()
	step, err := files.New(files.Options{Limits: w.limits}).Open(t.Context(), w.spec(t), w.scope)
	must(t, err)
	return step.(*files.Step)
}

func (w *world) check(t *testing.T) ripcord.Observation {
	t.Helper()
	seen, err := w.open(t).Check(t.Context())
	must(t, err)
	return seen
}

// begin checks, as the engine does first.
func (w *world) begin(t *testing.T) {
	t.Helper()
	w.journal = adaptertest.NewJournal("run-1/config", w.check(t))
}

func (w *world) apply(t *testing.T) error {
	t.Helper()
	if w.journal == nil {
		w.begin(t)
	}
	if err := w.open(t).Prepare(t.Context(), w.journal.Attempt(1)); err != nil {
		return err
	}
	return w.open(t).Apply(t.Context(), w.journal.Attempt(1))
}

func (w *world) undo(t *testing.T) error {
	t.Helper()
	return w.open(t).Undo(t.Context(), w.journal.Attempt(1))
}

func (w *world) presence(t *testing.T, want ripcord.Presence) {
	t.Helper()
	if seen := w.check(t); seen.Presence != want {
		t.Fatalf("the effect is %s (%s), want %s", seen.Presence, seen.Detail, want)
	}
}

// atomicCount counts what was true.
type atomicCount struct{ n atomic.Int64 }

func (c *atomicCount) add(is bool) {
	if is {
		c.n.Add(1)
	}
}
