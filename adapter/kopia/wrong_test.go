package kopia_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/child"
	"github.com/ripcord-dev/ripcord/adapter/kopia"
)

// lab is one repository's place, which several processes may use.
type lab struct {
	scope ripcord.Scope
	dir   string
}

func newLab(t *testing.T) lab {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Secrets = adaptertest.Secrets{"PASSWORD": "s3cret"}
	return lab{scope, filepath.Join(t.TempDir(), "repository")}
}

func (l lab) try(t *testing.T, create bool) (ripcord.Repository, error) {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"directory": l.dir, "password": "${secret:PASSWORD}"})
	if err != nil {
		t.Fatal(err)
	}
	return kopia.New().Open(t.Context(), raw, l.scope, create)
}

func (l lab) open(t *testing.T) ripcord.Repository {
	t.Helper()
	r, err := l.try(t, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// blobs are the files of the repository whose names begin with a letter.
func (l lab) blobs(t *testing.T, kind string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(l.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(l.dir, path)
		if strings.HasPrefix(strings.ReplaceAll(name, "/", ""), kind) && strings.HasSuffix(name, ".f") {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no files %s*: %v", kind, err)
	}
	return found
}

// flip changes a byte near the beginning of a file: its end holds only what
// the repository would be repaired from.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[min(len(data)/3, 64)] ^= 1
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestAFlippedByteIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"p", "q", "xn", "kopia.repository", "kopia.blobcfg"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			r := l.open(t)
			b := adaptertest.SaveStream(t, r, "one", adaptertest.RandomBytes(1, 3<<20))
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			for _, bad := range l.blobs(t, kind) {
				flip(t, bad)
			}
			again, err := l.try(t, false)
			if err != nil {
				return // found at once
			}
			defer func() { _ = again.Close() }()
			v, err := again.Verify(t.Context(), []ripcord.Backup{*b}, nil)
			if err != nil || v.Sound() {
				t.Errorf("a flipped byte is not found: %v", err)
			}
			if text := strings.Join(append(v.Problems["one"], v.Records...), " "); !strings.Contains(text, l.dir+"/"+kind+"/") {
				t.Errorf("no damaged file is named: %s", text)
			}
			content, err := again.Content(t.Context(), b, nil)
			if err == nil {
				_, err = read(t, content)
			}
			if err == nil && kind == "p" {
				t.Error("a damaged backup can be restored")
			}
		})
	}
}

func read(t *testing.T, c ripcord.Content) ([]byte, error) {
	t.Helper()
	from, err := c.Stream(t.Context())
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }()
	return io.ReadAll(from)
}

func TestOnlyTheDamagedBackupIsSaidToBe(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := l.open(t)
	one := adaptertest.SaveStream(t, r, "one", adaptertest.RandomBytes(1, 3<<20))
	first := l.blobs(t, "p")
	two := adaptertest.SaveStream(t, r, "two", adaptertest.RandomBytes(2, 3<<20))
	flip(t, first[0])
	v, err := l.open(t).Verify(t.Context(), []ripcord.Backup{*two, *one}, nil)
	if err != nil || len(v.Problems["one"]) == 0 || len(v.Problems["two"]) > 0 || len(v.Records) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestAMissingFileIsFound(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	b := adaptertest.SaveStream(t, l.open(t), "one", adaptertest.RandomBytes(1, 3<<20))
	if err := os.Remove(l.blobs(t, "p")[0]); err != nil {
		t.Fatal(err)
	}
	v, err := l.open(t).Verify(t.Context(), []ripcord.Backup{*b}, nil)
	if err != nil || len(v.Problems["one"]) == 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestWrongPlaces(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, l lab, create bool, want string) {
		t.Helper()
		_, err := l.try(t, create)
		e, ok := errors.AsType[*ripcord.Error](err)
		if !ok || e.Code != ripcord.CodePlan || e.Fix == "" || !strings.Contains(e.Message, want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	t.Run("not ours", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		if err := errors.Join(os.Mkdir(l.dir, 0o700), os.WriteFile(filepath.Join(l.dir, "photo.jpg"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		refused(t, l, true, "holds other files, photo.jpg")
	})
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.open(t)
		if err := os.Rename(l.dir, l.dir+".unmounted"); err != nil {
			t.Fatal(err)
		}
		refused(t, l, true, "is gone")
		if _, err := os.Stat(l.dir); err == nil {
			t.Error("a new one was made in its place")
		}
	})
	t.Run("another one", func(t *testing.T) {
		t.Parallel()
		l, other := newLab(t), newLab(t)
		l.open(t)
		other.dir = filepath.Join(t.TempDir(), "other")
		other.open(t)
		if err := errors.Join(os.RemoveAll(l.dir), os.Rename(other.dir, l.dir)); err != nil {
			t.Fatal(err)
		}
		refused(t, l, true, "another repository")
	})
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		if err := kopia.MarkNewer(t.Context(), l.open(t)); err != nil {
			t.Fatal(err)
		}
		refused(t, l, true, "a newer Ripcord wrote")
	})
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("only root can mount a small disk; run the tests as root")
	}
	l := newLab(t)
	if err := errors.Join(os.Mkdir(l.dir, 0o700), syscall.Mount("tmpfs", l.dir, "tmpfs", 0, "size=12m")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(l.dir, syscall.MNT_DETACH) })
	r := l.open(t)
	kept := adaptertest.SaveStream(t, r, "kept", adaptertest.RandomBytes(1, 2<<20))
	err := r.Save(t.Context(), adaptertest.NewBackup("large"), nil, func(ctx context.Context, _ *ripcord.Backup, to ripcord.Sink) error {
		return to.Stream(ctx, func(_ context.Context, w io.Writer) error {
			for i := range 60 {
				if _, err := w.Write(adaptertest.RandomBytes(byte(10+i), 1<<20)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("the error is %v", err)
	}
	_ = r.Close()
	r = l.open(t)
	all, err := r.Backups(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	if v, err := r.Verify(t.Context(), []ripcord.Backup{*kept}, nil); err != nil || len(v.Problems) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestMain lets the test's program be a process that is killed while it saves.
func TestMain(m *testing.M) {
	if os.Getenv("KOPIA_TEST_SAVE") == "" {
		os.Exit(m.Run())
	}
	raw, _ := json.Marshal(map[string]string{"directory": os.Getenv("KOPIA_TEST_SAVE"), "password": "s3cret"})
	r, err := kopia.New().Open(context.Background(), raw, ripcord.Scope{StateDir: os.Getenv("KOPIA_TEST_STATE"), Secrets: adaptertest.Secrets{}, Now: time.Now}, true)
	if err != nil {
		os.Exit(1)
	}
	_ = r.Save(context.Background(), adaptertest.NewBackup("half"), nil, func(ctx context.Context, _ *ripcord.Backup, to ripcord.Sink) error {
		return to.Stream(ctx, func(_ context.Context, w io.Writer) error {
			for i := 0; ; i++ {
				if _, err := w.Write(adaptertest.RandomBytes(byte(i), 8<<20)); err != nil {
					return err
				}
				_, _ = os.Stdout.WriteString("more\n")
			}
		})
	})
}

func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	kept := adaptertest.SaveStream(t, l.open(t), "kept", adaptertest.RandomBytes(1, 2<<20))
	for lines := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "KOPIA_TEST_SAVE="+l.dir, "KOPIA_TEST_STATE="+l.scope.StateDir)
		said, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		ended, err := child.Start(cmd, syscall.SIGKILL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(said, make([]byte, 5*(2*lines+1))); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
	}
	r := l.open(t)
	all, err := r.Backups(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != "kept" {
		t.Fatalf("%v, %v", all, err)
	}
	next := adaptertest.SaveStream(t, r, "next", adaptertest.RandomBytes(7, 2<<20))
	if err := r.Maintain(t.Context()); err != nil {
		t.Error(err)
	}
	if v, err := r.Verify(t.Context(), []ripcord.Backup{*next, *kept}, nil); err != nil || len(v.Problems) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
}
