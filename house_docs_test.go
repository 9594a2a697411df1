package ripcord_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/planfile"
)

// TestEveryRoomIsOnTheMap: docs/ARCHITECTURE.md names every top folder.
func TestEveryRoomIsOnTheMap(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/ARCHITECTURE.md")
	for _, name := range folders(t, ".") {
		if !strings.Contains(page, "`"+name+"/") {
			t.Errorf("docs/ARCHITECTURE.md does not name `%s/`", name)
		}
	}
}

// TestRootIsDocumented: every exported name of the root package says what it is.
func TestRootIsDocumented(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.folder() != "." || s.isTest() {
			continue
		}
		for _, declaration := range s.file.Decls {
			for _, name := range undocumented(declaration) {
				t.Errorf("%s: %s has no comment", s.fset.Position(name.Pos()), name.Name)
			}
		}
	}
}

// undocumented returns the exported names of a declaration without a comment. A
// comment at the end of a constant's line counts.
func undocumented(declaration ast.Decl) []*ast.Ident {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return nil
		}
		var names []*ast.Ident
		for _, spec := range d.Specs {
			names = append(names, undocumentedSpec(d, spec)...)
		}
		return names
	}
	return nil
}

func undocumentedSpec(d *ast.GenDecl, spec ast.Spec) []*ast.Ident {
	var names []*ast.Ident
	documented := !d.Lparen.IsValid() && d.Doc != nil
	switch s := spec.(type) {
	case *ast.TypeSpec:
		documented = documented || s.Doc != nil
		names = []*ast.Ident{s.Name}
	case *ast.ValueSpec:
		// A group of states or kinds may share the comment above it.
		documented = documented || d.Doc != nil || s.Doc != nil || s.Comment != nil
		names = s.Names
	}
	if documented {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(names), func(n *ast.Ident) bool { return !n.IsExported() })
}

// constants returns the values of the root's string constants of a type.
func constants(t *testing.T, typeName string) []string {
	t.Helper()
	var values []string
	for _, s := range sources(t) {
		if s.folder() != "." || s.isTest() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) == 0 {
				return true
			}
			named, isNamed := spec.Type.(*ast.Ident)
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if isNamed && isLiteral && named.Name == typeName {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("the root has no constant of type %s", typeName)
	}
	return values
}

// TestStatesAreDrawn: docs/state-machine.md shows every state and every entry.
func TestStatesAreDrawn(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/state-machine.md")
	for _, typeName := range []string{"RunState", "StepState", "EntryKind", "Verb"} {
		for _, value := range constants(t, typeName) {
			if !strings.Contains(page, "`"+value+"`") {
				t.Errorf("docs/state-machine.md does not mention the %s `%s`", typeName, value)
			}
		}
	}
}

// TestGlossary: each word of doc.go is explained, and only once.
func TestGlossary(t *testing.T) {
	t.Parallel()
	words := map[string]bool{}
	_, glossary, found := strings.Cut(read(t, "doc.go"), "# Glossary")
	if !found {
		t.Fatal("doc.go has no glossary")
	}
	items := strings.Split(glossary, "//   - ")[1:]
	if len(items) < 20 {
		t.Fatalf("the glossary has %d words; is its form broken?", len(items))
	}
	for _, item := range items {
		names, meaning, ok := strings.Cut(item, ": ")
		if !ok || strings.TrimSpace(meaning) == "" {
			t.Errorf("the glossary does not explain %q", item)
		}
		for name := range strings.SplitSeq(names, ", ") {
			if words[name] {
				t.Errorf("the glossary explains %q twice", name)
			}
			words[name] = true
		}
	}
}

// TestEveryVerbIsExplained: docs/commands.md mentions every verb of cli.
func TestEveryVerbIsExplained(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.folder() != "cli" || s.isTest() {
			continue
		}
		for _, verb := range verbs(s.file) {
			page := read(t, "docs/commands.md")
			if !regexp.MustCompile("(?m)`(ripcord )?([a-z-]+ )?" + verb + "\\b").MatchString(page) {
				t.Errorf("docs/commands.md does not mention the verb `%s` of %s", verb, s.path)
			}
		}
	}
}

// verbs returns the first words of every cobra Use in a file.
func verbs(file *ast.File) []string {
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		field, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, isName := field.Key.(*ast.Ident)
		value, isText := field.Value.(*ast.BasicLit)
		if !isName || key.Name != "Use" || !isText {
			return true
		}
		verb, _, _ := strings.Cut(strings.Trim(value.Value, "`\""), " ")
		hidden := strings.HasPrefix(verb, "__")
		if verb != "ripcord" && !hidden {
			found = append(found, regexp.QuoteMeta(verb))
		}
		return true
	})
	return found
}

// TestDecisionsAreFound: ADRs are numbered without gaps, in the index, and say
// what was decided, why, and at what price.
func TestDecisionsAreFound(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("docs/adr")
	if err != nil {
		t.Fatal(err)
	}
	index, number := read(t, "docs/adr/README.md"), 0
	for _, e := range entries {
		if e.Name() == "README.md" {
			continue
		}
		number++
		if !strings.HasPrefix(e.Name(), fmt.Sprintf("%04d-", number)) {
			t.Errorf("docs/adr/%s should have the number %04d", e.Name(), number)
		}
		if !strings.Contains(index, "]("+e.Name()+")") {
			t.Errorf("docs/adr/README.md does not list %s", e.Name())
		}
		page := read(t, "docs/adr/"+e.Name())
		for _, heading := range []string{"## Why", "## Decision", "## Price"} {
			if !strings.Contains(page, "\n"+heading+"\n") {
				t.Errorf("docs/adr/%s has no %q", e.Name(), heading)
			}
		}
	}
}

// TestChangelogHabit: each note of a change begins with its kind.
func TestChangelogHabit(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^(Added|Changed|Fixed|Removed|Security): \S.*\n`)
	for _, name := range files(t, func(name string) bool { return strings.HasPrefix(name, "changelog/unreleased/") }) {
		if path.Base(name) != "README.md" && !form.MatchString(read(t, name)) {
			t.Errorf("%s does not begin as changelog/unreleased/README.md asks", name)
		}
	}
}

// TestLinksLead: every relative link in a page leads to something.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
	for _, name := range files(t, func(name string) bool { return strings.HasSuffix(name, ".md") }) {
		for _, match := range link.FindAllStringSubmatch(read(t, name), -1) {
			if _, err := os.Stat(path.Join(path.Dir(name), match[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, match[1], err)
			}
		}
	}
}

// TestReadmeIsTrue: the plan file that the README builds up is read without a
// problem after each of its parts.
func TestReadmeIsTrue(t *testing.T) {
	t.Parallel()
	parts := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(parts) == 0 {
		t.Fatal("the README shows no plan file")
	}
	text := ""
	for _, part := range parts {
		text += part[1]
		_, err := planfile.Parse("README.md", []byte(text), planfile.Options{Version: "v1", Directory: t.TempDir()})
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

// TestLicence: the licence is there.
func TestLicence(t *testing.T) {
	t.Parallel()
	if !strings.Contains(read(t, "LICENSE"), "Apache License") {
		t.Error("LICENSE is not the Apache License")
	}
}
