package blobs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/blobs"
)

// refused opens a place and expects an error that says what and how to mend it.
func refused(t *testing.T, p place, want string) {
	t.Helper()
	s, err := blobs.Open(p.dir, p.key, 0)
	if err == nil {
		_ = s.Close()
		t.Fatal("no error")
	}
	if ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %v, want one with %q", err, want)
	}
	if strings.Contains(err.Error(), "AGE-SECRET-KEY-1Q") {
		t.Fatalf("the error shows a key: %v", err)
	}
}

func TestMissingKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	put(t, p.open(t, 0), "r1", []byte("x"))
	if err := os.Remove(p.key); err != nil {
		t.Fatal(err)
	}
	refused(t, p, "is missing")
	if _, err := os.Stat(p.key); err == nil {
		t.Fatal("a new key was made")
	}
	if err := os.Remove(filepath.Join(p.dir, "recipient")); err != nil {
		t.Fatal(err)
	}
	refused(t, p, "is missing")
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	p, other := newPlace(t), newPlace(t)
	put(t, p.open(t, 0), "r1", []byte("x"))
	other.open(t, 0)
	refused(t, place{p.dir, other.key}, "was encrypted for")
}

func TestSharedKey(t *testing.T) {
	t.Parallel()
	p, other := newPlace(t), newPlace(t)
	ref := put(t, p.open(t, 0), "r1", []byte("x"))
	again := put(t, place{other.dir, p.key}.open(t, 0), "r1", []byte("x"))
	if ref.Digest != again.Digest {
		t.Fatal("the same key gives another digest")
	}
}

func TestBadKeyFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"empty":       {"", 0o600, "holds no age key"},
		"nonsense":    {"AGE-SECRET-KEY-1QQQQ\n", 0o600, "holds no age key"},
		"open to all": {"AGE-SECRET-KEY-1QQQQ\n", 0o644, "can be read by others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			if err := os.MkdirAll(filepath.Dir(p.key), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p.key, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			refused(t, p, c.want)
		})
	}
}

func TestKeyInside(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	refused(t, place{p.dir, filepath.Join(p.dir, "sub", "key")}, "lies in the folder")
}
