package blobs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/blobs"
)

type place struct{ dir, key string }

func newPlace(tb testing.TB) place {
	tb.Helper()
	base := tb.TempDir()
	return place{filepath.Join(base, "state", "blobs"), filepath.Join(base, "keys", "key.txt")}
}

func (p place) open(tb testing.TB, limit int64) *blobs.Store {
	tb.Helper()
	s, err := blobs.Open(p.dir, p.key, limit)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return s
}

func put(tb testing.TB, s *blobs.Store, run ripcord.RunID, data []byte) ripcord.BlobRef {
	tb.Helper()
	ref, err := s.Put(tb.Context(), run, "web/log.txt", bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	return ref
}

func get(tb testing.TB, s *blobs.Store, ref ripcord.BlobRef) ([]byte, error) {
	tb.Helper()
	r, err := s.Open(tb.Context(), ref)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func TestBlobsComeBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open(t, 0)
	for _, size := range []int{0, 1, 100, 64 << 10, 64<<10 + 1, 3<<20 + 17} {
		data := bytes.Repeat([]byte("secret password\n"), size/16+1)[:size]
		ref := put(t, s, "r1", data)
		got, err := get(t, p.open(t, 0), ref)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
		if ref.Size != int64(size) || ref.Digest != s.Digest(data) {
			t.Fatalf("%d bytes: reference %+v", size, ref)
		}
		stored, err := os.ReadFile(filepath.Join(p.dir, ref.Path))
		if err != nil || bytes.Contains(stored, []byte("password")) {
			t.Fatalf("the file shows its content, %v", err)
		}
	}
	assertPrivate(t, p.dir)
	if info, err := os.Stat(p.key); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file %v, %v", info, err)
	}
}

// assertPrivate fails when others may read anything, or a file is unfinished.
func assertPrivate(t *testing.T, dir string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !info.IsDir() && filepath.Base(filepath.Dir(path)) == "unfinished" {
			t.Errorf("%s was left", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEqualBytesEqualDigest(t *testing.T) {
	t.Parallel()
	p, other := newPlace(t), newPlace(t)
	s := p.open(t, 0)
	a, b := put(t, s, "r1", []byte("same")), put(t, s, "r2", []byte("same"))
	if a.Digest != b.Digest || a.Path == b.Path {
		t.Fatalf("references %+v, %+v", a, b)
	}
	if put(t, other.open(t, 0), "r1", []byte("same")).Digest == a.Digest {
		t.Fatal("another key gives the same digest")
	}
}

func TestChangesAreFound(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open(t, 0)
	ref, other := put(t, s, "r1", bytes.Repeat([]byte("x"), 70000)), put(t, s, "r1", bytes.Repeat([]byte("y"), 70000))
	path := filepath.Join(p.dir, ref.Path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	swapped, err := os.ReadFile(filepath.Join(p.dir, other.Path))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-40] ^= 1
	for name, content := range map[string][]byte{
		"flipped": flipped, "cut": whole[:len(whole)-100], "cut at a chunk": whole[:len(whole)-70000+65536], "empty": nil, "another blob": swapped,
		"longer": append(bytes.Clone(whole), 1), "no age file": []byte("hello"),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := get(t, s, ref); err == nil || !strings.Contains(err.Error(), "changed or damaged") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open(t, 1000)
	put(t, s, "r1", make([]byte, 1000))
	_, err := s.Put(t.Context(), "r1", "big.log", bytes.NewReader(make([]byte, 1001)))
	if ripcord.CodeOf(err) != ripcord.CodeRefused || !strings.Contains(err.Error(), "big.log") {
		t.Fatalf("error %v", err)
	}
	assertPrivate(t, p.dir)
}

func TestFailingSourceLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open(t, 0)
	broken := errors.New("broken pipe")
	if _, err := s.Put(t.Context(), "r1", "log", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Put(ctx, "r1", "log", strings.NewReader("abc")); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	assertPrivate(t, p.dir)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := newPlace(t).open(t, 0)
	first, second, other := put(t, s, "r1", []byte("a")), put(t, s, "r1", []byte("b")), put(t, s, "r2", []byte("c"))
	for range 2 {
		if err := s.Delete(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := get(t, s, first); ripcord.CodeOf(err) != ripcord.CodeNotFound {
		t.Fatalf("error %v", err)
	}
	for range 2 {
		if err := s.DeleteRun(t.Context(), "r1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := get(t, s, second); ripcord.CodeOf(err) != ripcord.CodeNotFound {
		t.Fatalf("error %v", err)
	}
	if got, err := get(t, s, other); err != nil || string(got) != "c" {
		t.Fatalf("the other run's blob: %q, %v", got, err)
	}
	put(t, s, "r1", []byte("again"))
}

func TestNamesStayInside(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open(t, 0)
	for _, run := range []ripcord.RunID{"", "..", "../x", "a/b", ".hidden", "unfinished", "recipient"} {
		if _, err := s.Put(t.Context(), run, "n", strings.NewReader("x")); err == nil {
			t.Errorf("run %q was taken", run)
		}
		if err := s.DeleteRun(t.Context(), run); err == nil {
			t.Errorf("run %q was deleted", run)
		}
	}
	for _, name := range []string{"../../x", "/etc/passwd", "", strings.Repeat("n", 300), "a\x00b", "ünïcode"} {
		ref, err := s.Put(t.Context(), "r1", name, strings.NewReader("x"))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if filepath.Dir(ref.Path) != "r1" {
			t.Fatalf("%q lies in %s", name, ref.Path)
		}
	}
	for _, path := range []string{"../../keys/key.txt", "/etc/passwd", p.key} {
		if _, err := s.Open(t.Context(), ripcord.BlobRef{Path: path}); err == nil {
			t.Errorf("%s was opened", path)
		}
		if err := s.Delete(t.Context(), ripcord.BlobRef{Path: path}); err == nil {
			t.Errorf("%s was deleted", path)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stores := []*blobs.Store{p.open(t, 0), p.open(t, 0)}
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			data := bytes.Repeat([]byte{byte(i)}, 1000)
			ref, err := stores[i%2].Put(t.Context(), "r1", "n", bytes.NewReader(data))
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := get(t, stores[1-i%2], ref); err != nil || !bytes.Equal(got, data) {
				t.Errorf("blob %d: %v", i, err)
			}
		})
	}
	group.Wait()
}

// A process that dies while it writes leaves an unfinished file; one that lives
// keeps its own.
func TestSweep(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.open(t, 0)
	dead := filepath.Join(p.dir, "unfinished", "0123456789abcdef")
	if err := os.WriteFile(dead, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	done := make(chan error)
	var ref ripcord.BlobRef
	go func() {
		var err error
		ref, err = s.Put(t.Context(), "r1", "n", in)
		done <- err
	}()
	if _, err := out.Write([]byte("first ")); err != nil { // Put is in the middle now
		t.Fatal(err)
	}
	second := p.open(t, 0)
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the dead process's file: %v", err)
	}
	if _, err := out.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, second, ref); err != nil || string(got) != "first second" {
		t.Fatalf("%q, %v", got, err)
	}
}

func BenchmarkPut(b *testing.B) {
	s := newPlace(b).open(b, 0)
	data := bytes.Repeat([]byte("before"), 100)
	b.ReportAllocs()
	for b.Loop() {
		put(b, s, "r1", data)
	}
}

func BenchmarkRawFile(b *testing.B) {
	dir := b.TempDir()
	data := bytes.Repeat([]byte("before"), 100)
	folder, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer folder.Close() //nolint:errcheck // it was only flushed
	for b.Loop() {
		file, err := os.CreateTemp(dir, "x")
		if err != nil {
			b.Fatal(err)
		}
		_, err = file.Write(data)
		if err := errors.Join(err, file.Sync(), os.Rename(file.Name(), file.Name()+".x"), folder.Sync(), file.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

// A before-image finds room on a full disk because somebody gives it; a long log
// gets none.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := unix.Mount("ripcord-test", disk, "tmpfs", 0, "size=8m,mode=0700"); err != nil {
		t.Fatalf("mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	reserve := filepath.Join(disk, "reserve")
	if err := os.WriteFile(reserve, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	given := 0
	p := place{filepath.Join(disk, "blobs"), filepath.Join(t.TempDir(), "key")}
	s, err := blobs.Open(p.dir, p.key, 0, blobs.WithRoom(func() bool { given++; return os.Remove(reserve) == nil }))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "r1", []byte("there is room"))
	if _, err := s.Put(t.Context(), "r1", "long.log", neverEnding{}); ripcord.CodeOf(err) != ripcord.CodeInternal || !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("error %v", err)
	}
	if given != 0 {
		t.Fatal("a long log took the room")
	}
	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{filler}, neverEnding{}, make([]byte, 4096)); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}
	image := bytes.Repeat([]byte("before"), 50000)
	ref := put(t, s, "r2", image)
	if got, err := get(t, s, ref); err != nil || !bytes.Equal(got, image) || given != 1 {
		t.Fatalf("%d bytes, %v, given %d times", len(got), err, given)
	}
	assertPrivate(t, p.dir)
}

// neverEnding is a source without an end.
type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }
