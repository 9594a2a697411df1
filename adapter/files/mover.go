package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// mover brings a tree from one manifest to another, for Apply and for Undo.
type mover struct {
	step  *Step
	tree  *tree
	keyed bool
	have  map[string]node
	// want are the nodes to end with; remove are those that must not be there.
	want, remove []node
	// feed hands out the content of the files in need, in any order.
	feed func(ctx context.Context, need map[string]node, put func(node, io.Reader) error) error
	temp string
	// keepStrangers leaves folders that hold somebody else's files, and lists them.
	keepStrangers bool
	strangers     []string
	touched       map[string]bool
}

// tempName is what a file is called before it is whole. It is the step's own, so
// that leftovers of a killed Apply are found and no other's are.
func tempName(key string) string {
	h := sha256.Sum256([]byte(key))
	return ".ripcord-" + hex.EncodeToString(h[:8]) + ".tmp"
}

func (m *mover) run(ctx context.Context) error {
	m.touched = map[string]bool{}
	if err := m.unlock(); err != nil {
		return err
	}
	if err := m.clear(ctx); err != nil {
		return err
	}
	if err := m.folders(ctx); err != nil {
		return err
	}
	err := m.files(ctx)
	if m.keepStrangers && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		// What Apply made takes the room that the old files need.
		if err = m.drop(ctx); err == nil {
			err = m.files(ctx)
		}
	}
	if err != nil {
		return err
	}
	if err := m.drop(ctx); err != nil {
		return err
	}
	return m.modes()
}

// unlock makes our own folders writable where their mode is in the way.
func (m *mover) unlock() error {
	me := os.Geteuid()
	if me == 0 {
		return nil
	}
	for p, n := range m.have {
		if n.What != folder || n.UID != me || n.Mode&0o700 == 0o700 {
			continue
		}
		root, name := m.tree.at(p)
		if err := root.Chmod(name, fileMode(n.Mode|0o700)); err != nil {
			return failed("enter", m.tree.full(p), err)
		}
	}
	return nil
}

// clear removes what stands where something of another kind must be.
func (m *mover) clear(ctx context.Context) error {
	for _, n := range m.want {
		old, ok := m.have[n.Path]
		if !ok || (old.What == folder) == (n.What == folder) {
			continue
		}
		if old.What == folder {
			for _, child := range deepest(m.remove) {
				if inside(child.Path, n.Path) {
					if err := m.dropOne(ctx, child); err != nil {
						return err
					}
				}
			}
		}
		if err := m.tree.remove(n.Path); err != nil {
			return err
		}
		delete(m.have, n.Path)
		m.touch(n.Path)
	}
	return m.flush()
}

func (m *mover) folders(ctx context.Context) error {
	for _, n := range m.want {
		if _, ok := m.have[n.Path]; ok || n.What != folder {
			continue
		}
		if err := errors.Join(ctx.Err(), m.tree.mkdir(n.Path)); err != nil {
			return err
		}
		m.touch(n.Path)
	}
	return m.flush()
}

// files writes new files first, so that nothing refers to a file that is not
// there yet, then replaces the changed ones.
func (m *mover) files(ctx context.Context) error {
	fresh, changed := map[string]node{}, map[string]node{}
	for _, n := range m.want {
		old, ok := m.have[n.Path]
		if n.What == folder || ok && old.meets(n) {
			continue
		}
		done, err := m.withoutContent(n, old)
		if err != nil {
			return err
		}
		switch {
		case done:
		case ok:
			changed[n.Path] = n
		default:
			fresh[n.Path] = n
		}
	}
	for _, need := range []map[string]node{fresh, changed} {
		if len(need) == 0 {
			continue
		}
		put := func(n node, r io.Reader) error { return m.write(ctx, n, r) }
		if err := m.feed(ctx, need, put); err != nil {
			return err
		}
		if err := m.flush(); err != nil {
			return err
		}
	}
	return m.flush()
}

// withoutContent brings n about where that needs no content: a link, or another
// owner or mode of what is there.
func (m *mover) withoutContent(n, old node) (done bool, err error) {
	switch {
	case old.sameContent(n), n.What == link && old.What == link && old.Target == n.Target:
		return true, m.dress(n)
	case n.What == link:
		return true, m.link(n)
	default:
		return false, nil
	}
}

// write makes one file appear whole, or not at all.
func (m *mover) write(ctx context.Context, n node, r io.Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, name := m.tree.at(n.Path)
	temp := path.Join(path.Dir(name), m.temp)
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return failed("write", m.tree.full(n.Path), err)
	}
	err = m.fill(ctx, f, n, r)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return failed("write", m.tree.full(n.Path), errors.Join(err, root.Remove(temp)))
	}
	m.have[n.Path] = n
	m.touch(n.Path)
	return nil
}

func (m *mover) fill(ctx context.Context, f *os.File, n node, r io.Reader) error {
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(stopped{ctx, r}, n.Size+1))
	if err != nil {
		return err
	}
	if size != n.Size || m.step.seal(hex.EncodeToString(sum.Sum(nil)), m.keyed) != n.Digest {
		return errors.New("its content changed while it was copied")
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if uid, gid, differs := chownTo(n, describe("", info)); differs {
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	// After chown, which takes the setuid bit away.
	if err := f.Chmod(fileMode(n.Mode)); err != nil {
		return err
	}
	return f.Sync()
}

// chownTo says whether an owner has to be set: only root may, so it is not even
// tried where it is right already.
func chownTo(want, now node) (uid, gid int, differs bool) {
	uid, gid = want.UID, want.GID
	return uid, gid, uid != anyone && uid != now.UID || gid != anyone && gid != now.GID
}

func (m *mover) link(n node) error {
	root, name := m.tree.at(n.Path)
	temp := path.Join(path.Dir(name), m.temp)
	err := root.Symlink(n.Target, temp)
	if err == nil {
		var info os.FileInfo
		if info, err = root.Lstat(temp); err == nil {
			if uid, gid, differs := chownTo(n, describe("", info)); differs {
				err = root.Lchown(temp, uid, gid)
			}
		}
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return failed("link", m.tree.full(n.Path), errors.Join(err, root.Remove(temp)))
	}
	m.have[n.Path] = n
	m.touch(n.Path)
	return nil
}

// dress gives what is there the owner and mode of n.
func (m *mover) dress(n node) error {
	root, name := m.tree.at(n.Path)
	now, ok, err := m.tree.lstat(n.Path)
	if err != nil || !ok || now.What != n.What {
		return err
	}
	uid, gid, differs := chownTo(n, now)
	if differs {
		if err := root.Lchown(name, uid, gid); err != nil {
			return failed("change the owner of", m.tree.full(n.Path), err)
		}
	}
	if n.What != link && (differs || now.Mode != n.Mode) {
		if err := root.Chmod(name, fileMode(n.Mode)); err != nil {
			return failed("change the mode of", m.tree.full(n.Path), err)
		}
	}
	m.touch(n.Path)
	return nil
}

// drop removes what must not be there, the innermost first.
func (m *mover) drop(ctx context.Context) error {
	for _, n := range deepest(m.remove) {
		// What clear removed already may be a link to somewhere else by now.
		if _, ok := m.have[n.Path]; !ok {
			continue
		}
		if err := m.dropOne(ctx, n); err != nil {
			return err
		}
	}
	return m.flush()
}

func (m *mover) dropOne(ctx context.Context, n node) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := m.tree.remove(n.Path)
	if m.keepStrangers && errors.Is(err, syscall.ENOTEMPTY) {
		if !slices.Contains(m.strangers, n.Path) {
			m.strangers = append(m.strangers, n.Path)
		}
		return nil
	}
	if err != nil {
		return err
	}
	delete(m.have, n.Path)
	m.touch(n.Path)
	return nil
}

// modes gives folders their mode and owner last: a folder may forbid writing.
func (m *mover) modes() error {
	for _, n := range deepest(m.want) {
		if n.What != folder {
			continue
		}
		if err := m.dress(n); err != nil {
			return err
		}
	}
	return m.flush()
}

func (m *mover) touch(p string) {
	dir, below := above(p)
	if !below {
		dir = "."
	}
	if m.touched == nil {
		m.touched = map[string]bool{}
	}
	m.touched[dir] = true
	if !below {
		m.touched[""] = true
	}
}

// flush makes the names in all folders touched since the last flush durable.
func (m *mover) flush() error {
	for dir := range m.touched {
		at := strings.TrimPrefix(path.Join(dir, "x"), "./")
		if dir == "" {
			at = "."
		}
		if err := m.tree.sync(at); err != nil {
			return err
		}
	}
	clear(m.touched)
	return nil
}

// sweep removes what a killed attempt left half-written.
func sweep(t *tree, want *manifest, key string) error {
	temp := tempName(key)
	if t.parent != nil {
		if err := t.parent.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
			return failed("remove", path.Join(path.Dir(t.place.named), temp), err)
		}
	}
	if t.inner == nil {
		return nil
	}
	isFolder := map[string]bool{".": true}
	for _, n := range want.Nodes {
		dir, below := above(n.Path)
		if n.What != folder || below && !isFolder[dir] {
			continue
		}
		// Nothing is removed through a link that stands where a folder will be.
		now, ok, err := t.lstat(n.Path)
		if err != nil {
			return err
		}
		if isFolder[n.Path] = ok && now.What == folder; !isFolder[n.Path] {
			continue
		}
		err = t.inner.Remove(path.Join(n.Path, temp))
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, syscall.EACCES) {
			return failed("remove", t.full(path.Join(n.Path, temp)), err)
		}
	}
	return nil
}
