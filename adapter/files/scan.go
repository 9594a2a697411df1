package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"unicode/utf8"

	"github.com/ripcord-dev/ripcord"
)

// budget counts what a scan may still read.
type budget struct {
	limits  Limits
	entries int
	bytes   int64
	at      string
}

func (b *budget) take(n node) error {
	b.entries++
	if n.What == file {
		b.bytes += n.Size
	}
	if b.entries > b.limits.Entries {
		return ripcord.Errorf(ripcord.CodePlan, "files: %s holds more than %d files and folders", b.at, b.limits.Entries).
			WithFix("name a smaller folder, or split the step")
	}
	if b.bytes > b.limits.Bytes {
		return ripcord.Errorf(ripcord.CodePlan, "files: the files in %s are larger than %d MiB in all", b.at, b.limits.Bytes>>20).
			WithFix("name a smaller folder, or copy large files in a run step of your own")
	}
	return nil
}

// scan describes the destination as it is now: everything in it when whole is
// true, else the wanted paths only.
func (s *Step) scan(ctx context.Context, t *tree, want *manifest) (*manifest, error) {
	m := &manifest{Version: 1, Destination: t.place.named, Keyed: want.Keyed, Missing: t.place.absent()}
	left := &budget{limits: s.limits, at: t.place.named}
	add := func(n node) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := left.take(n); err != nil {
			return err
		}
		if n.What == file {
			root, name := t.at(n.Path)
			digest, err := s.digest(ctx, root, name, n.Size, want.Keyed)
			if err != nil {
				return failed("read", t.full(n.Path), err)
			}
			n.Digest = digest
		}
		m.Nodes = append(m.Nodes, n)
		return nil
	}
	err := s.visit(t, want, add)
	m.sort()
	return m, err
}

func (s *Step) visit(t *tree, want *manifest, add func(node) error) error {
	top, ok, err := t.lstat(".")
	if err != nil || !ok {
		return err
	}
	if err := add(top); err != nil {
		return err
	}
	if top.What != folder {
		return nil
	}
	if s.set.Delete {
		return walk(t.inner, ".", add)
	}
	isFolder := map[string]bool{".": true}
	for _, w := range want.Nodes {
		// A link to a folder is not that folder: nothing is looked up through it.
		dir, below := above(w.Path)
		if !below || !isFolder[dir] {
			continue
		}
		n, ok, err := t.lstat(w.Path)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		isFolder[w.Path] = n.What == folder
		if err := add(n); err != nil {
			return err
		}
	}
	return nil
}

// walk visits everything below dir, without following links.
func walk(root *os.Root, dir string, add func(node) error) error {
	f, err := root.Open(dir)
	if err != nil {
		return failed("open", path.Join(root.Name(), dir), err)
	}
	defer f.Close() //nolint:errcheck // only read from
	for {
		names, err := f.ReadDir(1024)
		for _, e := range names {
			if err := visitOne(root, path.Join(dir, e.Name()), add); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return failed("list", path.Join(root.Name(), dir), err)
		}
	}
}

func visitOne(root *os.Root, p string, add func(node) error) error {
	if stampName(path.Base(p)) {
		return nil
	}
	if !utf8.ValidString(p) {
		return refused(fmt.Sprintf("the name %q in %s is not UTF-8", p, root.Name()), "rename it")
	}
	info, err := root.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failed("look at", path.Join(root.Name(), p), err)
	}
	n := describe(p, info)
	if n.What == link {
		if n.Target, err = root.Readlink(p); err != nil {
			return failed("read link", path.Join(root.Name(), p), err)
		}
	}
	if err := add(n); err != nil || n.What != folder {
		return err
	}
	return walk(root, p, add)
}

// openFile opens a regular file for reading, never a link or a pipe.
func openFile(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errors.New("it is not a regular file any more"), err, f.Close())
	}
	return f, nil
}

// digest reads a file of the given size in bytes.
func (s *Step) digest(ctx context.Context, root *os.Root, name string, size int64, keyed bool) (string, error) {
	f, err := openFile(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read from
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(stopped{ctx, f}, size+1))
	if err != nil {
		return "", err
	}
	if n != size {
		return "", errors.New("it changed while it was read; retry when nothing writes to it")
	}
	return s.seal(hex.EncodeToString(sum.Sum(nil)), keyed), nil
}

// seal hides a SHA-256 behind the state directory's key where the content may
// hold secrets: a plain digest would let anybody try out guesses.
func (s *Step) seal(sum string, keyed bool) string {
	if !keyed {
		return sum
	}
	return s.scope.Blobs.Digest([]byte("files " + sum))
}

// stopped is a reader that ends with its context.
type stopped struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

func (s stopped) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
