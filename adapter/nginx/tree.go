package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// file is one file of the configuration.
type file struct {
	path string
	text string
	list []*directive
}

// tree is the whole configuration: the main file and what it includes.
type tree struct {
	main  *file
	files map[string]*file
	// dir is where relative includes begin.
	dir string
}

const (
	maxFile  = 16 << 20 // in bytes
	maxFiles = 10_000
)

// load reads the configuration as nginx does.
func load(config string) (*tree, error) {
	t := &tree{files: map[string]*file{}, dir: filepath.Dir(config)}
	var err error
	t.main, err = t.read(config)
	return t, err
}

func (t *tree) read(path string) (*file, error) {
	if f := t.files[path]; f != nil {
		return f, nil
	}
	if len(t.files) >= maxFiles {
		return nil, fmt.Errorf("more than %d files are included", maxFiles)
	}
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, text: text}
	t.files[path] = f
	if f.list, err = parse(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var included error
	walk(f.list, nil, func(_ []*directive, d *directive) {
		if d.name == "include" && len(d.args) == 1 && included == nil {
			included = t.include(d)
		}
	})
	return f, included
}

func (t *tree) include(d *directive) error {
	for _, path := range t.matches(d.args[0]) {
		f, err := t.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // nginx itself says so where it matters
		}
		if err != nil {
			return err
		}
		d.included = append(d.included, f)
	}
	return nil
}

func (t *tree) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(t.dir, path)
}

// matches returns the files that an include names, in nginx's order.
func (t *tree) matches(pattern string) []string {
	pattern = t.absolute(pattern)
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(found, func(path string) bool { return !globs(pattern, path) })
}

// globs reports whether an include's pattern names a path. Unlike Go, the C
// library matches no hidden file unless asked for one.
func globs(pattern, path string) bool {
	ok, err := filepath.Match(pattern, path)
	if err != nil || !ok {
		return false
	}
	patterns, parts := strings.Split(pattern, "/"), strings.Split(path, "/")
	for n := range min(len(patterns), len(parts)) {
		if strings.HasPrefix(parts[n], ".") && !strings.HasPrefix(patterns[n], ".") {
			return false
		}
	}
	return true
}

// walk visits the directives of a file; in is the blocks around each.
func walk(list, in []*directive, visit func(in []*directive, d *directive)) {
	for _, d := range list {
		visit(in, d)
		if len(d.block) > 0 {
			walk(d.block, append(slices.Clone(in), d), visit)
		}
	}
}

// place is a directive within the whole configuration.
type place struct {
	*directive
	file *file
	// in are the blocks around it, across files.
	in []*directive
}

// String says where: "/etc/nginx/nginx.conf:12".
func (p place) String() string { return fmt.Sprintf("%s:%d", p.file.path, p.line) }

// inside reports whether the blocks around it are these.
func (p place) inside(names ...string) bool {
	return slices.EqualFunc(p.in, names, func(d *directive, name string) bool { return d.name == name })
}

// visit visits every directive of the whole configuration in nginx's order.
func (t *tree) visit(do func(p place)) { t.visitFile(t.main, nil, 0, do) }

func (t *tree) visitFile(f *file, in []*directive, depth int, do func(p place)) {
	if depth > maxDepth {
		return
	}
	walk(f.list, in, func(in []*directive, d *directive) {
		do(place{directive: d, file: f, in: in})
		for _, included := range d.included {
			t.visitFile(included, in, depth+1, do)
		}
	})
}

func readText(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", fmt.Errorf("%s is no file that nginx could read, or too large", path)
	}
	data, err := os.ReadFile(path) //nolint:gosec // a file of nginx's configuration
	return string(data), err
}
