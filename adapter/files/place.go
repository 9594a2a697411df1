package files

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// place is where a destination lies, found anew each time.
type place struct {
	// named is the destination as people know it, absolute.
	named string
	// anchor is the deepest folder above it that exists, without symbolic links.
	anchor string
	// missing are the names of the folders between anchor and base.
	missing []string
	base    string
}

// real is the destination's path without symbolic links above it.
func (p *place) real() string {
	return filepath.Join(append(append([]string{p.anchor}, p.missing...), p.base)...)
}

// absent are the missing folders' paths, outermost first.
func (p *place) absent() []string {
	var out []string
	at := p.anchor
	for _, name := range p.missing {
		at = filepath.Join(at, name)
		out = append(out, at)
	}
	return out
}

// locate finds the destination.
func (s *Step) locate(isFolder bool) (*place, error) {
	named := s.set.Destination
	if strings.HasSuffix(named, "/") && !isFolder && s.set.Source != "" {
		named = filepath.Join(named, filepath.Base(s.set.Source))
	}
	if !filepath.IsAbs(named) {
		named = filepath.Join(s.scope.Directory, named)
	}
	p := &place{named: filepath.Clean(named), base: filepath.Base(named)}
	if p.named == "/" {
		return nil, p.refuse("is the root of the file system")
	}
	at := filepath.Dir(p.named)
	for {
		_, err := os.Lstat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, failed("look at", at, err)
		}
		p.missing = append([]string{filepath.Base(at)}, p.missing...)
		at = filepath.Dir(at)
	}
	anchor, err := filepath.EvalSymlinks(at)
	if err != nil {
		return nil, failed("follow", at, err)
	}
	if info, err := os.Stat(anchor); err != nil || !info.IsDir() {
		return nil, refused(p.named+" cannot be made: "+at+" is not a folder", "move it away or correct destination")
	}
	p.anchor = anchor
	return p, nil
}

// forbid refuses destinations whose replacement nobody can mean.
func (s *Step) forbid(p *place, isFolder bool) error {
	at := p.real()
	if state := resolved(s.scope.StateDir); state != "" && (at == state || inside(state, at) || inside(at, state)) {
		return p.refuse("holds, or lies in, the state directory " + state)
	}
	if !isFolder {
		return nil
	}
	if me, err := user.Current(); err == nil && at == resolved(me.HomeDir) {
		return p.refuse("is a home folder")
	}
	if at == "/root" || filepath.Dir(at) == "/home" {
		return p.refuse("is a home folder")
	}
	if s.set.Delete && filepath.Dir(at) == "/" {
		return p.refuse("is a top folder of the system, and delete would empty it")
	}
	for _, base := range []string{s.scope.Bundle, s.scope.Directory} {
		if base == "" || s.set.Source == "" {
			continue
		}
		from := resolved(filepath.Join(base, s.set.Source))
		if at == from || inside(from, at) || inside(at, from) {
			return p.refuse("and the source " + from + " lie in one another")
		}
	}
	return nil
}

func (p *place) refuse(why string) error {
	return ripcord.Errorf(ripcord.CodePlan, "files: the destination %s %s; it is refused", p.named, why).
		WithFix("name a folder or file that belongs to the application alone")
}

// inside reports whether path lies below dir.
func inside(path, dir string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// resolved is path without symbolic links, or path where it is not there.
func resolved(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if clean, err := filepath.EvalSymlinks(path); err == nil {
		return clean
	}
	return filepath.Clean(path)
}
