package files

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// tree is the destination, opened. Nothing that it does leaves the
// destination, whatever symbolic links stand in it.
type tree struct {
	place *place
	// parent holds the destination; nil while folders above it are missing.
	parent *os.Root
	// inner is the destination where it is a folder.
	inner *os.Root
}

// open opens the destination as far as it is there.
func (p *place) open() (*tree, error) {
	t := &tree{place: p}
	if len(p.missing) > 0 {
		return t, nil
	}
	root, err := os.OpenRoot(p.anchor)
	if err != nil {
		return nil, failed("open", p.anchor, err)
	}
	t.parent = root
	return t, t.enter()
}

// enter opens the destination itself where it is a folder, not a link to one.
func (t *tree) enter() error {
	info, err := t.parent.Lstat(t.place.base)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil
	}
	if err == nil {
		t.inner, err = t.parent.OpenRoot(t.place.base)
	}
	if err != nil {
		return errors.Join(failed("open", t.place.named, err), t.close())
	}
	if now, err := t.inner.Stat("."); err != nil || !os.SameFile(info, now) {
		return errors.Join(refused(t.place.named+" changed while it was opened", "retry"), t.close())
	}
	return nil
}

// raise makes the missing folders above the destination.
func (t *tree) raise() error {
	if t.parent != nil {
		return nil
	}
	root, err := os.OpenRoot(t.place.anchor)
	if err != nil {
		return failed("open", t.place.anchor, err)
	}
	at := t.place.anchor
	for _, name := range t.place.missing {
		at = path.Join(at, name)
		next, err := lower(root, name)
		if err = errors.Join(err, root.Close()); err != nil {
			return failed("make", at, err)
		}
		root = next
	}
	t.parent = root
	return nil
}

// lower makes one folder durably and opens it.
func lower(root *os.Root, name string) (*os.Root, error) {
	if err := root.Mkdir(name, 0o700); err != nil {
		return nil, err
	}
	if err := root.Chmod(name, 0o755); err != nil {
		return nil, err
	}
	if err := syncFolder(root, "."); err != nil {
		return nil, err
	}
	return root.OpenRoot(name)
}

func (t *tree) close() error {
	var err error
	if t.inner != nil {
		err = t.inner.Close()
	}
	if t.parent != nil {
		err = errors.Join(err, t.parent.Close())
	}
	t.inner, t.parent = nil, nil
	return err
}

// at returns the root and name to reach p by; nil where its folder is not there.
func (t *tree) at(p string) (*os.Root, string) {
	if p == "." {
		return t.parent, t.place.base
	}
	return t.inner, p
}

// full is p's path for people.
func (t *tree) full(p string) string { return path.Join(t.place.named, p) }

// lstat describes what is at p; ok is false where nothing is.
func (t *tree) lstat(p string) (n node, ok bool, err error) {
	root, name := t.at(p)
	if root == nil {
		return n, false, nil
	}
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return n, false, nil
	}
	if err != nil {
		return n, false, failed("look at", t.full(p), err)
	}
	n = describe(p, info)
	if n.What == link {
		n.Target, err = root.Readlink(name)
	}
	if err != nil {
		return n, false, failed("read link", t.full(p), err)
	}
	return n, true, nil
}

// remove removes a file, a link or an empty folder; one that is gone is no error.
func (t *tree) remove(p string) error {
	root, name := t.at(p)
	if root == nil {
		return nil
	}
	if p == "." && t.inner != nil {
		if err := t.inner.Close(); err != nil {
			return failed("close", t.full(p), err)
		}
		t.inner = nil
	}
	err := root.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if p == "." {
		err = errors.Join(err, t.enter())
	}
	return failed("remove", t.full(p), err)
}

// mkdir makes a folder that only we can enter; its mode follows at the end.
func (t *tree) mkdir(p string) error {
	root, name := t.at(p)
	if err := root.Mkdir(name, 0o700); err != nil {
		return failed("make folder", t.full(p), err)
	}
	if p == "." {
		return t.enter()
	}
	return nil
}

// sync makes the names in the folder of p durable.
func (t *tree) sync(p string) error {
	root, name := t.at(p)
	if root == nil {
		return nil
	}
	if err := syncFolder(root, path.Dir(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("sync folder of", t.full(p), err)
	}
	return nil
}

func syncFolder(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
