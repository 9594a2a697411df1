package nginx

import (
	"errors"
	"fmt"
	"strings"
)

// directive is one statement of nginx's language with its place in the text.
type directive struct {
	name string
	args []string
	// block is what stands in braces; braces says that there are any.
	block  []*directive
	braces bool
	line   int
	// start and end are where the text up to ; or { stands.
	start, end int
	// included are the files that an include names.
	included []*file
}

const maxDepth = 64

// parse reads the text of one file.
func parse(text string) ([]*directive, error) {
	p := &parser{text: text, line: 1}
	list, err := p.block(0)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", p.line, err)
	}
	return list, nil
}

type parser struct {
	text     string
	at, line int
}

// block reads directives up to the end of the text, or the closing brace of a
// block that is depth deep.
func (p *parser) block(depth int) ([]*directive, error) {
	if depth > maxDepth {
		return nil, errors.New("blocks are nested too deeply")
	}
	var list []*directive
	for {
		p.space()
		switch {
		case p.at >= len(p.text) && depth == 0:
			return list, nil
		case p.at >= len(p.text):
			return nil, errors.New("a closing } is missing")
		case p.text[p.at] == '}' && depth > 0:
			p.at++
			return list, nil
		}
		d, err := p.directive(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
}

func (p *parser) directive(depth int) (*directive, error) {
	d := &directive{line: p.line, start: p.at}
	var words []string
	for {
		p.space()
		if p.at >= len(p.text) {
			return nil, errors.New("a ; is missing at the end")
		}
		c := p.text[p.at]
		if c != ';' && c != '{' && c != '}' {
			word, err := p.word()
			if err != nil {
				return nil, err
			}
			words = append(words, word)
			continue
		}
		if c == '}' || len(words) == 0 {
			return nil, fmt.Errorf("%q stands where nobody expects it", string(c))
		}
		p.at++
		d.name, d.args, d.end, d.braces = words[0], words[1:], p.at, c == '{'
		if !d.braces {
			return d, nil
		}
		if strings.HasSuffix(d.name, "_by_lua_block") {
			return d, p.lua()
		}
		var err error
		d.block, err = p.block(depth + 1)
		return d, err
	}
}

// space skips white space and comments.
func (p *parser) space() {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '\n':
			p.line++
		case c == '#':
			for p.at+1 < len(p.text) && p.text[p.at+1] != '\n' {
				p.at++
			}
		case c != ' ' && c != '\t' && c != '\r':
			return
		}
		p.at++
	}
}

// word reads one word, quoted or not, without its quotes and escapes.
func (p *parser) word() (string, error) {
	var word strings.Builder
	quote := byte(0)
	if c := p.text[p.at]; c == '"' || c == '\'' {
		quote = c
		p.at++
	}
	for ; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		switch {
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			word.WriteString(unescape(p.text[p.at]))
			if p.text[p.at] == '\n' {
				p.line++
			}
			continue
		case quote != 0 && c == quote:
			p.at++
			return word.String(), nil
		case quote == 0 && (strings.IndexByte(" \t\r\n;", c) >= 0 || c == '{' && !strings.HasSuffix(word.String(), "$")):
			return word.String(), nil
		case c == '\n':
			p.line++
		}
		word.WriteByte(c)
	}
	if quote != 0 {
		return "", fmt.Errorf("the quote %c is not closed", quote)
	}
	return word.String(), nil
}

// unescape is what nginx makes of a character after a backslash.
func unescape(c byte) string {
	switch c {
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case 'n':
		return "\n"
	case '"', '\'', '\\':
		return string(c)
	}
	return `\` + string([]byte{c})
}

// lua skips a block of another language up to its closing brace.
func (p *parser) lua() error {
	for depth := 1; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '\n':
			p.line++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				p.at++
				return nil
			}
		case '"', '\'':
			p.luaText(c)
		case '-':
			if strings.HasPrefix(p.text[p.at:], "--") && !strings.HasPrefix(p.text[p.at:], "--[") {
				p.luaComment()
			}
		}
	}
	return errors.New("a closing } is missing")
}

// luaText goes to the quote that ends a text, or the line.
func (p *parser) luaText(quote byte) {
	for p.at++; p.at < len(p.text) && p.text[p.at] != quote; p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '\n':
			p.line++
			return
		}
	}
}

// luaComment goes to the last character of a line.
func (p *parser) luaComment() {
	for p.at+1 < len(p.text) && p.text[p.at+1] != '\n' {
		p.at++
	}
}

// quoted writes a word as nginx reads it.
func quoted(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\r\n;{}\"'\\#$") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(word) + `"`
}
