package ripcord_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests keep the house in order: what a linter does not see, or what must
// hold also where no linter runs. house_docs_test.go does the same for the docs.

const module = "github.com/ripcord-dev/ripcord"

// made lists what builds and demos leave behind.
var made = []string{"bin", "dist", "playground", "node_modules"}

// source is one Go file of the repository.
type source struct {
	// path is relative to the repository, with slashes.
	path string
	text string
	file *ast.File
	fset *token.FileSet
}

func (s source) folder() string { return path.Dir(s.path) }

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// imports returns the paths that the file imports.
func (s source) imports() []string {
	paths := make([]string, 0, len(s.file.Imports))
	for _, i := range s.file.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

// files returns the repository's files that satisfy want, relative to its root.
func files(t *testing.T, want func(name string) bool) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && name != "." && entry.Name() != ".ci"
		if entry.IsDir() && (hidden || slices.Contains(made, entry.Name())) {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() && want(name) {
			found = append(found, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
	return found
}

// sources parses every Go file outside of testdata.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	goFile := func(name string) bool {
		return strings.HasSuffix(name, ".go") && !strings.Contains(name, "testdata/")
	}
	for _, name := range files(t, goFile) {
		text := read(t, name)
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Fatalf("parse: %v", err)
		}
		all = append(all, source{path: name, text: text, file: file, fset: fset})
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(data)
}

// folders returns the folders right below parent.
func folders(t *testing.T, parent string) []string {
	t.Helper()
	entries, err := os.ReadDir(parent)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatalf("read folder: %v", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || slices.Contains(made, e.Name()) {
			continue
		}
		names = append(names, e.Name())
	}
	return names
}

// TestLayersLookDown repeats the linter's layer rules where they matter most, so
// that they hold for everybody who only runs the tests.
func TestLayersLookDown(t *testing.T) {
	t.Parallel()
	// What of ours the packages below a folder may import; root is ".".
	layers := []struct {
		folder string
		may    []string
	}{
		{"engine", []string{".", "engine"}},
		{"analysis/canary", []string{".", "analysis"}},
		{"analysis", []string{"."}},
		{"planfile", []string{".", "planfile"}},
		{"bundle", []string{"."}},
		{"store", []string{"."}},
		{"adapter/adaptertest", []string{".", "adapter/internal", "adapter/adaptertest"}},
		{"adapter/proxy", []string{".", "adapter/internal", "adapter/proxy/dataplane"}},
		{"adapter", []string{".", "adapter/internal"}},
		{"procfs", []string{"."}},
		{"shim", []string{".", "procfs"}},
		{"keeper", []string{".", "procfs", "shim"}},
	}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, layer := range layers {
			if s.folder() != layer.folder && !strings.HasPrefix(s.folder(), layer.folder+"/") {
				continue
			}
			for _, imported := range s.imports() {
				if !mayImport(imported, layer.may) {
					t.Errorf("%s imports %s, which %s must not know", s.path, imported, layer.folder)
				}
			}
			break
		}
	}
}

// mayImport reports whether a package is none of ours or one of those listed.
func mayImport(imported string, may []string) bool {
	if imported == module {
		return slices.Contains(may, ".")
	}
	ours, ok := strings.CutPrefix(imported, module+"/")
	if !ok {
		return true
	}
	return slices.ContainsFunc(may, func(m string) bool { return ours == m || strings.HasPrefix(ours, m+"/") })
}

// TestRootIsPure: the nouns speak the standard library only and do no I/O.
func TestRootIsPure(t *testing.T) {
	t.Parallel()
	touching := []string{"net", "os", "database", "syscall"}
	for _, s := range sources(t) {
		if s.folder() != "." || s.isTest() {
			continue
		}
		for _, imported := range s.imports() {
			first, _, _ := strings.Cut(imported, "/")
			if strings.Contains(first, ".") {
				t.Errorf("%s imports %s, which is not of the standard library", s.path, imported)
			}
			if slices.Contains(touching, first) {
				t.Errorf("%s imports %s: the root does no I/O", s.path, imported)
			}
		}
	}
}

// TestAdaptersAreAlike: a reader of any adapter begins in the same file, and its
// tests run the conformance suite.
func TestAdaptersAreAlike(t *testing.T) {
	t.Parallel()
	all := sources(t)
	for _, name := range folders(t, "adapter") {
		folder := "adapter/" + name
		files := slices.DeleteFunc(slices.Clone(all), func(s source) bool { return s.folder() != folder })
		if name == "internal" || name == "adaptertest" || len(files) == 0 {
			continue
		}
		begins := slices.ContainsFunc(files, func(s source) bool {
			return s.path == folder+"/"+name+".go" || s.path == folder+"/adapter.go"
		})
		if !begins {
			t.Errorf("%s has neither %s.go nor adapter.go, where a reader begins", folder, name)
		}
		conforms := slices.ContainsFunc(files, func(s source) bool {
			return s.isTest() && (strings.Contains(s.text, "adaptertest.Run(") || strings.Contains(s.text, "adaptertest.RunSource(") ||
				strings.Contains(s.text, "adaptertest.RunRepository(") || strings.Contains(s.text, "adaptertest.RunData("))
		})
		if !conforms && name != "ssh" { // it has no step: its tests ask the same of it and of this machine
			t.Errorf("%s has no test that calls adaptertest.Run, or RunSource, RunRepository, RunData where it has no step", folder)
		}
	}
}

// TestFilesAreSmall counts lines that are neither blank nor comment. 500 is the
// guide, 600 the fence.
func TestFilesAreSmall(t *testing.T) {
	t.Parallel()
	const fence = 600
	for _, s := range sources(t) {
		if lines := codeLines(s.text); lines > fence {
			t.Errorf("%s has %d lines of code; split it by concept", s.path, lines)
		}
	}
}

func codeLines(text string) int {
	count := 0
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "//") {
			count++
		}
	}
	return count
}

// TestPackagesHaveNames: a package is named for what it holds.
func TestPackagesHaveNames(t *testing.T) {
	t.Parallel()
	empty := []string{"util", "utils", "common", "helper", "helpers", "misc", "lib", "base", "shared"}
	for _, s := range sources(t) {
		if slices.Contains(empty, strings.TrimSuffix(s.file.Name.Name, "_test")) {
			t.Errorf("%s: package %s says nothing about what it holds", s.path, s.file.Name.Name)
		}
	}
}

// TestNothingIsSkipped: a test that can't run here must fail, not pass.
func TestNothingIsSkipped(t *testing.T) {
	t.Parallel()
	skips := []string{"Skip", "Skipf", "SkipNow", "Short"}
	receivers := []string{"t", "tb", "b", "f", "testing"}
	for _, s := range sources(t) {
		if !s.isTest() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(skips, selector.Sel.Name) {
				return true
			}
			if x, ok := selector.X.(*ast.Ident); ok && slices.Contains(receivers, x.Name) {
				t.Errorf("%s: %s.%s", s.fset.Position(selector.Pos()), x.Name, selector.Sel.Name)
			}
			return true
		})
	}
}

// TestNobodysMachine: the repository names no path, mirror or note of the machine
// that it was written on.
func TestNobodysMachine(t *testing.T) {
	t.Parallel()
	traces := regexp.MustCompile(`(^|[^\w.-])/(work|root|Users|home/\w+)/|GOPROXY=|GONOSUMDB|\b(TODO|FIXME|XXX)\b`)
	text := regexp.MustCompile(`(\.(go|md|sh|ya?ml|mod|sql|html|css|js|txt)|Makefile|\.ci/run)$`)
	all := files(t, func(name string) bool { return text.MatchString(name) && name != "house_test.go" })
	for _, name := range all {
		for i, line := range strings.Split(read(t, name), "\n") {
			if found := traces.FindString(line); found != "" {
				t.Errorf("%s:%d: %q", name, i+1, found)
			}
		}
	}
}

// TestScriptsAreExecutable: what the Makefile and people call can be called.
func TestScriptsAreExecutable(t *testing.T) {
	t.Parallel()
	all := files(t, func(name string) bool {
		return strings.HasSuffix(name, ".sh") && !strings.Contains(name, "testdata") || name == ".ci/run"
	})
	for _, name := range all {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", name)
		}
	}
}
