package script_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/script"
)

// publish makes site/a, then site/b; the file "broken" stops it between them.
const publish = `#!/bin/sh
set -e
mkdir -p site
echo "$RIPCORD_VERSION" > site/a
sleep 0.05
if [ -e broken ]; then echo "no space for $TOKEN" >&2; exit 3; fi
echo "$RIPCORD_VERSION" > site/b
echo "published with $TOKEN"
echo "url=http://shop/$RIPCORD_VERSION" >> "$RIPCORD_OUTPUT"
echo "key=$TOKEN" >> "$RIPCORD_OUTPUT"
`

const unpublish = "#!/bin/sh\nrm -rf site\n"

// published prints the site, so that its image is exact.
const published = `#!/bin/sh
for f in a b; do
  if [ -e site/$f ]; then echo "$f: $(cat site/$f)"; fi
done
[ -e site/a ] || [ -e site/b ] || exit 1
[ -e site/a ] && [ -e site/b ] || exit 2
`

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// tree is everything in a folder: names, modes, contents.
func tree(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		b.WriteString(info.Mode().String() + " " + path[len(root):])
		if entry.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b.WriteString(" " + string(data))
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func newScope(t *testing.T) ripcord.Scope {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Secrets = adaptertest.Secrets{"TOKEN": "t0ken-value"}
	write(t, filepath.Join(scope.Directory, "publish.sh"), publish, 0o755)
	write(t, filepath.Join(scope.Directory, "unpublish.sh"), unpublish, 0o755)
	write(t, filepath.Join(scope.Directory, "published.sh"), published, 0o755)
	return scope
}

func fixture(kind, settings string) func(t *testing.T) adaptertest.Fixture {
	return func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		scope := newScope(t)
		broken := filepath.Join(scope.Directory, "broken")
		f := adaptertest.Fixture{
			Adapter: script.New(os.Environ),
			Spec: ripcord.StepSpec{
				ID: "assets", Kind: kind, Adapter: script.Kind, Settings: json.RawMessage(settings),
			},
			Scope:       scope,
			Fingerprint: func(t *testing.T) string { t.Helper(); return tree(t, scope.Directory) },
			Secrets:     []string{"t0ken-value"},
		}
		if strings.Contains(settings, "publish.sh") && !strings.Contains(settings, `"nothing"`) {
			f.References = []string{"command", "environment", "user"}
			f.Breaks = []adaptertest.Break{{
				Name:  "half-way",
				Break: func(t *testing.T) { t.Helper(); write(t, broken, "", 0o644) },
				Mend: func(t *testing.T) {
					t.Helper()
					if err := os.Remove(broken); err != nil {
						t.Fatal(err)
					}
				},
			}}
		}
		return f
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	type without = map[adaptertest.Part]string
	const env = `"environment":{"TOKEN":"${secret:TOKEN}"}`
	tests := []struct {
		name, kind, settings string
		without              without
	}{
		{"checked", "run", `{"command":["./publish.sh"],"undo":["./unpublish.sh"],"check":["./published.sh"],"sensitive_outputs":["key"],"grace":1,` + env + `}`, nil},
		{"shell", "run", `{"command":["sh","-c","./publish.sh ${secret:TOKEN}"],"undo":["sh","-c","./unpublish.sh"],"check":["sh","-c","./published.sh"],` + env + `}`, nil},
		{"yes or no", "run", `{"command":["./publish.sh"],"undo":["./unpublish.sh"],"check":["sh","-c","./published.sh >&2"],` + env + `}`, nil},
		{"idempotent", "run", `{"command":["./publish.sh"],"undo":["./unpublish.sh"],"idempotent":true,"undo_idempotent":true,` + env + `}`, without{
			adaptertest.PartCheck: "no check is given",
		}},
		{"bare", "run", `{"command":["./publish.sh"],` + env + `}`, without{
			adaptertest.PartCheck: "no check is given", adaptertest.PartAgain: "not declared",
			adaptertest.PartUndo: "no undo is given", adaptertest.PartUndoAgain: "no undo is given",
		}},
		{"unverified", "run", `{"command":["./publish.sh"],"undo":["./unpublish.sh"],` + env + `}`, without{
			adaptertest.PartCheck: "no check is given", adaptertest.PartAgain: "not declared", adaptertest.PartUndoAgain: "not declared",
		}},
		{"nothing", "run", `{"command":["sh","-c","echo $TOKEN; ls publish.sh"],"changes":"nothing",` + env + `}`, without{
			adaptertest.PartCheck: "no check is given", adaptertest.PartChange: "declared",
			adaptertest.PartUndo: "nothing changes", adaptertest.PartUndoAgain: "nothing changes",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: fixture(test.kind, test.settings), Without: test.without})
		})
	}
}
