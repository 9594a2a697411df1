package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
)

const (
	diffFileBytes = 32 << 10 // larger files are named only
	diffLines     = 60       // of one file
	explainPaths  = 40
)

// Explain implements ripcord.Explainer: what would change, with a diff of small
// texts. Content with secrets, and files that not everybody may read, are named
// only.
func (s *Step) Explain(ctx context.Context) (string, error) {
	v, err := s.look(ctx, nil)
	if err != nil {
		return "", err
	}
	text, err := s.explain(v)
	return text, errors.Join(err, v.close())
}

func (s *Step) explain(v *view) (string, error) {
	c := s.compareTo(v.want, v.have)
	if c.none() {
		return v.have.Destination + ": nothing to change\n", nil
	}
	if err := s.preflight(v, c); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", v.have.Destination, c)
	for _, dir := range v.have.Missing {
		fmt.Fprintf(&b, "  new folder %s\n", dir)
	}
	left := explainPaths
	is := v.have.index()
	for _, group := range []struct {
		word  string
		nodes []node
	}{{"new", c.fresh}, {"changed", c.changed}, {"deleted", c.gone}} {
		for _, n := range group.nodes {
			if left--; left < 0 {
				continue
			}
			fmt.Fprintf(&b, "  %s %s %s%s\n", group.word, n.What, v.tree.full(n.Path), s.dressed(n, is[n.Path], group.word))
			if group.word == "changed" {
				b.WriteString(s.diff(v, is[n.Path], n))
			}
		}
	}
	if left < 0 {
		fmt.Fprintf(&b, "  and %d more\n", -left)
	}
	return b.String(), nil
}

// dressed says how mode and owner change.
func (s *Step) dressed(n, old node, word string) string {
	if word != "changed" {
		return ""
	}
	var out string
	if n.What != link && old.Mode != n.Mode {
		out += fmt.Sprintf(", mode %04o to %04o", old.Mode, n.Mode)
	}
	if uid, gid, differs := chownTo(n, old); differs {
		out += fmt.Sprintf(", owner %d:%d to %d:%d", old.UID, old.GID, uid, gid)
	}
	return out
}

func (s *Step) diff(v *view, old, n node) string {
	switch {
	case old.What != file || n.What != file || old.sameContent(n):
		return ""
	case v.source.secret[n.Path]:
		return "    (holds secrets; not shown)\n"
	case old.Mode&0o004 == 0 || n.Mode&0o004 == 0:
		return "    (not everybody may read it; not shown)\n"
	case old.Size > diffFileBytes || n.Size > diffFileBytes:
		return fmt.Sprintf("    (%d bytes, then %d)\n", old.Size, n.Size)
	}
	root, name := v.tree.at(n.Path)
	before, err := readText(func() (io.ReadCloser, error) { return openFile(root, name) })
	if err != nil {
		return "    (not text)\n"
	}
	after, err := readText(func() (io.ReadCloser, error) { return v.source.open(n.Path) })
	if err != nil {
		return "    (not text)\n"
	}
	return indent(udiff.Unified("now", "then", before, after))
}

func readText(open func() (io.ReadCloser, error)) (string, error) {
	r, err := open()
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(r, diffFileBytes+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return "", err
	}
	if !utf8.Valid(data) || strings.ContainsRune(string(data), 0) {
		return "", errors.New("not text")
	}
	return string(data), nil
}

func indent(text string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	more := ""
	if len(lines) > diffLines {
		more = fmt.Sprintf("\n    (%d more lines)", len(lines)-diffLines)
		lines = lines[:diffLines]
	}
	return "    " + strings.TrimSuffix(strings.Join(lines, "    "), "\n") + more + "\n"
}
