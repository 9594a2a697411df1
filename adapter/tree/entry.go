package tree

import (
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// entry is one file, folder or link.
type entry struct {
	info   fs.FileInfo
	stat   *syscall.Stat_t
	target string
	xattrs map[string][]byte
}

func read(path string, d fs.DirEntry) (entry, error) {
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	e := entry{info: info}
	e.stat, _ = info.Sys().(*syscall.Stat_t)
	if e.stat == nil {
		return e, fmt.Errorf("%s has no owner", path)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		e.target, err = os.Readlink(path)
		return e, err
	}
	e.xattrs, err = xattrs(path)
	return e, err
}

// words say what must be as it was. The times of folders and links are not among it.
func (e entry) words() string {
	text := fmt.Sprintf("%s %d:%d", e.info.Mode(), e.stat.Uid, e.stat.Gid)
	if e.info.Mode().IsRegular() {
		text += fmt.Sprintf(" %d %d", e.info.Size(), e.info.ModTime().UnixNano())
	}
	return text + " " + e.target
}

// xattrs are the extended attributes; a file system may know none.
func xattrs(path string) (map[string][]byte, error) {
	names, err := sized(func(into []byte) (int, error) { return unix.Llistxattr(path, into) })
	if errors.Is(err, unix.ENOTSUP) || len(names) == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, &fs.PathError{Op: "listxattr", Path: path, Err: err}
	}
	all := map[string][]byte{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		value, err := sized(func(into []byte) (int, error) { return unix.Lgetxattr(path, name, into) })
		if err != nil {
			return nil, &fs.PathError{Op: "getxattr " + name, Path: path, Err: err}
		}
		all[name] = value
	}
	return all, nil
}

// sized asks how long something is, and then for it.
func sized(ask func(into []byte) (int, error)) ([]byte, error) {
	for {
		n, err := ask(nil)
		if err != nil || n == 0 {
			return nil, err
		}
		into := make([]byte, n)
		if n, err = ask(into); !errors.Is(err, unix.ERANGE) { // it has grown meanwhile
			return into[:max(n, 0)], err
		}
	}
}

// notes are what a repository does not keep by itself.
type notes struct {
	// Xattrs are by path and name.
	Xattrs map[string]map[string][]byte `json:"xattrs,omitempty"`
	// Links are groups of paths that are one file.
	Links [][]string `json:"links,omitempty"`

	seen map[[2]uint64]int
}

func newNotes() *notes {
	return &notes{Xattrs: map[string]map[string][]byte{}, seen: map[[2]uint64]int{}}
}

func (n *notes) add(name string, e entry) error {
	if len(e.xattrs) > 0 {
		n.Xattrs[name] = e.xattrs
	}
	if !e.info.Mode().IsRegular() || e.stat.Nlink < 2 {
		return nil
	}
	key := [2]uint64{e.stat.Dev, e.stat.Ino}
	group, ok := n.seen[key]
	if !ok {
		group = len(n.Links)
		n.seen[key] = group
		n.Links = append(n.Links, nil)
	}
	n.Links[group] = append(n.Links[group], name)
	return nil
}

// digest adds the notes to the folder's digest.
func (n *notes) digest(sum hash.Hash) {
	for _, name := range slices.Sorted(maps.Keys(n.Xattrs)) {
		for _, attribute := range slices.Sorted(maps.Keys(n.Xattrs[name])) {
			_, _ = fmt.Fprintf(sum, "%q %q %x\n", name, attribute, n.Xattrs[name][attribute])
		}
	}
	for _, group := range n.Links {
		if len(group) > 1 { // the others are outside of the folder
			_, _ = fmt.Fprintf(sum, "%q\n", group)
		}
	}
}

// apply gives a restored folder what the notes say.
func (n *notes) apply(dir string) error {
	for _, group := range n.Links {
		if err := link(dir, group); err != nil {
			return err
		}
	}
	for name, attributes := range n.Xattrs {
		if err := local(name); err != nil {
			return err
		}
		for attribute, value := range attributes {
			if err := unix.Lsetxattr(filepath.Join(dir, name), attribute, value, 0); err != nil {
				return &fs.PathError{Op: "setxattr " + attribute, Path: filepath.Join(dir, name), Err: err}
			}
		}
	}
	return nil
}

// link makes one file of several.
func link(dir string, group []string) error {
	for i, name := range group {
		if err := local(name); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
		if err := os.Link(filepath.Join(dir, group[0]), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// local refuses a path that leads out of the folder.
func local(name string) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q leads out of the folder", name)
	}
	return nil
}
