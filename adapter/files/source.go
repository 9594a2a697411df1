package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// source is what the step wants at its destination.
type source struct {
	// manifest is relative to the destination. An owner or group of anyone and a
	// folder's mode of keep are settled when the destination is known.
	manifest *manifest
	// root and prefix lead to the files; root is nil for inline content.
	root   *os.Root
	prefix string
	// texts are the filled-in templates, by path.
	texts map[string][]byte
	// raw are the same before secrets were put in, for people.
	raw map[string]string
	// secret are the paths whose content holds secrets.
	secret map[string]bool
	folder bool
}

func (w *source) close() error {
	if w.root == nil {
		return nil
	}
	return w.root.Close()
}

// load reads the source, in the bundle where it is there.
func (s *Step) load(ctx context.Context) (*source, error) {
	w := &source{
		manifest: &manifest{Version: 1},
		texts:    map[string][]byte{}, raw: map[string]string{}, secret: map[string]bool{},
	}
	err := s.fill(ctx, w)
	if err == nil {
		err = s.own(w)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (s *Step) fill(ctx context.Context, w *source) error {
	if s.set.Content != nil {
		m, err := mode(s.set.Mode)
		if m < 0 {
			m = 0o644
		}
		if err != nil {
			return err
		}
		w.manifest.Nodes = []node{{Path: ".", What: file, Mode: m, UID: anyone, GID: anyone}}
		return s.write(ctx, w, &w.manifest.Nodes[0], *s.set.Content)
	}
	root, err := s.openSource()
	if err != nil {
		return err
	}
	w.root, w.prefix = root, filepath.ToSlash(filepath.Clean(s.set.Source))
	info, err := root.Stat(w.prefix)
	if err != nil {
		return s.sourceError(err)
	}
	if info.IsDir() {
		w.folder = true
		return s.fillFolder(ctx, w)
	}
	n := describe(".", info)
	n.UID, n.GID = anyone, anyone
	w.manifest.Nodes = []node{n}
	return s.content(ctx, w)
}

// openSource opens the bundle where it has the source, else the plan's folder.
func (s *Step) openSource() (*os.Root, error) {
	for _, base := range []string{s.scope.Bundle, s.scope.Directory} {
		if base == "" {
			continue
		}
		root, err := os.OpenRoot(base)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, failed("open", base, err)
		}
		if _, err = root.Stat(filepath.Clean(s.set.Source)); err == nil {
			return root, nil
		}
		if closed := root.Close(); !errors.Is(err, fs.ErrNotExist) || closed != nil {
			return nil, s.sourceError(errors.Join(err, closed))
		}
	}
	return nil, s.sourceError(fs.ErrNotExist)
}

func (s *Step) sourceError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ripcord.Errorf(ripcord.CodePlan, "files: the source %s does not exist in %s", s.set.Source, s.scope.Directory).
			WithFix("correct source, or build it before the release")
	}
	return ripcord.Errorf(ripcord.CodePlan, "files: the source %s cannot be read: %w", s.set.Source, err)
}

func (s *Step) fillFolder(ctx context.Context, w *source) error {
	sub, err := w.root.OpenRoot(w.prefix)
	if err != nil {
		return s.sourceError(err)
	}
	if err = w.root.Close(); err != nil {
		return errors.Join(s.sourceError(err), sub.Close())
	}
	w.root, w.prefix = sub, "."
	left := &budget{limits: s.limits, at: s.set.Source}
	add := func(n node) error {
		if n.What == other {
			return ripcord.Errorf(ripcord.CodePlan, "files: %s in the source is neither file, folder nor link", n.Path).WithFix("remove it from the source")
		}
		n.UID, n.GID = anyone, anyone
		w.manifest.Nodes = append(w.manifest.Nodes, n)
		return errors.Join(left.take(n), ctx.Err())
	}
	info, err := sub.Lstat(".")
	if err != nil {
		return s.sourceError(err)
	}
	if err := add(describe(".", info)); err != nil {
		return err
	}
	if err := walk(sub, ".", add); err != nil {
		return err
	}
	w.manifest.sort()
	return s.content(ctx, w)
}

// content gives each file its digest, filled in where it is a template.
func (s *Step) content(ctx context.Context, w *source) error {
	for i := range w.manifest.Nodes {
		n := &w.manifest.Nodes[i]
		if n.What != file {
			continue
		}
		if err := s.contentOf(ctx, w, n); err != nil {
			return err
		}
	}
	return s.key(w)
}

func (s *Step) contentOf(ctx context.Context, w *source, n *node) error {
	name := w.name(n.Path)
	if !s.set.Template {
		digest, err := s.digest(ctx, w.root, name, n.Size, false)
		n.Digest = digest
		if err != nil {
			return failed("read the source", filepath.Join(s.set.Source, n.Path), err)
		}
		return nil
	}
	if n.Size > s.limits.TemplateBytes {
		return s.tooLarge(n.Path)
	}
	f, err := openFile(w.root, name)
	if err != nil {
		return failed("read the template", filepath.Join(s.set.Source, n.Path), err)
	}
	text, err := io.ReadAll(io.LimitReader(f, s.limits.TemplateBytes+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return failed("read the template", filepath.Join(s.set.Source, n.Path), err)
	}
	return s.write(ctx, w, n, string(text))
}

func (w *source) name(p string) string {
	if w.prefix == "." {
		return p
	}
	return w.prefix
}

// open returns what belongs at p.
func (w *source) open(p string) (io.ReadCloser, error) {
	if text, ok := w.texts[p]; ok {
		return io.NopCloser(bytes.NewReader(text)), nil
	}
	return openFile(w.root, w.name(p))
}

// key makes all digests keyed where any content holds a secret.
func (s *Step) key(w *source) error {
	if len(w.secret) == 0 {
		return nil
	}
	if s.scope.Blobs == nil {
		return ripcord.Errorf(ripcord.CodeInternal, "files: content with secrets needs a state directory")
	}
	w.manifest.Keyed = true
	for i := range w.manifest.Nodes {
		if n := &w.manifest.Nodes[i]; n.What == file {
			n.Digest = s.seal(n.Digest, true)
		}
	}
	return nil
}

// own gives the nodes the modes and owners that the settings demand.
func (s *Step) own(w *source) error {
	uid, err := s.lookup(s.set.Owner, "user", os.Geteuid(), func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return err
	}
	gid, err := s.lookup(s.set.Group, "group", os.Getegid(), func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	if err != nil {
		return err
	}
	fileMode, err := mode(s.set.Mode)
	if err != nil {
		return err
	}
	folderMode, err := mode(s.set.DirectoryMode)
	if err != nil {
		return err
	}
	for i := range w.manifest.Nodes {
		n := &w.manifest.Nodes[i]
		n.UID, n.GID = uid, gid
		if n.What == file && fileMode >= 0 {
			n.Mode = fileMode
		}
		if n.What == folder && folderMode >= 0 {
			n.Mode = folderMode
		}
	}
	return nil
}

// lookup turns a name or a number into an id that we may give.
func (s *Step) lookup(name, kind string, mine int, find func(string) (string, error)) (int, error) {
	if name == "" {
		return anyone, nil
	}
	id, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		text, unknown := find(name)
		if unknown == nil {
			id, unknown = strconv.ParseUint(text, 10, 31)
		}
		if unknown != nil {
			return 0, ripcord.Errorf(ripcord.CodePlan, "files: there is no %s %q on this machine", kind, name).WithFix("create it, or use a number")
		}
	}
	if os.Geteuid() != 0 && int(id) != mine {
		return 0, ripcord.Errorf(ripcord.CodePlan, "files: only root can give files to %s %q", kind, name).
			WithFix("run ripcord as root, or drop owner and group")
	}
	return int(id), nil
}

func (s *Step) tooLarge(p string) error {
	return ripcord.Errorf(ripcord.CodePlan, "files: the template %s is larger than %d bytes", strings.TrimSuffix(filepath.Join(s.set.Source, p), "/."), s.limits.TemplateBytes).
		WithFix("leave out template: true for large files")
}

// sum is the SHA-256 of text.
func sum(text []byte) string {
	all := sha256.Sum256(text)
	return hex.EncodeToString(all[:])
}
