package planfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The limits of a plan file. They keep the time and memory of a parse small
// whatever the file holds.
const (
	// MaxSize is the largest plan file in bytes.
	MaxSize = 1 << 20
	// maxTokens is how many YAML tokens a file may have; the YAML library's time
	// grows with the square of the keys in one map.
	maxTokens = 20000
	// maxDepth is how deep maps and lists may nest.
	maxDepth = 50
	// maxNodes is how many values a file may have after its aliases are replaced.
	maxNodes = 50000
)

// readYAML turns the file's bytes into its root node. It reports problems and
// returns nil where there is nothing to go on with.
func readYAML(p *problems, data []byte) *node {
	if !readable(p, data) {
		return nil
	}
	tokens := lexer.Tokenize(p.source.text)
	if !bounded(p, tokens) {
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		syntax(p, err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.DirectiveType:
		case body != nil:
			p.add(nodeAt(doc.Body), 1, "keep one document; remove this \"---\" and what follows, or join both",
				"the file holds more than one YAML document")
			return nil
		default:
			body = doc.Body
		}
	}
	if body == nil {
		p.add(position{1, 1}, 1, "write one with `ripcord init`, or start with `application: NAME`", "the file is empty")
		return nil
	}
	b := &treeBuilder{problems: p, anchors: map[string]*node{}, left: maxNodes}
	root := b.build(body, 0)
	if b.overflow {
		return nil
	}
	return root
}

// readable reports bytes that no text file holds.
func readable(p *problems, data []byte) bool {
	if len(data) > MaxSize {
		p.add(position{1, 1}, 1, "move long texts into files of their own and name those",
			"the file has %d bytes; a plan file has at most %d (1 MiB)", len(data), MaxSize)
		return false
	}
	if !utf8.Valid(data) {
		i := 0
		for i < len(data) {
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			i += size
		}
		p.add(p.source.at(len(newSource("", data[:i]).text)), 1, "save the file as UTF-8", "byte %d is not UTF-8", i+1)
		return false
	}
	for i, r := range p.source.text {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			p.add(p.source.at(i), 1, "remove it; in double quotes it is written \\x"+fmt.Sprintf("%02x", r),
				"control character %U", r)
			return false
		}
	}
	return true
}

// bounded reports files that would cost the YAML parser too much.
func bounded(p *problems, tokens token.Tokens) bool {
	if len(tokens) > maxTokens {
		p.add(tokenAt(tokens[maxTokens]), 1, "split the release, or move data into files of their own",
			"the file has too many values (more than %d YAML tokens)", maxTokens)
		return false
	}
	depth, line, onLine := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			onLine++
		default:
		}
		if depth > maxDepth || onLine > maxDepth {
			p.add(tokenAt(t), 1, "a plan file needs no more than a few levels; write it flatter",
				"maps and lists nest deeper than %d levels", maxDepth)
			return false
		}
	}
	return true
}

// parseTokens parses, and turns a panic of the YAML library into an error.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("this is not YAML that can be read (%v)", r)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// syntax reports an error of the YAML parser in our words.
func syntax(p *problems, err error) {
	at, message := position{1, 1}, err.Error()
	if e, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		message = e.GetMessage()
		if t := e.GetToken(); t != nil {
			at = tokenAt(t)
		}
	}
	if tab, ok := tabBefore(p.source, at.line); ok {
		p.add(tab, 1, "indent with spaces; YAML allows no tabs there", "a tab indents this line")
		return
	}
	p.add(at, 1, syntaxFix(message, p.source.line(at.line)), "the YAML cannot be read: %s", strings.TrimSpace(message))
}

// tabBefore finds a line that is indented with a tab, near a syntax error.
func tabBefore(s *source, line int) (position, bool) {
	for n := line + 1; n >= max(1, line-1); n-- {
		text := s.line(n)
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		if i := strings.IndexByte(indent, '\t'); i >= 0 && len(indent) < len(text) {
			return position{n, i + 1}, true
		}
	}
	return position{}, false
}

// syntaxFix guesses what a YAML error wants.
func syntaxFix(message, line string) string {
	switch {
	case strings.Contains(message, "quote"):
		return "close the quotes"
	case strings.ContainsAny(line, "{[") && strings.Contains(line, "${"):
		return "within { } and [ ], put text that holds ${...} in double quotes"
	case strings.Contains(message, "end token"), strings.Contains(message, "',' or"):
		return "close the bracket, and separate its items with commas"
	case strings.Contains(line, ": ") && strings.Count(line, ": ") > 1:
		return "put text that holds \": \" in quotes"
	default:
		return "check the indentation (spaces, same depth for neighbours), and quote text that holds : # { } [ ] & * ! | > % @"
	}
}

// tokenAt returns a token's place.
func tokenAt(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{t.Position.Line, t.Position.Column}
}
