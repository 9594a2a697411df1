package files

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ripcord-dev/ripcord"
)

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	st, err := recall(a)
	if err != nil {
		return err
	}
	v, err := s.look(ctx, func(t *tree, want *manifest) error { return sweep(t, want, a.Key) })
	if err != nil {
		return err
	}
	return errors.Join(s.apply(ctx, a, v, st), v.close())
}

func (s *Step) apply(ctx context.Context, a ripcord.Attempt, v *view, st *state) error {
	c := s.compareTo(v.want, v.have)
	if c.none() && st.started {
		return a.Record(ctx, progress{Applied: true})
	}
	err := s.prepare(ctx, a, v, st)
	if err != nil {
		return err
	}
	if st.started {
		err = s.ours(v, a.Before)
	} else {
		err = unchanged(v.have, a.Before)
	}
	if err == nil {
		err = s.preflight(v, c)
	}
	if err != nil {
		return err
	}
	if err := a.Record(ctx, progress{Applying: true}); err != nil {
		return err
	}
	if err := v.tree.raise(); err != nil {
		return err
	}
	if s.stampLater != nil {
		if err := s.SetStamp(ctx, *s.stampLater); err != nil {
			return err
		}
	}
	m := &mover{step: s, tree: v.tree, keyed: v.want.Keyed, have: v.have.index(), want: v.want.Nodes, remove: c.gone, feed: v.source.feed, temp: tempName(a.Key)}
	if err := m.run(ctx); err != nil {
		return err
	}
	if a.Output != nil {
		if _, err := fmt.Fprintf(a.Output, "%s: %s\n", v.have.Destination, c); err != nil {
			return fmt.Errorf("files: log: %w", err)
		}
	}
	return a.Record(ctx, progress{Applied: true})
}

// ours refuses to go on where a path is neither as it was before the step nor
// as the step makes it.
func (s *Step) ours(v *view, before ripcord.Observation) error {
	if len(before.Image) == 0 {
		return nil
	}
	old, err := parseManifest(before.Image)
	if err != nil {
		return err
	}
	was, wanted := old.index(), v.want.index()
	var lines []string
	for _, n := range v.have.Nodes {
		o, had := was[n.Path]
		w, wants := wanted[n.Path]
		if had && o == n || wants && (n.meets(w) || n.What == folder && w.What == folder || n.sameContent(w)) || had && n.sameContent(o) || had && n.What == folder && o.What == folder {
			continue
		}
		lines = append(lines, "changed: "+n.Path)
	}
	if len(lines) == 0 {
		return nil
	}
	return refused(v.have.Destination+" was changed by somebody else while the step was interrupted",
		"find out who writes there, then retry or roll back", lines[:min(len(lines), 10)]...)
}

// feed hands out the content of the source's files.
func (w *source) feed(_ context.Context, need map[string]node, put func(node, io.Reader) error) error {
	for _, n := range w.manifest.Nodes {
		fitted, ok := need[n.Path]
		if !ok {
			continue
		}
		r, err := w.open(n.Path)
		if err != nil {
			return failed("read the source of", n.Path, err)
		}
		if err := errors.Join(put(fitted, r), r.Close()); err != nil {
			return err
		}
	}
	return nil
}
