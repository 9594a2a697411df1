package haproxy

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// The marks around the lines that are Ripcord's, in the section of a backend.
const (
	beginMark = "# ripcord begin "
	endMark   = "# ripcord end "
)

// config is a configuration file with the place of our lines.
type config struct {
	path string
	// text is all lines with their ends.
	text []string
	// first and last are our lines: text[first:last].
	first, last int
	// from and to are the lines of the backend's section.
	from, to int
}

// parseConfig finds our lines. Its error is of CodeRefused and says what to add.
func parseConfig(path, text, backend string) (*config, error) {
	c := &config{path: path, text: strings.SplitAfter(text, "\n"), first: -1, last: -1, from: -1}
	c.to = len(c.text)
	refuse := func(format string, args ...any) error {
		return ripcord.Errorf(ripcord.CodeRefused, "haproxy: "+format, args...).WithFix(
			"add the lines `%s` and `%s` to the section of backend %s in %s, and move its server lines between them; comments need no reload",
			beginMark+backend, endMark+backend, backend, path)
	}
	c.findSection(backend)
	if !c.findMarks(backend) {
		return nil, refuse("%s holds `%s` or its end twice, or the end first", path, beginMark+backend)
	}
	switch {
	case c.from < 0:
		return nil, refuse("%s has no section `backend %s`", path, backend)
	case c.first < 0 || c.last < 0:
		return nil, refuse("%s has no place for the servers of backend %s", path, backend)
	case c.first <= c.from || c.last >= c.to:
		return nil, refuse("in %s Ripcord's lines stand outside of the section of backend %s", path, backend)
	}
	return c, c.onlyServers(backend, refuse)
}

// findSection finds the first section of a backend.
func (c *config) findSection(backend string) {
	for n, line := range c.text {
		words := words(line)
		if len(words) == 0 || !section(words[0]) {
			continue
		}
		if c.from >= 0 {
			c.to = n
			return
		}
		if len(words) > 1 && (words[0] == "backend" || words[0] == "listen") && words[1] == backend {
			c.from = n
		}
	}
}

// findMarks finds our lines. It returns false where the marks make no sense.
func (c *config) findMarks(backend string) bool {
	for n, line := range c.text {
		switch strings.TrimSpace(line) {
		case beginMark + backend:
			if c.first >= 0 {
				return false
			}
			c.first = n + 1
		case endMark + backend:
			if c.last >= 0 || c.first < 0 {
				return false
			}
			c.last = n
		}
	}
	return true
}

// onlyServers refuses what a reload would make of lines that we do not change.
func (c *config) onlyServers(backend string, refuse func(string, ...any) error) error {
	for n := c.from + 1; n < c.to; n++ {
		words := words(c.text[n])
		ours := n >= c.first && n < c.last
		switch {
		case len(words) == 0:
		case ours && (words[0] != "server" || len(words) < 3):
			return refuse("line %d of %s stands between Ripcord's marks but is no server line", n+1, c.path)
		case !ours && words[0] == "server-template":
			return refuse("line %d of %s makes servers of backend %s that a reload brings back as they were: write server lines", n+1, c.path, backend)
		case !ours && words[0] == "server" && len(words) > 2 && !slices.Contains(words[3:], "backup"):
			return refuse("line %d of %s: server %s stands outside of Ripcord's lines, so a reload would bring it back as it was", n+1, c.path, words[1])
		}
	}
	return nil
}

func section(word string) bool {
	return slices.Contains([]string{
		"global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "mailers", "userlist", "cache",
		"program", "http-errors", "ring", "log-forward", "fcgi-app", "crt-store",
	}, word)
}

func (c *config) lines() string { return strings.Join(c.text[c.first:c.last], "") }

// with returns the whole text with other lines of ours.
func (c *config) with(lines string) string {
	return strings.Join(c.text[:c.first], "") + lines + strings.Join(c.text[c.last:], "")
}

// indent is that of the first mark.
func (c *config) indent() string {
	mark := c.text[c.first-1]
	return mark[:len(mark)-len(strings.TrimLeft(mark, " \t"))]
}

// words splits a line as HAProxy does, without a comment. Quotes and escapes stay.
func words(line string) []string {
	var out []string
	var word strings.Builder
	in := false
	flush := func() {
		if in {
			out = append(out, word.String())
			word.Reset()
		}
		in = false
	}
	quote, escaped := rune(0), false
	for _, r := range strings.TrimRight(line, "\r\n") {
		switch {
		case escaped:
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'':
			quote = r
		case r == '#':
			flush()
			return out
		case r == ' ' || r == '\t':
			flush()
			continue
		}
		word.WriteRune(r)
		in = true
	}
	flush()
	return out
}

// render returns our lines for servers: lines of servers that are there keep what
// else they say, lines of those in gone are left out, and lines that HAProxy does
// not know yet stay. A host name stays unless the server has moved from where it
// was in before.
func (s *Settings) render(lines, indent string, before image, servers []server, gone []string) string {
	var out strings.Builder
	written := map[string]bool{}
	for line := range strings.Lines(lines) {
		words := words(line)
		if len(words) < 3 {
			out.WriteString(line)
			continue
		}
		at := image{Servers: servers}.server(words[1])
		switch {
		case slices.Contains(gone, words[1]):
		case at == nil:
			out.WriteString(line)
		default:
			was := before.server(at.Name)
			out.WriteString(setLine(line, words, *at, was == nil || was.Address != at.Address))
		}
		written[words[1]] = true
	}
	for _, at := range servers {
		if !written[at.Name] && !at.Backup && !slices.Contains(gone, at.Name) {
			out.WriteString(indent + strings.Join(s.newLine(at), " ") + "\n")
		}
	}
	return out.String()
}

// newLine are the words of a server that has no line yet.
func (s *Settings) newLine(at server) []string {
	line := append([]string{"server", at.Name, at.Address}, s.makeWords(at)...)
	line = append(line, "weight", strconv.Itoa(lineWeight(at)))
	if at.Admin == maint {
		line = append(line, "disabled")
	}
	return line
}

// makeWords are what a new server is made with, beside name, address and weight.
func (s *Settings) makeWords(at server) []string {
	var out []string
	if at.Made != 0 {
		out = append(out, "id", strconv.Itoa(at.Made))
	}
	return append(out, strings.Fields(s.checkWords())...)
}

// lineWeight is the weight in a file, which has no word for a drained server.
func lineWeight(at server) int {
	if at.Admin == drain {
		return 0
	}
	return at.Weight
}

// setLine changes address, weight and whether it is disabled in a server's line;
// a line that says the same already stays as it is.
func setLine(line string, old []string, at server, moved bool) string {
	now := slices.Clone(old)
	host, port, err := net.SplitHostPort(now[2])
	if named := err != nil || net.ParseIP(host) == nil; moved || !named && canonical(host, port) != at.Address {
		now[2] = at.Address
	}
	if n := slices.Index(now, "weight"); n > 2 && n+1 < len(now) {
		now[n+1] = strconv.Itoa(lineWeight(at))
	} else if lineWeight(at) != 1 {
		now = append(now, "weight", strconv.Itoa(lineWeight(at)))
	}
	is := slices.Contains(now[3:], "disabled")
	if at.Admin == maint && !is {
		now = append(now, "disabled")
	}
	if at.Admin != maint && is {
		now = append(now[:3], slices.DeleteFunc(now[3:], func(w string) bool { return w == "disabled" })...)
	}
	if slices.Equal(now, old) {
		return line
	}
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return indent + strings.Join(now, " ") + "\n"
}

// agrees reports whether our lines say of each server that has traffic, and of no
// other one, what HAProxy does now.
func (s *Settings) agrees(now image) bool {
	if now.Lines == nil {
		return true
	}
	return s.render(*now.Lines, "", now, now.Servers, nil) == *now.Lines
}

// keywords returns what the lines say of a server beside name, address, weight
// and disabled; nil where they do not know it.
func keywords(lines *string, name string) []string {
	if lines == nil {
		return nil
	}
	for line := range strings.Lines(*lines) {
		words := words(line)
		if len(words) < 3 || words[1] != name {
			continue
		}
		out := []string{}
		for n := 3; n < len(words); n++ {
			switch words[n] {
			case "weight":
				n++
			case "disabled", "enabled":
			default:
				out = append(out, words[n])
			}
		}
		return out
	}
	return nil
}

// describeFile names the file and our place in it.
func describeFile(path, backend string) string {
	return fmt.Sprintf("Ripcord's lines of backend %s in %s", backend, path)
}
