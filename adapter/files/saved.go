package files

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// progress is what the step records.
type progress struct {
	// Saved is the safety copy; Desired is the digest of what Apply will make.
	Saved   *ripcord.BlobRef `json:"saved,omitempty"`
	Desired string           `json:"desired,omitempty"`
	Files   int              `json:"files,omitempty"`
	// Applying precedes the first change, Applied follows the last, Undone
	// follows a way back.
	Applying bool `json:"applying,omitempty"`
	Applied  bool `json:"applied,omitempty"`
	Undone   bool `json:"undone,omitempty"`
}

// state is all progress in one.
type state struct {
	saved   *ripcord.BlobRef
	desired string
	// all are every safety copy ever made, for Discard.
	all []ripcord.BlobRef
	// started: something may have been changed; complete: everything was.
	started, complete bool
}

func recall(a ripcord.Attempt) (*state, error) {
	st := &state{}
	for _, data := range a.Progress {
		var p progress
		if err := json.Unmarshal(data, &p); err != nil {
			return nil, ripcord.Errorf(ripcord.CodeInternal, "files: recorded progress is damaged: %w", err)
		}
		if p.Saved != nil {
			st.saved, st.desired = p.Saved, p.Desired
			st.all = append(st.all, *p.Saved)
		}
		st.started = (st.started || p.Applying) && !p.Undone
		st.complete = (st.complete || p.Applied) && !p.Undone && !p.Applying
	}
	return st, nil
}

const (
	manifestName = "manifest.json"
	contentDir   = "content/"
)

// Prepare implements ripcord.Preparer: it keeps the content of everything that
// will be replaced or deleted.
func (s *Step) Prepare(ctx context.Context, a ripcord.Attempt) error {
	st, err := recall(a)
	if err != nil {
		return err
	}
	v, err := s.look(ctx, nil)
	if err != nil {
		return err
	}
	return errors.Join(s.prepare(ctx, a, v, st), v.close())
}

func (s *Step) prepare(ctx context.Context, a ripcord.Attempt, v *view, st *state) error {
	if st.started && st.saved != nil {
		return nil
	}
	desired, err := v.want.encode()
	if err != nil {
		return err
	}
	digest := s.scope.Blobs.Digest(desired)
	if st.saved != nil && st.desired == digest {
		return nil
	}
	if err := unchanged(v.have, a.Before); err != nil {
		return err
	}
	c := s.compareTo(v.want, v.have)
	if err := s.preflight(v, c); err != nil {
		return err
	}
	keep := keepers(c, v.have)
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(s.pack(ctx, w, v, desired, keep)) }()
	ref, err := s.scope.Blobs.Put(ctx, s.scope.Run, "files-"+string(s.id)+"-"+digest[:min(8, len(digest))], r)
	if err = errors.Join(err, r.Close()); err != nil {
		return failed("keep a safety copy of", v.tree.place.named, err)
	}
	return a.Record(ctx, progress{Saved: &ref, Desired: digest, Files: len(keep)})
}

// unchanged refuses a destination that somebody else changed since the Check.
func unchanged(have *manifest, before ripcord.Observation) error {
	if len(before.Image) == 0 {
		return nil
	}
	old, err := parseManifest(before.Image)
	if err != nil {
		return err
	}
	lines := difference(old, have)
	if len(lines) == 0 {
		return nil
	}
	return refused(have.Destination+" was changed by somebody else since it was checked; nothing was changed by this step",
		"find out who writes there, then start the release again", lines...)
}

// difference lists up to ten paths that two manifests of one destination
// disagree about.
func difference(old, now *manifest) []string {
	var lines []string
	was, is := old.index(), now.index()
	for _, n := range now.Nodes {
		if o, ok := was[n.Path]; !ok {
			lines = append(lines, "new: "+n.Path)
		} else if o != n {
			lines = append(lines, "changed: "+n.Path)
		}
	}
	for _, n := range old.Nodes {
		if _, ok := is[n.Path]; !ok {
			lines = append(lines, "gone: "+n.Path)
		}
	}
	if !slices.Equal(old.Missing, now.Missing) {
		lines = append(lines, "the folders above it")
	}
	if len(lines) > 10 {
		lines = append(lines[:10], fmt.Sprintf("and %d more", len(lines)-10))
	}
	return lines
}

// keepers are the files whose content goes into the safety copy.
func keepers(c *change, have *manifest) []node {
	is := have.index()
	var keep []node
	for _, n := range slices.Concat(c.changed, c.gone) {
		if old := is[n.Path]; old.What == file {
			keep = append(keep, old)
		}
	}
	return keep
}

// pack writes the manifest of what Apply makes, then the files to keep.
func (s *Step) pack(ctx context.Context, w io.Writer, v *view, desired []byte, keep []node) error {
	tw := tar.NewWriter(w)
	if err := tw.WriteHeader(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(desired)), Format: tar.FormatPAX}); err != nil {
		return err
	}
	if _, err := tw.Write(desired); err != nil {
		return err
	}
	for _, n := range keep {
		if err := s.packOne(ctx, tw, v.tree, n); err != nil {
			return failed("copy", v.tree.full(n.Path), err)
		}
	}
	return tw.Close()
}

func (s *Step) packOne(ctx context.Context, tw *tar.Writer, t *tree, n node) error {
	root, name := t.at(n.Path)
	f, err := openFile(root, name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read from
	h := &tar.Header{Name: contentDir + n.Path, Mode: int64(n.Mode & 0o777), Size: n.Size, Format: tar.FormatPAX}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(tw, stopped{ctx, f}, n.Size)
	return err
}

// unpack reads a safety copy from start to end. each gets every kept file.
func (s *Step) unpack(ctx context.Context, ref ripcord.BlobRef, each func(path string, r io.Reader) error) (desired *manifest, err error) {
	r, err := s.scope.Blobs.Open(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("files: the safety copy %s cannot be read: %w", ref.Path, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	tr := tar.NewReader(stopped{ctx, r})
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("files: the safety copy %s is damaged: %w", ref.Path, err)
		}
		if h.Name == manifestName {
			data, err := io.ReadAll(tr)
			if err != nil {
				return nil, err
			}
			if desired, err = parseManifest(data); err != nil {
				return nil, err
			}
			continue
		}
		if each == nil {
			continue
		}
		if err := each(strings.TrimPrefix(h.Name, contentDir), tr); err != nil {
			return nil, err
		}
	}
	// The rest is read so that the blob can prove that it is whole.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, fmt.Errorf("files: the safety copy %s is damaged: %w", ref.Path, err)
	}
	if desired == nil {
		return nil, ripcord.Errorf(ripcord.CodeInternal, "files: the safety copy %s holds no manifest", ref.Path)
	}
	return desired, nil
}

// Discard implements ripcord.Preparer.
func (s *Step) Discard(ctx context.Context, a ripcord.Attempt) error {
	st, err := recall(a)
	if err != nil {
		return err
	}
	for _, ref := range st.all {
		err = errors.Join(err, s.scope.Blobs.Delete(ctx, ref))
	}
	return err
}
