package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// view is the destination beside what the step wants there.
type view struct {
	source *source
	tree   *tree
	have   *manifest
	// want is the source fitted to the destination.
	want *manifest
}

func (v *view) close() error { return errors.Join(v.source.close(), v.tree.close()) }

// look loads the source and scans the destination.
func (s *Step) look(ctx context.Context, before func(*tree, *manifest) error) (*view, error) {
	w, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{source: w, tree: &tree{}}
	p, err := s.locate(w.folder)
	if err == nil {
		err = s.forbid(p, w.folder)
	}
	if err == nil {
		v.tree, err = p.open()
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	if before != nil {
		err = before(v.tree, w.manifest)
	}
	if err == nil {
		v.have, err = s.scan(ctx, v.tree, w.manifest)
	}
	if err != nil {
		return nil, errors.Join(err, v.close())
	}
	v.want = s.fit(w.manifest, v.have)
	return v, nil
}

// fit settles what the settings leave open: what is replaced keeps its owner,
// and without delete or directory_mode a folder that is there keeps its mode.
func (s *Step) fit(want, have *manifest) *manifest {
	is := have.index()
	out := &manifest{Version: 1, Destination: have.Destination, Keyed: want.Keyed, Nodes: slices.Clone(want.Nodes)}
	for i := range out.Nodes {
		n := &out.Nodes[i]
		old, ok := is[n.Path]
		if !ok || old.What != n.What {
			continue
		}
		if n.UID == anyone {
			n.UID = old.UID
		}
		if n.GID == anyone {
			n.GID = old.GID
		}
		if n.What == folder && !s.set.Delete && s.set.DirectoryMode == "" {
			n.Mode = old.Mode
		}
	}
	return out
}

// change is the way from one manifest to another.
type change struct {
	fresh, changed, gone []node
}

func (c *change) none() bool { return len(c.fresh)+len(c.changed)+len(c.gone) == 0 }

func (c *change) String() string {
	return fmt.Sprintf("%d new, %d changed, %d deleted", len(c.fresh), len(c.changed), len(c.gone))
}

// compareTo finds what has to change for have to become want.
func (s *Step) compareTo(want, have *manifest) *change {
	c := &change{}
	is, wanted := have.index(), want.index()
	for _, n := range want.Nodes {
		old, ok := is[n.Path]
		switch {
		case !ok:
			c.fresh = append(c.fresh, n)
		case !old.meets(n):
			c.changed = append(c.changed, n)
		}
	}
	if !s.set.Delete {
		return c
	}
	for _, n := range have.Nodes {
		if _, ok := wanted[n.Path]; !ok {
			c.gone = append(c.gone, n)
		}
	}
	return c
}

// Check implements ripcord.Step.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	v, err := s.look(ctx, nil)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	image, err := v.have.encode()
	if err = errors.Join(err, v.close()); err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	c := s.compareTo(v.want, v.have)
	o := ripcord.Observation{Presence: presence(v, c), Image: image, Exact: true, Detail: v.have.Destination + ": " + c.String()}
	if o.Presence == ripcord.Present {
		o.Detail = v.have.Destination + ": as it should be"
	}
	return o, nil
}

// presence counts files and links; folders only where there is nothing else.
func presence(v *view, c *change) ripcord.Presence {
	if c.none() {
		return ripcord.Present
	}
	count := func(nodes []node) (files, all int) {
		for _, n := range nodes {
			if n.What != folder {
				files++
			}
		}
		return files, len(nodes)
	}
	files, all := count(v.want.Nodes)
	freshFiles, fresh := count(c.fresh)
	changedFiles, changed := count(c.changed)
	met := files - freshFiles - changedFiles
	if files == 0 {
		met = all - fresh - changed
	}
	if met > 0 {
		return ripcord.Partial
	}
	return ripcord.Absent
}

// preflight refuses, before the first change, what could not be done or not be
// brought back.
func (s *Step) preflight(v *view, c *change) error {
	is := v.have.index()
	for _, n := range slices.Concat(c.changed, c.gone) {
		old := is[n.Path]
		at := v.tree.full(n.Path)
		if old.What == other {
			return refused(at+" is a socket, pipe or device, which cannot be brought back", "remove it or choose another destination")
		}
		if err := s.clash(at, n, old); err != nil {
			return err
		}
		if me := os.Geteuid(); me != 0 && (old.UID != me || !mine(old.GID)) {
			return refused(fmt.Sprintf("%s belongs to %d:%d, and only root can bring its owner back", at, old.UID, old.GID),
				"run ripcord as root, or give the file to the user who runs it")
		}
	}
	return nil
}

// clash refuses to put a folder where something else is, or the reverse, unless
// the whole tree is ours to mirror.
func (s *Step) clash(at string, want, old node) error {
	if (want.What == folder) == (old.What == folder) || s.set.Delete && want.Path != "." {
		return nil
	}
	if want.What == folder {
		return refused(fmt.Sprintf("%s is a %s where a folder is expected", at, old.What), "move it away or correct destination")
	}
	return refused(at+" is a folder where a file is expected", "give the file's full path as destination, or move the folder away")
}

func mine(gid int) bool {
	groups, err := os.Getgroups()
	return gid == os.Getegid() || err == nil && slices.Contains(groups, gid)
}
