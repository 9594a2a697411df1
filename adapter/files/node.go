package files

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// what a path holds.
type what string

const (
	file   what = "file"
	folder what = "folder"
	link   what = "link"
	other  what = "other" // sockets, devices, pipes: seen, never touched
)

// anyone is an owner that is not compared and not set.
const anyone = -1

// node is one path of a tree. Path is relative to the destination, with slashes;
// "." is the destination itself.
type node struct {
	Path   string `json:"path"`
	What   what   `json:"what"`
	Mode   int    `json:"mode"`
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Size   int64  `json:"size,omitempty"`
	Digest string `json:"digest,omitempty"`
	Target string `json:"target,omitempty"`
}

// meets reports whether n is as want demands.
func (n node) meets(want node) bool {
	if n.What != want.What || want.UID != anyone && n.UID != want.UID || want.GID != anyone && n.GID != want.GID {
		return false
	}
	switch n.What {
	case file:
		return n.Mode == want.Mode && n.sameContent(want)
	case folder:
		return n.Mode == want.Mode
	case link:
		return n.Target == want.Target
	case other:
		return false
	default:
		return false
	}
}

func (n node) sameContent(o node) bool {
	return n.What == file && o.What == file && n.Size == o.Size && n.Digest == o.Digest
}

// manifest is the canonical description of a tree: equal trees give equal bytes.
type manifest struct {
	Version     int    `json:"v"`
	Destination string `json:"destination"`
	// Keyed says that the digests are keyed, because content holds secrets.
	Keyed bool `json:"keyed,omitempty"`
	// Missing are the folders above the destination that are not there, outermost first.
	Missing []string `json:"missing,omitempty"`
	// Nodes are sorted by path.
	Nodes []node `json:"nodes"`
}

func (m *manifest) sort() {
	slices.SortFunc(m.Nodes, func(a, b node) int { return compare(a.Path, b.Path) })
}

// compare sorts paths so that a folder comes before what it holds.
func compare(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == ".":
		return -1
	case b == ".":
		return 1
	default:
		return strings.Compare(a, b)
	}
}

func (m *manifest) index() map[string]node {
	all := make(map[string]node, len(m.Nodes))
	for _, n := range m.Nodes {
		all[n.Path] = n
	}
	return all
}

func (m *manifest) encode() ([]byte, error) { return json.Marshal(m) }

// parseManifest reads an image. It refuses paths that lead out of the
// destination: an image decides what Undo writes and removes.
func parseManifest(data []byte) (*manifest, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, ripcord.Errorf(ripcord.CodeInternal, "files: the before-image is damaged: %w", err)
	}
	if m.Version != 1 {
		return nil, ripcord.Errorf(ripcord.CodeInternal, "files: the before-image has version %d; use a newer ripcord", m.Version)
	}
	for i, n := range m.Nodes {
		if !fs.ValidPath(n.Path) || i > 0 && compare(m.Nodes[i-1].Path, n.Path) >= 0 {
			return nil, ripcord.Errorf(ripcord.CodeInternal, "files: the before-image is damaged at path %q", n.Path)
		}
	}
	return &m, nil
}

// deepest returns the nodes with those inside a folder before the folder.
func deepest(nodes []node) []node {
	out := slices.Clone(nodes)
	slices.SortFunc(out, func(a, b node) int {
		if da, db := depth(a.Path), depth(b.Path); da != db {
			return db - da
		}
		return compare(a.Path, b.Path)
	})
	return out
}

func depth(p string) int {
	if p == "." {
		return 0
	}
	return 1 + strings.Count(p, "/")
}

// above returns the folder that holds p; it is false for the destination.
func above(p string) (string, bool) {
	if p == "." {
		return "", false
	}
	return path.Dir(p), true
}

// describe makes the node of what Lstat saw, without content.
func describe(p string, info fs.FileInfo) node {
	n := node{Path: p, Mode: perm(info.Mode()), UID: anyone, GID: anyone}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		n.UID, n.GID = int(st.Uid), int(st.Gid)
	}
	switch {
	case info.Mode().IsRegular():
		n.What, n.Size = file, info.Size()
	case info.IsDir():
		n.What = folder
	case info.Mode()&fs.ModeSymlink != 0:
		n.What, n.Mode = link, 0
	default:
		n.What = other
	}
	return n
}

// perm returns the twelve permission bits.
func perm(m fs.FileMode) int {
	p := int(m.Perm())
	if m&fs.ModeSetuid != 0 {
		p |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		p |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		p |= 0o1000
	}
	return p
}

// fileMode is the inverse of perm.
func fileMode(p int) fs.FileMode {
	m := fs.FileMode(p & 0o777)
	if p&0o4000 != 0 {
		m |= os.ModeSetuid
	}
	if p&0o2000 != 0 {
		m |= os.ModeSetgid
	}
	if p&0o1000 != 0 {
		m |= os.ModeSticky
	}
	return m
}
