package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// Undo implements ripcord.Step. It needs the before-image and the safety copy,
// not the source.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	st, err := recall(a)
	if err != nil || !st.started {
		return err
	}
	before, err := parseManifest(a.Before.Image)
	if err != nil {
		return err
	}
	made, err := s.unpack(ctx, *st.saved, nil)
	if err != nil {
		return failed("bring back", before.Destination, err)
	}
	p, err := s.locate(made.Nodes[0].What == folder)
	if err != nil {
		return err
	}
	if p.named != before.Destination {
		return refused(fmt.Sprintf("the destination is %s now and was %s", p.named, before.Destination), "run ripcord from the folder of the release")
	}
	t, err := p.open()
	if err != nil {
		return err
	}
	strangers, err := s.goBack(ctx, a, t, before, made, st)
	if err = errors.Join(err, t.close()); err != nil {
		return err
	}
	if len(before.Nodes) == 0 && len(strangers) == 0 && len(p.missing) == 0 {
		// Nothing was there: a stamp that stays would be in the way of whoever made
		// the folder and removes it now.
		if err := unlinkStamp(p.anchor, p.base); err != nil {
			return err
		}
	}
	more, err := s.unraise(p, before)
	if err != nil {
		return err
	}
	if strangers = append(strangers, more...); len(strangers) > 0 {
		slices.Sort(strangers)
		return refused(fmt.Sprintf("%s is back except for %d paths that this step never wrote, which are left alone", before.Destination, len(strangers)),
			"move them away, then retry", strangers[:min(len(strangers), 20)]...)
	}
	return a.Record(ctx, progress{Undone: true})
}

func (s *Step) goBack(ctx context.Context, a ripcord.Attempt, t *tree, before, made *manifest, st *state) ([]string, error) {
	if t.parent == nil {
		return nil, nil // not even the folder above it is there
	}
	all := union(before, made)
	if err := sweep(t, all, a.Key); err != nil {
		return nil, err
	}
	have, err := s.scan(ctx, t, all)
	if err != nil {
		return nil, err
	}
	remove, strangers := s.sortOut(t, have, before, made, st.complete)
	m := &mover{step: s, tree: t, keyed: before.Keyed, have: have.index(), want: before.Nodes, remove: remove, temp: tempName(a.Key), keepStrangers: true}
	m.feed = func(ctx context.Context, need map[string]node, put func(node, io.Reader) error) error {
		return s.giveBack(ctx, t, *st.saved, need, put)
	}
	err = m.run(ctx)
	for _, p := range m.strangers {
		if !slices.ContainsFunc(strangers, func(x string) bool { return inside(x, t.full(p)) }) {
			strangers = append(strangers, t.full(p)+" (holds other files)")
		}
	}
	return strangers, err
}

// sortOut tells what the step made and has to remove from what others put there.
func (s *Step) sortOut(t *tree, have, before, made *manifest, complete bool) (remove []node, strangers []string) {
	was, wrote := before.index(), made.index()
	for _, n := range have.Nodes {
		if _, ok := was[n.Path]; ok {
			continue
		}
		w, ok := wrote[n.Path]
		switch {
		case !ok || w.What != n.What:
			strangers = append(strangers, t.full(n.Path))
		case n.What == folder || complete || n.meets(w):
			remove = append(remove, n)
		default:
			// Our files appear whole, so this one was never ours or is no more.
			strangers = append(strangers, t.full(n.Path))
		}
	}
	return remove, strangers
}

// giveBack hands out the content of the kept files.
func (s *Step) giveBack(ctx context.Context, t *tree, ref ripcord.BlobRef, need map[string]node, put func(node, io.Reader) error) error {
	rest := make(map[string]bool, len(need))
	for p := range need {
		rest[p] = true
	}
	_, err := s.unpack(ctx, ref, func(p string, r io.Reader) error {
		if !rest[p] {
			return nil
		}
		delete(rest, p)
		return put(need[p], r)
	})
	if err != nil || len(rest) == 0 {
		return err
	}
	var lines []string
	for p := range rest {
		lines = append(lines, t.full(p))
	}
	slices.Sort(lines)
	return refused(fmt.Sprintf("%d files that this step never wrote were changed or deleted by somebody else, and there is no copy of them", len(lines)),
		"bring them back by hand, then retry", lines[:min(len(lines), 20)]...)
}

// unraise removes the folders above the destination that Apply made, with the
// stamp that lies in the last of them.
func (s *Step) unraise(p *place, before *manifest) (strangers []string, err error) {
	for i, dir := range slices.Backward(before.Missing) {
		if !inside(p.real(), dir) {
			continue
		}
		if i == len(before.Missing)-1 {
			if err := unlinkStamp(dir, p.base); err != nil {
				return nil, err
			}
		}
		err := syscall.Rmdir(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err == nil:
		case errors.Is(err, syscall.ENOTEMPTY):
			return []string{dir + " (holds other files)"}, nil
		default:
			return nil, failed("remove folder", dir, err)
		}
		if err := syncPath(filepath.Dir(dir)); err != nil {
			return nil, failed("sync", filepath.Dir(dir), err)
		}
	}
	return nil, nil
}

// union is every path of both manifests, with before's node where both have it.
func union(before, made *manifest) *manifest {
	all := &manifest{Version: 1, Keyed: before.Keyed, Nodes: slices.Clone(before.Nodes)}
	was := before.index()
	for _, n := range made.Nodes {
		if old, ok := was[n.Path]; !ok {
			all.Nodes = append(all.Nodes, n)
		} else if n.What == folder && old.What != folder {
			// Both may hold leftovers: look for them in the folder.
			i := slices.IndexFunc(all.Nodes, func(x node) bool { return x.Path == n.Path })
			all.Nodes[i].What = folder
		}
	}
	all.sort()
	return all
}
