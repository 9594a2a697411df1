package files_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/files"
)

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	text := err.Error()
	if e, ok := errors.AsType[*ripcord.Error](err); ok {
		text += "; " + e.Fix
	}
	if f, ok := errors.AsType[*ripcord.Failure](err); ok {
		text += strings.Join(f.Lines, "\n")
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("error %q lacks %q", text, word)
		}
	}
}

func TestSetuidAndModesAndOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": true})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"tool": "new", "sub/x": "x"})
	src := filepath.Join(w.scope.Directory, "src")
	must(t, os.Chmod(filepath.Join(src, "tool"), 0o755|os.ModeSetuid))
	must(t, os.Chmod(filepath.Join(src, "sub"), 0o555))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(src, "sub"), 0o755) })
	dst := filepath.Join(w.target, "dst")
	put(t, dst, map[string]string{"tool": "old", "sub/y": "y"})
	if os.Geteuid() == 0 {
		must(t, os.Lchown(filepath.Join(dst, "tool"), 1234, 4321))
	}
	must(t, os.Chmod(filepath.Join(dst, "tool"), 0o750|os.ModeSetuid|os.ModeSetgid))
	must(t, os.Chmod(filepath.Join(dst, "sub"), 0o555|os.ModeSticky))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dst, "sub"), 0o755) })
	before := fingerprint(t, w.target)
	must(t, w.apply(t))
	info, err := os.Stat(filepath.Join(dst, "tool"))
	must(t, err)
	if info.Mode() != 0o755|os.ModeSetuid {
		t.Errorf("mode %v, want the source's with its setuid bit", info.Mode())
	}
	if os.Geteuid() == 0 && info.Sys().(*syscall.Stat_t).Uid != 1234 {
		t.Error("the replaced file lost its owner")
	}
	must(t, w.undo(t))
	if now := fingerprint(t, w.target); now != before {
		t.Errorf("before\n%snow\n%s", before, now)
	}
}

func TestDoesNotFollowLinks(t *testing.T) {
	t.Parallel()
	for _, mirror := range []bool{true, false} {
		t.Run(fmt.Sprint("delete ", mirror), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": mirror})
			put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"conf/passwd": "evil", "file": "evil"})
			put(t, w.target, map[string]string{
				"secret/passwd": "precious", "file": "precious",
				"dst/conf": "-> ../secret", "dst/file": "-> ../file",
			})
			before := fingerprint(t, w.target)
			err := w.apply(t)
			if mirror {
				must(t, err)
			} else {
				wantError(t, err, "dst/conf is a link where a folder is expected", "move it away")
			}
			for _, name := range []string{"secret/passwd", "file"} {
				if data, err := os.ReadFile(filepath.Join(w.target, name)); err != nil || string(data) != "precious" {
					t.Errorf("%s: %q, %v", name, data, err)
				}
			}
			must(t, w.undo(t))
			if now := fingerprint(t, w.target); now != before {
				t.Errorf("before\n%snow\n%s", before, now)
			}
		})
	}
}

// TestLinkSwappedIn puts a link out of the destination where a folder was, after
// the check: nothing is written through it.
func TestLinkSwappedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst"})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"conf/passwd": "evil"})
	put(t, w.target, map[string]string{"secret/x": "precious", "dst/conf/y": "y"})
	w.begin(t)
	must(t, w.open(t).Prepare(t.Context(), w.journal.Attempt(1)))
	a := w.journal.Attempt(1)
	record := a.Record
	a.Record = func(ctx context.Context, data any) error { // just before the first change
		must(t, os.Rename(filepath.Join(w.target, "dst/conf"), filepath.Join(w.target, "dst/was")))
		must(t, os.Symlink("../secret", filepath.Join(w.target, "dst/conf")))
		return record(ctx, data)
	}
	if err := w.open(t).Apply(t.Context(), a); err == nil {
		t.Error("Apply succeeds through a link")
	}
	if entries, err := os.ReadDir(filepath.Join(w.target, "secret")); err != nil || len(entries) != 1 {
		t.Errorf("the other folder holds %v, %v", entries, err)
	}
}

func TestRefusedDestinations(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	put(t, filepath.Join(scope.Directory, "src"), map[string]string{"a": "a"})
	home, err := os.UserHomeDir()
	must(t, err)
	for destination, want := range map[string]string{
		"/":                               "/ is refused",
		"/..":                             "/ is refused",
		home:                              "it is refused",
		"/home/somebody":                  "is a home folder",
		filepath.Dir(scope.StateDir):      "state directory",
		scope.StateDir:                    "state directory",
		scope.StateDir + "/x":             "state directory",
		"src/copy":                        "lie in one another",
		".":                               "lie in one another",
		"/etc":                            "delete would empty it",
		filepath.Join(home, "..", "root"): "is a home folder",
	} {
		if home != "/root" && strings.HasSuffix(destination, "root") {
			continue
		}
		raw, err := json.Marshal(map[string]any{"source": "src", "destination": destination, "delete": true})
		must(t, err)
		step, err := files.New(files.Options{}).Open(t.Context(), ripcord.StepSpec{Settings: raw}, scope)
		if err == nil {
			_, err = step.Check(t.Context())
		}
		if ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%s: code %s", destination, ripcord.CodeOf(err))
		}
		wantError(t, err, want, "name")
	}
}

func TestWrongKindAtDestination(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		destination string
		there       map[string]string
		source      string
		want        string
	}{
		{"file for folder", "dst", map[string]string{"dst": "a file"}, "src", "is a file where a folder is expected"},
		{"link for folder", "dst", map[string]string{"real/x": "x", "dst": "-> real"}, "src", "is a link where a folder is expected"},
		{"folder for file", "dst", map[string]string{"dst": "/"}, "src/a", "is a folder where a file is expected"},
		{"file above", "up/dst", map[string]string{"up": "a file"}, "src", "is not a folder"},
		{"folder within", "dst", map[string]string{"dst/a": "/"}, "src", "dst/a is a folder where a file is expected"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]any{"source": test.source, "destination": test.destination})
			put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "a"})
			put(t, w.target, test.there)
			before := fingerprint(t, w.target)
			step := w.open(t)
			seen, err := step.Check(t.Context())
			if err == nil {
				w.journal = adaptertest.NewJournal("k", seen)
				err = step.Prepare(t.Context(), w.journal.Attempt(1))
				_, explained := step.Explain(t.Context())
				wantError(t, explained, test.want)
			}
			wantError(t, err, test.want, w.target)
			if now := fingerprint(t, w.target); now != before {
				t.Errorf("something changed:\n%s", now)
			}
		})
	}
}

func TestTrailingSlashMeansInto(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src/a", "destination": "dst/"})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "a"})
	must(t, w.apply(t))
	if data, err := os.ReadFile(filepath.Join(w.target, "dst", "a")); err != nil || string(data) != "a" {
		t.Errorf("%q, %v", data, err)
	}
	must(t, w.undo(t))
	if _, err := os.Lstat(filepath.Join(w.target, "dst")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the folder that was made is still there")
	}
}

func TestChangedBySomebodyElse(t *testing.T) {
	t.Parallel()
	changes := map[string]func(t *testing.T, dst string){
		"content": func(t *testing.T, dst string) { t.Helper(); put(t, dst, map[string]string{"a": "theirs"}) },
		"new":     func(t *testing.T, dst string) { t.Helper(); put(t, dst, map[string]string{"theirs": "x"}) },
		"gone":    func(t *testing.T, dst string) { t.Helper(); must(t, os.Remove(filepath.Join(dst, "a"))) },
		"mode":    func(t *testing.T, dst string) { t.Helper(); must(t, os.Chmod(filepath.Join(dst, "a"), 0o600)) },
	}
	for name, change := range changes {
		for _, prepared := range []bool{false, true} {
			t.Run(fmt.Sprint(name, prepared), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": true})
				put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "new", "b": "new"})
				put(t, filepath.Join(w.target, "dst"), map[string]string{"a": "old", "c": "old"})
				w.begin(t)
				if prepared {
					must(t, w.open(t).Prepare(t.Context(), w.journal.Attempt(1)))
				}
				change(t, filepath.Join(w.target, "dst"))
				now := fingerprint(t, w.target)
				wantError(t, w.apply(t), "changed by somebody else")
				must(t, w.undo(t))
				if after := fingerprint(t, w.target); after != now {
					t.Errorf("a refused step changed\n%sto\n%s", now, after)
				}
			})
		}
	}
}

func TestUndoLeavesStrangersAlone(t *testing.T) {
	t.Parallel()
	for _, mirror := range []bool{true, false} {
		t.Run(fmt.Sprint("delete ", mirror), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]any{"source": "src", "destination": "a/dst", "delete": mirror})
			put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"new/file": "new"})
			before := fingerprint(t, w.target)
			must(t, w.apply(t))
			theirs := filepath.Join(w.target, "a/dst/new/theirs.log")
			put(t, w.target, map[string]string{"a/dst/new/theirs.log": "precious"})
			wantError(t, w.undo(t), "never wrote", "theirs.log"[:0]+"a/dst/new")
			if data, err := os.ReadFile(theirs); err != nil || string(data) != "precious" {
				t.Errorf("%q, %v", data, err)
			}
			if _, err := os.Lstat(filepath.Join(w.target, "a/dst/new/file")); err == nil {
				t.Error("our own file is still there")
			}
			must(t, os.Remove(theirs))
			must(t, w.undo(t))
			if now := fingerprint(t, w.target); now != before {
				t.Errorf("before\n%snow\n%s", before, now)
			}
		})
	}
}

// TestUndoNeedsNoSource goes back although the source and the secrets are gone.
func TestUndoNeedsNoSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "template": true, "delete": true})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "${secret:TOKEN}"})
	put(t, filepath.Join(w.target, "dst"), map[string]string{"a": "old", "b": "old"})
	before := fingerprint(t, w.target)
	must(t, w.apply(t))
	must(t, os.RemoveAll(filepath.Join(w.scope.Directory, "src")))
	w.scope.Secrets = nil
	must(t, w.undo(t))
	if now := fingerprint(t, w.target); now != before {
		t.Errorf("before\n%snow\n%s", before, now)
	}
}

func TestBundleComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst"})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "changed later"})
	put(t, filepath.Join(w.scope.Bundle, "src"), map[string]string{"a": "captured"})
	must(t, w.apply(t))
	if data, err := os.ReadFile(filepath.Join(w.target, "dst/a")); err != nil || string(data) != "captured" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestImageHidesSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"content": "${secret:TOKEN}", "destination": "dst"})
	w.scope.Blobs = keyedBlobs{adaptertest.NewBlobs()}
	must(t, w.apply(t))
	w.presence(t, ripcord.Present)
	image := string(w.check(t).Image)
	// The plain SHA-256 of t0ken-value would let anybody try out guesses.
	if !strings.Contains(image, "keyed:") || strings.Contains(image, "t0ken") {
		t.Errorf("image %s", image)
	}
	text, err := w.open(t).Explain(t.Context())
	must(t, err)
	put(t, w.target, map[string]string{"dst": "t0ken-value of before\n"})
	more, err := w.open(t).Explain(t.Context())
	must(t, err)
	if strings.Contains(text+more, "t0ken") || !strings.Contains(more, "holds secrets") {
		t.Errorf("Explain shows %q", text+more)
	}
}

type keyedBlobs struct{ *adaptertest.Blobs }

func (k keyedBlobs) Digest(data []byte) string { return "keyed:" + k.Blobs.Digest(data)[:16] }

func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": true})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "one\ntwo\n", "b": "b", "private": "0600 new\n", "same": "same"})
	put(t, filepath.Join(w.target, "dst"), map[string]string{"a": "one\nzwei\n", "c": "c", "private": "0600 old\n", "same": "0755 same"})
	text, err := w.open(t).Explain(t.Context())
	must(t, err)
	for _, want := range []string{"1 new, 3 changed, 1 deleted", "-zwei", "+two", "new file " + w.target + "/dst/b", "deleted file", "mode 0755 to 0644", "not everybody may read it"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if strings.Contains(text, "-old") {
		t.Errorf("%q shows a private file", text)
	}
}

func TestTemplateErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{{.values.port}}": `no entry for key "port"`,
		"{{.vresion}}":     `no entry for key "vresion"`,
		"line\n{{if}}":     "src:2",
		"\xff\xfe{{":       "is no text",
		"{{range $i := .values.many}}" + strings.Repeat("x", 200) + "{{end}}": "larger than 1000 bytes",
		strings.Repeat("x", 1001): "larger than 1000 bytes",
		"${secret:NONE}":          `no secret "NONE"`,
	} {
		w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "template": true, "values": map[string]any{"many": make([]int, 10)}})
		if strings.Contains(want, "port") {
			delete(w.settings, "values")
		}
		w.limits.TemplateBytes = 1000
		put(t, w.scope.Directory, map[string]string{"src": text})
		_, err := w.open(t).Check(t.Context())
		wantError(t, err, want)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 20 {
		many[strconv.Itoa(i)] = "12345678"
	}
	for name, limits := range map[string]files.Limits{"more than 10 files": {Entries: 10}, "larger than 0 MiB": {Bytes: 100}} {
		w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": true})
		put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "a"})
		put(t, filepath.Join(w.target, "dst"), many)
		w.limits = limits
		_, err := w.open(t).Check(t.Context())
		wantError(t, err, name, w.target, "smaller folder")
	}
}

func TestSpecialFilesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": true})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "a"})
	must(t, os.Mkdir(filepath.Join(w.target, "dst"), 0o755))
	must(t, syscall.Mkfifo(filepath.Join(w.target, "dst", "pipe"), 0o600))
	wantError(t, w.apply(t), "pipe", "cannot be brought back")
}

func TestNoSpace(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can mount a small file system; TestConformance tests a failing write")
		return
	}
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": true})
	must(t, syscall.Mount("tmpfs", w.target, "tmpfs", 0, "size=512k"))
	t.Cleanup(func() { _ = syscall.Unmount(w.target, syscall.MNT_DETACH) })
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{
		"a": strings.Repeat("a", 150<<10), "b": strings.Repeat("b", 150<<10), "c": strings.Repeat("c", 150<<10), "old": strings.Repeat("n", 100<<10),
	})
	put(t, filepath.Join(w.target, "dst"), map[string]string{"old": strings.Repeat("o", 100<<10), "gone": "gone"})
	before := fingerprint(t, w.target)
	wantError(t, w.apply(t), w.target, "no space left", "free space")
	must(t, w.undo(t))
	if now := fingerprint(t, w.target); now != before {
		t.Error("not as before")
	}
}

// TestUndoMakesRoom needs the room that the new files take to write the old ones.
func TestUndoMakesRoom(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can mount a small file system")
		return
	}
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": true})
	must(t, syscall.Mount("tmpfs", w.target, "tmpfs", 0, "size=512k"))
	t.Cleanup(func() { _ = syscall.Unmount(w.target, syscall.MNT_DETACH) })
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"new": strings.Repeat("n", 200<<10)})
	put(t, filepath.Join(w.target, "dst"), map[string]string{"old": strings.Repeat("o", 200<<10)})
	before := fingerprint(t, w.target)
	must(t, w.apply(t))
	must(t, os.WriteFile(filepath.Join(w.target, "filler"), make([]byte, 250<<10), 0o600))
	must(t, w.undo(t))
	must(t, os.Remove(filepath.Join(w.target, "filler")))
	if now := fingerprint(t, w.target); now != before {
		t.Errorf("not as before")
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src", "destination": "a/dst", "delete": true})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a": "a"})
	before := fingerprint(t, w.target)
	step := w.open(t)
	if stamp, err := step.Stamp(t.Context()); stamp != nil || err != nil {
		t.Fatalf("stamp %v, %v", stamp, err)
	}
	w.begin(t)
	want := ripcord.Stamp{State: "s", Run: "run-1", Fence: 3}
	must(t, step.SetStamp(t.Context(), want)) // before there is a folder to hold it
	must(t, step.Apply(t.Context(), w.journal.Attempt(1)))
	if stamp, err := w.open(t).Stamp(t.Context()); err != nil || stamp == nil || *stamp != want {
		t.Fatalf("stamp %v, %v", stamp, err)
	}
	info, err := os.Lstat(filepath.Join(w.target, "a/.dst.ripcord"))
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	want.Fence = 4
	must(t, w.open(t).SetStamp(t.Context(), want))
	w.presence(t, ripcord.Present)
	must(t, w.undo(t))
	if now := fingerprint(t, w.target); now != before {
		t.Errorf("before\n%snow\n%s", before, now)
	}
}

func TestLeftoverIsSwept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"source": "src", "destination": "dst", "delete": true})
	put(t, filepath.Join(w.scope.Directory, "src"), map[string]string{"a/b": "b"})
	put(t, filepath.Join(w.target, "dst"), map[string]string{"a/c": "c"})
	before := fingerprint(t, w.target)
	w.begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	a := w.journal.Attempt(1)
	record := a.Record
	a.Record = func(ctx context.Context, data any) error {
		err := record(ctx, data)
		if raw, _ := json.Marshal(data); strings.Contains(string(raw), "applying") {
			cancel()
		}
		return err
	}
	if err := w.open(t).Apply(ctx, a); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, name := range []string{"", "a"} {
		leftover := filepath.Join(w.target, "dst", name, files.TempName("run-1/config"))
		must(t, os.WriteFile(leftover, []byte("half"), 0o600))
	}
	must(t, w.undo(t))
	if now := fingerprint(t, w.target); now != before {
		t.Errorf("before\n%snow\n%s", before, now)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                  "destination is missing",
		`{"destination":"x"}`: "neither source nor content",
		`{"destination":"x","source":"a","content":"b"}`:  "both source and content",
		`{"destination":"x","content":"b","delete":true}`: "delete needs a source folder",
		`{"destination":"x","source":"../a"}`:             "not inside the plan file's folder",
		`{"destination":"x","source":"/etc"}`:             "not inside the plan file's folder",
		`{"destination":"x","source":"a","mode":"rw"}`:    "not an octal mode",
		`{"destination":"x","source":"a","mode":"77777"}`: "not an octal mode",
		`{"destination":"x\u0000","source":"a"}`:          "zero byte",
		`{"destination":"x","source":"a","verbose":true}`: "verbose",
		`{"destination":"/x/..","source":"a"}`:            "/ is refused",
	} {
		_, err := files.New(files.Options{}).Open(t.Context(), ripcord.StepSpec{Settings: []byte(text)}, ripcord.Scope{})
		if ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%s: %v", text, err)
			continue
		}
		wantError(t, err, want)
	}
}
