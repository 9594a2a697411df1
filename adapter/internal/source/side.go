package source

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// reference is what is not known when a plan is made.
const reference = `\$\{[^{}]*\}`

// Plain is the text with a word for each reference, to see whether its form is
// right before anything is known.
func Plain(text string) string {
	return regexp.MustCompile(reference).ReplaceAllLiteralString(text, "unknown")
}

// Open reports whether the text refers to what is not known yet: an output of a
// step that has not run.
func Open(text string) bool { return strings.Contains(text, "${steps.") }

// Known reports whether everything that the texts ask of the side is there: a
// version that does not exist has no data, and an empty pattern would match what
// is nobody's.
func Known(side ripcord.Side, texts ...string) bool {
	of := map[string]string{
		"${side.colour}": side.Colour, "${side.addresses}": side.Addresses,
		"${side.instances}": side.Addresses, "${side.version}": side.Version,
	}
	if side.Empty() {
		return false
	}
	for name, value := range of {
		if value == "" && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, name) }) {
			return false
		}
	}
	return true
}

// Each is the side once for each of its addresses.
func Each(side ripcord.Side) []ripcord.Side {
	var all []ripcord.Side
	for address := range strings.SplitSeq(side.Addresses, ",") {
		one := side
		if one.Addresses = strings.TrimSpace(address); one.Addresses != "" {
			all = append(all, one)
		}
	}
	return all
}

// Filler puts into texts what they refer to, and remembers the secrets.
type Filler struct {
	Secrets ripcord.Secrets
	Side    ripcord.Side
	values  []string
}

// Fill expands the side first, so that no secret's value is taken for a reference.
func (f *Filler) Fill(ctx context.Context, text string) (string, error) {
	text = f.Side.Expand(text)
	if !strings.Contains(text, "${secret:") || f.Secrets == nil {
		return text, nil
	}
	text, values, err := f.Secrets.Expand(ctx, text)
	f.values = append(f.values, values...)
	return text, err
}

// Clean takes the secrets out of a text, and what a terminal would obey.
func (f *Filler) Clean(text string) string {
	for _, value := range f.values {
		if value != "" {
			text = strings.ReplaceAll(text, value, "***")
		}
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.TrimSpace(text))
	const longest = 300
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}

// Supposed is the side with a word for each output that no step has given yet;
// ok is false where there is one, so that nothing can be known of the side.
func Supposed(side ripcord.Side) (supposed ripcord.Side, ok bool) {
	ok = true
	for _, text := range []*string{&side.Colour, &side.Addresses, &side.Version} {
		if Open(*text) {
			*text, ok = Plain(*text), false
		}
	}
	return side, ok
}
