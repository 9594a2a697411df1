package files_test

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/files"
)

// newTree and oldTree differ in every way that two trees can.
func newTree() map[string]string {
	return map[string]string{
		"index.html": "new index", "bin/tool": "0755 new tool", "css/a.css": "a2", "css/b.css": "b2",
		"empty": "/", "current": "-> css", "deep/er/est/x": "x", "was-file/now": "a folder",
	}
}

func oldTree() map[string]string {
	return map[string]string{
		"index.html": "0600 old index", "bin/tool": "0700 old tool", "css/gone.css": "gone",
		"current": "-> bin", "dangling": "-> nowhere", "old/empty": "/", "was-file": "a file",
		"deep/er/own": "theirs",
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		settings map[string]any
		source   map[string]string
		old      map[string]string
	}{
		{"into nothing", map[string]any{"source": "src", "destination": "a/b/dst"}, newTree(), nil},
		{"mirror into nothing", map[string]any{"source": "src", "destination": "a/dst", "delete": true}, newTree(), nil},
		{"mirror", map[string]any{"source": "src", "destination": "dst", "delete": true, "directory_mode": "0750"}, newTree(), oldTree()},
		{
			"merge",
			map[string]any{"source": "src", "destination": "dst", "mode": "0640", "owner": owner(), "group": strconv.Itoa(os.Getegid())},
			newTree(),
			map[string]string{"index.html": "old", "own": "theirs", "css/own.css": "theirs", "current": "-> own"},
		},
		{"one file", map[string]any{"source": "src/index.html", "destination": "dst"}, newTree(), nil},
		{"inline", map[string]any{"content": "token=${secret:TOKEN}\n", "destination": "dst/conf", "mode": "4600"}, nil, map[string]string{"conf": "0755 token=old\n", "own": "x"}},
		{
			"template",
			map[string]any{"source": "src", "destination": "dst", "template": true, "values": map[string]any{"port": 80, "token": "${secret:TOKEN}"}},
			map[string]string{"conf": "0600 {{.application}} {{.environment}} {{.version}} :{{.values.port}} {{.values.token}} ${secret:TOKEN}\n", "plain": "x"},
			map[string]string{"conf": "old\n", "plain": "y"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
				t.Helper()
				settings := maps.Clone(test.settings)
				w := newWorld(t, settings)
				put(t, filepath.Join(w.scope.Directory, "src"), test.source)
				if test.old != nil {
					put(t, filepath.Join(w.target, "dst"), test.old)
				}
				return adaptertest.Fixture{
					Adapter: files.New(files.Options{}), Spec: w.spec(t), Scope: w.scope,
					Fingerprint: func(t *testing.T) string { t.Helper(); return fingerprint(t, w.target) },
					Secrets:     []string{"t0ken-value"},
					References:  references(settings),
					Breaks:      breaks(w.target, filepath.Join(w.target, "dst")),
				}
			}})
		})
	}
}

// owner is somebody whom we may give files to.
func owner() string {
	if os.Geteuid() == 0 {
		return "12345"
	}
	return strconv.Itoa(os.Geteuid())
}

// references are the settings of ours that may hold a reference.
func references(settings map[string]any) []string {
	var names []string
	for _, name := range []string{"destination", "content", "values"} {
		if _, ok := settings[name]; ok {
			names = append(names, name)
		}
	}
	return names
}

// breaks makes the destination's folder unwritable with a read-only mount. Only
// root can mount; for others a folder's mode is no obstacle that Check would not
// see as a change.
func breaks(target, dst string) []adaptertest.Break {
	if os.Geteuid() != 0 {
		return nil
	}
	at := func() string {
		if info, err := os.Stat(dst); err == nil && info.IsDir() {
			return dst
		}
		return target
	}
	return []adaptertest.Break{{
		Name: "read-only",
		Break: func(t *testing.T) {
			t.Helper()
			dir := at()
			must(t, syscall.Mount(dir, dir, "", syscall.MS_BIND, ""))
			t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // mostly it is gone by then
			must(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""))
		},
		Mend: func(t *testing.T) { t.Helper(); must(t, syscall.Unmount(at(), syscall.MNT_DETACH)) },
	}}
}
